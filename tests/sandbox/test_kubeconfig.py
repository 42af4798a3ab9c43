"""The user's kubeconfig: what is theirs stays as it is."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from j2k_dev.model.errors import BadInput
from j2k_dev.sandbox.kubeconfig import add_context, remove_context, user_kubeconfig


def config(name: str, server: str = "https://127.0.0.1:6443") -> dict[str, Any]:
    """Give a kubeconfig with one context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": {"token": "secret"}}],
        "current-context": name,
    }


def written(path: Path, content: dict[str, Any]) -> Path:
    """Write a kubeconfig."""
    path.write_text(yaml.safe_dump(content))
    return path


def names(path: Path) -> list[str]:
    """Name the contexts of a kubeconfig."""
    return [context["name"] for context in yaml.safe_load(path.read_text())["contexts"]]


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """Write a sandbox's kubeconfig."""
    return written(tmp_path / "kubeconfig", config("kind-j2k"))


def test_where_there_is_none_one_is_made_for_its_owner_only(sandbox: Path, tmp_path: Path) -> None:
    user = tmp_path / "home" / ".kube" / "config"
    add_context(sandbox, user)
    assert names(user) == ["kind-j2k"]
    assert yaml.safe_load(user.read_text())["current-context"] == "kind-j2k"
    assert user.stat().st_mode & 0o777 == 0o600


def test_what_is_theirs_stays(sandbox: Path, tmp_path: Path) -> None:
    theirs = config("prod", "https://prod:6443")
    user = written(tmp_path / "config", theirs)
    user.chmod(0o640)
    add_context(sandbox, user)
    assert names(user) == ["prod", "kind-j2k"]
    assert user.stat().st_mode & 0o777 == 0o640
    assert remove_context("kind-j2k", user)
    assert yaml.safe_load(user.read_text()) == theirs


def test_added_again_it_is_replaced(sandbox: Path, tmp_path: Path) -> None:
    user = written(tmp_path / "config", config("prod"))
    add_context(sandbox, user)
    add_context(written(sandbox, config("kind-j2k", "https://127.0.0.1:7777")), user)
    assert names(user) == ["prod", "kind-j2k"]
    clusters = yaml.safe_load(user.read_text())["clusters"]
    assert clusters[-1]["cluster"]["server"] == "https://127.0.0.1:7777"


def test_a_removed_context_is_current_no_more(sandbox: Path, tmp_path: Path) -> None:
    user = tmp_path / "config"
    add_context(sandbox, user)
    assert remove_context("kind-j2k", user)
    assert yaml.safe_load(user.read_text())["current-context"] == ""


def test_where_it_is_not_the_file_is_not_touched(tmp_path: Path) -> None:
    user = tmp_path / "config"
    user.write_text("# mine\napiVersion: v1\nkind: Config\n")
    assert not remove_context("kind-j2k", user)
    assert user.read_text().startswith("# mine")
    assert not remove_context("kind-j2k", tmp_path / "none")


def test_through_a_link_the_file_itself_is_written(sandbox: Path, tmp_path: Path) -> None:
    kept = written(tmp_path / "kept", config("prod"))
    link = tmp_path / "config"
    link.symlink_to(kept)
    add_context(sandbox, link)
    assert link.is_symlink()
    assert names(kept) == ["prod", "kind-j2k"]


@pytest.mark.parametrize("text", ["{", "- a\n", "contexts: 3\n", "clusters: [1]\n"])
def test_one_that_is_none_is_refused_and_left(sandbox: Path, tmp_path: Path, text: str) -> None:
    user = tmp_path / "config"
    user.write_text(text)
    with pytest.raises(BadInput, match="kubeconfig") as told:
        add_context(sandbox, user)
    assert "KUBECONFIG=FILE" in told.value.way_out
    assert user.read_text() == text


def test_the_file_is_the_one_that_kubectl_writes() -> None:
    assert user_kubeconfig({"KUBECONFIG": ":/a/config:/b/config"}) == Path("/a/config")
    assert user_kubeconfig({}) == Path.home() / ".kube" / "config"
