"""The environment image: the same whenever it is made of the same, not made when nothing changed, without secrets."""

from __future__ import annotations

import json
import os
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.engine.support import support_folder
from j2k_dev.packaging.environment import SCRATCH_LABEL, Request, decided, make_environment, settings_of
from j2k_dev.packaging.files import Selection, select
from j2k_dev.packaging.store import Store
from tests.packaging.conftest import PLANTED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.packaging.conftest import Machine

SITE = "env/lib/python3.11/site-packages"
RECORDED = {
    "LANG": "de_DE.UTF-8",
    "TZ": "Asia/Tokyo",
    "MY_TOKEN": PLANTED,
    "HARMLESS": PLANTED,
    "HOME": f"/home/{PLANTED}",
    "LD_LIBRARY_PATH": "SCRUBBED",
}


@pytest.fixture
def support(tmp_path: Path) -> Path:
    return support_folder(tmp_path / "cache")


def request(machine: Machine, support: Path, *traced: str, token: str = "one") -> Request:
    used = machine.write(f"{SITE}/used/__init__.py")

    def choose() -> Selection:
        return select([used, *traced], machine.python, machine.places)

    return Request(token, choose, "cpython-311", settings_of(machine.python, (), RECORDED), support)


def files_in(store: Store, key: str) -> Iterator[tuple[str, bytes]]:
    for archive in store.folder(key).glob("*.tar"):
        with tarfile.open(archive) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                yield f"/{member.name}", file.read() if file else b""


def test_built_twice_it_has_one_digest(machine: Machine, support: Path, tmp_path: Path) -> None:
    one = make_environment(Store(tmp_path / "one"), request(machine, support))
    os.utime(machine.write(f"{SITE}/used/lazy.py"), (7, 7))
    two = make_environment(Store(tmp_path / "two"), request(machine, support))
    assert one.image.digest == two.image.digest
    assert one.key == two.key


def test_nothing_changed_means_nothing_is_chosen_again(machine: Machine, support: Path, tmp_path: Path) -> None:
    store, wanted = Store(tmp_path / "images"), request(machine, support)
    made = make_environment(store, wanted)
    asked: list[int] = []

    def choose() -> Selection:
        asked.append(1)
        return wanted.choose()

    assert make_environment(store, replace(wanted, choose=choose)).image == made.image
    assert asked == []
    machine.write(f"{SITE}/used/lazy.py", "changed = True")
    changed = make_environment(store, replace(wanted, choose=choose))
    assert asked == [1]
    assert changed.image.digest != made.image.digest


def test_a_module_that_appears_in_a_package_is_noticed(machine: Machine, support: Path, tmp_path: Path) -> None:
    store, wanted = Store(tmp_path / "images"), request(machine, support)
    make_environment(store, wanted)
    assert decided(store, "one")
    machine.write(f"{SITE}/used/appeared.py")
    assert not decided(store, "one")


def test_another_trace_of_the_same_files_gives_the_same_image(machine: Machine, support: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "images")
    made = make_environment(store, request(machine, support))
    inode = (store.folder(made.key) / "environment.tar").stat().st_ino
    again = make_environment(store, request(machine, support, token="two"))
    assert again.image == made.image
    assert (store.folder(made.key) / "environment.tar").stat().st_ino == inode


def test_an_image_whose_layer_was_lost_is_made_again(machine: Machine, support: Path, tmp_path: Path) -> None:
    store, wanted = Store(tmp_path / "images"), request(machine, support)
    made = make_environment(store, wanted)
    (store.folder(made.key) / "environment.tar").unlink()
    assert make_environment(store, wanted).image == made.image
    assert (store.folder(made.key) / "environment.tar").is_file()


