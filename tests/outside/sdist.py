"""Download source packages through pip's own index client, without building them.

Run as a program by the interpreter of the notebooks' environment, whose pip is pinned: ``pip download`` would run each
package's build backend for its metadata, so this uses the two halves of it that find and fetch a file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pip._internal.commands import create_command
from pip._internal.commands.download import DownloadCommand
from pip._internal.network.download import Downloader
from pip._internal.utils.hashes import Hashes
from pip._vendor.packaging.specifiers import SpecifierSet


def download(name: str, version: str, sha256: str, folder: Path) -> Path:
    """Fetch the one source package that has this name, version and SHA-256; return its path."""
    command = create_command("download")
    assert isinstance(command, DownloadCommand)
    options, _ = command.parse_args(["--quiet", "--no-binary", ":all:"])
    hashes = Hashes({"sha256": [sha256]})
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session)
        found = finder.find_best_candidate(name, SpecifierSet(f"=={version}"), hashes).best_candidate
        if found is None:
            raise SystemExit(f"no source package {name} {version} with SHA-256 {sha256}")
        path, _ = Downloader(session, "off")(found.link, str(folder))
    hashes.check_against_path(path)
    return Path(path)


if __name__ == "__main__":
    print(download(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
