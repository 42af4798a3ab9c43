"""What goes into an environment, as a list for people to edit, and what they changed in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from j2k_dev.model.errors import Refused
from j2k_dev.packaging.secrets import is_secret

if TYPE_CHECKING:
    from j2k_dev.packaging.files import Selection

REVIEWED = "left out when the list was reviewed"

_HEAD = """\
# What goes into the environment image, one file a line. Delete a line to leave a file out; add a line with the absolute
# path of a file to take it in. Lines that begin with # are left out; those below were seen by the recording.
"""


@dataclass(frozen=True)
class Review:
    """What people changed: files to leave out, and files to take in."""

    left_out: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


def listed(selection: Selection) -> str:
    """Write the list."""
    left = [f"# {path}  ({reason})" for path, reason in sorted(selection.left_out.items())]
    return "\n".join([_HEAD, *left, "", *sorted(selection.files)]) + "\n"


def reviewed(selection: Selection, text: str) -> Review:
    """Tell what was changed in a list; raise Refused where a file that may hold a secret was added."""
    wanted = {line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")}
    added = wanted - selection.files
    for path in sorted(added):
        if is_secret(path):
            raise Refused(
                f"{path} may hold a secret and never goes into an image",
                "give it to the pipeline where it runs, as a Kubernetes Secret",
            )
        if not path.startswith("/"):
            raise Refused(f"{path!r} in the list is no absolute path", "j2k build --review, and mend the line")
    return Review(tuple(sorted(selection.files - wanted)), tuple(sorted(added)))


def applied(selection: Selection, review: Review) -> Selection:
    """Give the selection as it was reviewed, also where other files were chosen since."""
    left = set(review.left_out) & selection.files
    files = (selection.files - left) | set(review.added)
    told = {path: reason for path, reason in selection.left_out.items() if path not in review.added}
    return replace(selection, files=frozenset(files), left_out={**told, **dict.fromkeys(left, REVIEWED)})
