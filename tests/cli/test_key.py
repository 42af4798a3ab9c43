"""key: what signs here, and whose signatures count."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from j2k_dev.evidence.keys import SigningKey, keyring, signing_key

J2k = Callable[..., CompletedProcess[str]]


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("J2K_KEY_DIR", str(tmp_path / "keys"))
    return tmp_path / "keys"


@pytest.fixture
def ann(folder: Path, tmp_path: Path) -> SigningKey:
    """Make the key of a colleague, whose public half lies in this folder."""
    key = signing_key(tmp_path / "ann")
    (folder / "ann.pub").write_text(key.public.pem)
    return key


def test_it_is_made_on_first_use_and_shown(j2k: J2k, keys: Path) -> None:
    told = j2k("key")
    own = signing_key(keys)
    assert told.returncode == 0
    assert f"note: made the key that signs what is verified here: {keys}/signing-key.pem" in told.stderr
    assert told.stdout.splitlines() == [
        f"signs    {own.public.fingerprint}  {own.path}  (keep it to yourself)",
        f"public   {own.public_path}  (for whoever verifies what you signed: j2k key --trust FILE)",
        "trusted  no other key yet",
    ]
    again = j2k("key")
    assert (again.stdout, again.stderr) == (told.stdout, "")


def test_the_private_key_is_never_shown(j2k: J2k, keys: Path) -> None:
    secret = signing_key(keys).path.read_text().splitlines()[1]
    for arguments in ([], ["--json"], ["-v"]):
        told = j2k("key", *arguments)
        assert secret not in told.stdout + told.stderr


def test_a_trusted_key_is_listed(j2k: J2k, keys: Path, ann: SigningKey) -> None:
    told = j2k("key", "--trust", "ann.pub")
    file = keys / "trusted" / f"{ann.public.fingerprint}.pub"
    assert told.returncode == 0
    assert told.stdout.splitlines()[0] == f"trusted  {ann.public.fingerprint}  {file}"
    assert f"trusted  {ann.public.fingerprint}  {file}" in j2k("key").stdout.splitlines()
    assert keyring(keys).find(ann.public.fingerprint) == ann.public


def test_trusting_makes_no_key_of_ones_own(j2k: J2k, keys: Path, ann: SigningKey) -> None:
    j2k("key", "--trust", "ann.pub")
    assert [entry.name for entry in keys.iterdir()] == ["trusted"]


def test_it_says_so_in_json(j2k: J2k, keys: Path, ann: SigningKey) -> None:
    own = signing_key(keys)
    trusted = {"fingerprint": ann.public.fingerprint, "public_key": f"{keys}/trusted/{ann.public.fingerprint}.pub"}
    assert json.loads(j2k("key", "--trust", "ann.pub", "--json").stdout) == {"trusted": [trusted], "exit_code": 0}
    (keys / "trusted" / "odd").write_text("odd")
    told = json.loads(j2k("key", "--json").stdout)
    assert f"{keys}/trusted/odd is no public key in PEM" in told.pop("ignored")[0]
    assert told == {
        "fingerprint": own.public.fingerprint,
        "private_key": str(own.path),
        "public_key": str(own.public_path),
        "trusted": [trusted],
        "exit_code": 0,
    }


def test_what_can_not_be_used_is_shown(j2k: J2k, keys: Path, ann: SigningKey) -> None:
    j2k("key", "--trust", "ann.pub")
    (keys / "trusted" / "odd").write_text("odd")
    assert f"ignored  {keys}/trusted/odd is no public key in PEM" in j2k("key").stdout


def test_a_key_that_others_can_read_is_exit_4_with_the_way_out(j2k: J2k, keys: Path) -> None:
    signing_key(keys).path.chmod(0o644)
    told = j2k("key", "--json")
    error = json.loads(told.stdout)["error"]
    assert told.returncode == error["exit_code"] == 4
    assert error["way_out"] == f"close it: chmod 600 {keys}/signing-key.pem"


def test_a_folder_that_can_not_be_used_is_exit_5(j2k: J2k, keys: Path) -> None:
    keys.write_text("a file")
    told = j2k("key")
    assert told.returncode == 5
    assert "J2K_KEY_DIR=DIR" in told.stderr


@pytest.mark.parametrize("file", ["none.pub", "../ann/signing-key.pem", "."])
def test_what_is_no_public_key_is_exit_2(j2k: J2k, keys: Path, ann: SigningKey, file: str) -> None:
    told = j2k("key", "--trust", file)
    assert told.returncode == 2
    assert "public" in told.stderr
    assert not keys.exists()


def test_the_help_has_examples(j2k: J2k) -> None:
    assert " j2k key --trust ann.pub" in j2k("key", "--help").stdout.partition("Examples")[2]