def test_a_newer_j2k_takes_the_layer_of_files_over(machine: Machine, support: Path, tmp_path: Path) -> None:
    store, wanted = Store(tmp_path / "images"), request(machine, support)
    made = make_environment(store, wanted)
    (support / "j2k_dev" / "__init__.py").write_text('"""Newer."""\n')
    newer = make_environment(store, replace(wanted, token="newer"))
    assert newer.key != made.key
    files = [store.folder(key) / "environment.tar" for key in (made.key, newer.key)]
    assert files[0].samefile(files[1])


def test_no_planted_secret_is_in_the_image(machine: Machine, support: Path, tmp_path: Path) -> None:
    secret = f"password: {PLANTED}"
    planted = [
        machine.write(f"{SITE}/used/credentials.json", secret),
        machine.write(f"{SITE}/byhand/.env", secret),
        machine.write(f"{SITE}/byhand/server.txt", f"-----BEGIN PRIVATE KEY-----\n{PLANTED}\n"),
        machine.write(f"{SITE}/used-1.dist-info/direct_url.json", f'{{"url": "https://{PLANTED}@host/x"}}'),
        machine.write("env/pip.conf", f"[global]\nindex-url = https://me:{PLANTED}@host/simple"),
        machine.write("home/me/.netrc", secret),
        machine.write("home/me/.ssh/id_ed25519", secret),
        machine.write("home/me/.config/tool/settings.json", secret),
        machine.write("home/me/notes.txt", secret),
        machine.write("desk/data.csv", secret),
        machine.write("desk/.j2k/recordings/spec.json", secret),
    ]
    (machine.root / SITE / "byhand" / "innocent").symlink_to(machine.root / "home/me/.ssh/id_ed25519")
    traced = [*planted, f"{machine.root}/{SITE}/byhand/innocent", machine.write(f"{SITE}/byhand/one.py"), "/etc/shadow"]
    store = Store(tmp_path / "images")
    made = make_environment(store, request(machine, support, *traced))
    inside = dict(files_in(store, made.key))
    assert f"{machine.root}/{SITE}/byhand/one.py" in inside
    assert "/etc/shadow" not in inside
    assert [path for path, data in inside.items() if PLANTED.encode() in data] == []
    everything = b"".join(path.read_bytes() for path in store.root.rglob("*") if path.is_file())
    assert PLANTED.encode() not in everything
    assert json.loads(made.image.config)["config"]["Env"] == sorted(
        f"{name}={value}" for name, value in made.image.settings.environment.items()
    )


def test_only_harmless_settings_of_the_recording_go_along(machine: Machine) -> None:
    settings = settings_of(machine.python, ("-P",), {**RECORDED, "OF_THE_KERNEL": "1"}, ["OF_THE_KERNEL"])
    assert settings.environment["LANG"] == "de_DE.UTF-8"
    assert settings.environment["TZ"] == "Asia/Tokyo"
    assert settings.environment["OF_THE_KERNEL"] == "1"
    assert not {"MY_TOKEN", "HARMLESS", "LD_LIBRARY_PATH"} & settings.environment.keys()
    assert settings.entrypoint[:2] == (machine.python.executable, "-P")


def test_scratch_is_not_where_the_interpreter_lies(machine: Machine) -> None:
    elsewhere = replace(machine.python, prefixes=("/opt/env",))
    assert settings_of(elsewhere, (), {}).labels[SCRATCH_LABEL] == "/tmp"
    below = settings_of(replace(elsewhere, prefixes=("/tmp/env", "/usr")), (), {})
    assert below.labels[SCRATCH_LABEL] == below.environment["HOME"] == below.environment["TMPDIR"] == "/scratch"


def test_the_container_has_users_of_its_own_and_the_worker(machine: Machine, support: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "images")
    inside = dict(files_in(store, make_environment(store, request(machine, support)).key))
    assert b"j2k:x:65532" in inside["/etc/passwd"]
    assert {"/j2k/support/launch.py", "/j2k/support/start.py", "/j2k/support/cloudpickle/__init__.py"} <= inside.keys()
    assert "/j2k/support/kafka/__init__.py" in inside
