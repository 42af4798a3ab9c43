"""Which sandboxes a workspace has."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from j2k_dev.model.errors import BadInput
from j2k_dev.sandbox.model import Sandbox
from j2k_dev.sandbox.workspaces import named_sandbox, sandboxes_of

if TYPE_CHECKING:
    from docker import DockerClient


def client(workspace: Path, *, containers: tuple[str, ...] = (), networks: tuple[str, ...] = ()) -> "DockerClient":
    """Give an engine that has containers and networks of these sandboxes, and refuses any question but ours."""
    label = f"j2k.dev/workspace={workspace}"

    def listed(names: tuple[str, ...], filters: dict[str, str]) -> list[dict[str, Any]]:
        assert filters == {"label": label}
        return [{"Labels": Sandbox(workspace, name).labels} for name in names]

    def things(names: tuple[str, ...]) -> SimpleNamespace:
        return SimpleNamespace(list=lambda filters: [SimpleNamespace(attrs=told) for told in listed(names, filters)])

    api = SimpleNamespace(containers=lambda filters, **_all: listed(containers, filters))
    return cast("DockerClient", SimpleNamespace(api=api, networks=things(networks), volumes=things(())))


@pytest.mark.parametrize("name", ["", "twin", "a", "b-2", "a" * 30])
def test_a_name_that_fits_is_taken(tmp_path: Path, name: str) -> None:
    assert named_sandbox(tmp_path, name) == Sandbox(tmp_path, name)


@pytest.mark.parametrize("name", ["Twin", "a_b", "-a", "a-", "a" * 31, "../x", "default", "lock", "a b"])
def test_a_name_that_does_not_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=f"--name {name}: up to 30 small letters"):
        named_sandbox(tmp_path, name)


def test_no_sandboxes_are_none(tmp_path: Path) -> None:
    assert sandboxes_of(tmp_path / "nowhere", client(tmp_path / "nowhere")) == ()


def test_they_are_found_by_their_files(tmp_path: Path) -> None:
    Sandbox(tmp_path).root.mkdir(parents=True)
    Sandbox(tmp_path, "twin").root.mkdir()
    (tmp_path / "sandbox" / "lock").touch()
    assert sandboxes_of(tmp_path, client(tmp_path)) == (Sandbox(tmp_path), Sandbox(tmp_path, "twin"))


def test_and_where_these_are_lost_by_their_labels(tmp_path: Path) -> None:
    Sandbox(tmp_path, "twin").root.mkdir(parents=True)
    found = sandboxes_of(tmp_path, client(tmp_path, containers=("", "other-one"), networks=("twin", "half")))
    assert [sandbox.name for sandbox in found] == ["", "half", "other-one", "twin"]
