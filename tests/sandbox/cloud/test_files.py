"""The twin's passwords: made once, for their owner only, never shown."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from j2k_dev.packaging.registry_login import login_for
from j2k_dev.sandbox.cloud.files import Login, docker_config, provide_logins

if TYPE_CHECKING:
    from pathlib import Path


def test_passwords_are_made_once(tmp_path: Path) -> None:
    first = provide_logins(tmp_path / "logins.json")
    assert provide_logins(tmp_path / "logins.json") == first
    assert first.registry.password != first.kafka.password
    assert (tmp_path / "logins.json").stat().st_mode & 0o077 == 0


def test_lost_or_damaged_passwords_are_made_anew(tmp_path: Path) -> None:
    first = provide_logins(tmp_path / "logins.json")
    (tmp_path / "logins.json").write_text("{}")
    assert provide_logins(tmp_path / "logins.json") != first


def test_a_login_does_not_show_its_password() -> None:
    assert "secret" not in repr(Login("ada", "secret"))


def test_who_pushes_reads_it_as_docker_writes_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(docker_config({"localhost:5001": Login("ada", "se:cret")}))
    assert login_for("localhost:5001", tmp_path / "config.json") == ("ada", "se:cret")


def test_a_pull_secret_has_what_kubernetes_wants() -> None:
    told = json.loads(docker_config({"registry.internal:5000": Login("ada", "secret")}))
    assert base64.b64decode(told["auths"]["registry.internal:5000"]["auth"]) == b"ada:secret"
