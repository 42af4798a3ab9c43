"""The twin's registry: behind a certificate and a password, whose change makes it another one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.sandbox.cloud.authority import Identity
from j2k_dev.sandbox.cloud.files import Login
from j2k_dev.sandbox.cloud.model import Cloud
from j2k_dev.sandbox.cloud.registry import cloud_hosts_toml, cloud_registry_spec, registry_hosts, write_registry_files
from j2k_dev.sandbox.model import Image, Sandbox
from j2k_dev.sandbox.network import Subnet

if TYPE_CHECKING:
    from j2k_dev.sandbox.commands import Command

IDENTITY = Identity("certificate\n", "key\n")
IMAGE = Image("j2k.local/registry:1", "sha256:1", "packages")


@dataclass
class FakeCloud:
    """Stands in for the program: writes what a registry would not take, and counts how often."""

    asked: list[bytes | None] = field(default_factory=list)

    def run(self, command: Command, way_out: str = "") -> str:
        self.asked.append(command.stdin)
        return f"{command.arguments[-1]}:$2a$10${len(self.asked)}\n"


def test_the_file_of_passwords_is_made_once_for_a_login(tmp_path: Path) -> None:
    cloud, program = Cloud(Sandbox(tmp_path, "twin")), FakeCloud()
    first = write_registry_files(cloud, IDENTITY, Login("ada", "secret"), Path("/bin/cloud"), program)
    again = write_registry_files(cloud, IDENTITY, Login("ada", "secret"), Path("/bin/cloud"), program)
    assert first == again
    assert program.asked == [b"secret"]
    write_registry_files(cloud, IDENTITY, Login("ada", "other"), Path("/bin/cloud"), program)
    assert program.asked == [b"secret", b"other"]


def test_passwords_are_not_in_the_command_and_keys_for_their_owner_only(tmp_path: Path) -> None:
    cloud, program = Cloud(Sandbox(tmp_path, "twin")), FakeCloud()
    write_registry_files(cloud, IDENTITY, Login("ada", "secret"), Path("/bin/cloud"), program)
    assert {(cloud.root / name).stat().st_mode & 0o077 for name in ("registry.key", "htpasswd")} == {0}


def test_another_certificate_or_password_is_another_registry_in_the_same_place() -> None:
    cloud, subnet = Cloud(Sandbox(Path("/home/ada/.j2k"), "twin")), Subnet("172.20.0.0/16")
    one = cloud_registry_spec(cloud, IMAGE, IDENTITY, "ada:$2a$", subnet, {})
    other = cloud_registry_spec(cloud, IMAGE, Identity("certificate\n", "other\n"), "ada:$2a$", subnet, {})
    third = cloud_registry_spec(cloud, IMAGE, IDENTITY, "ada:$2b$", subnet, {})
    assert len({one.digest, other.digest, third.digest}) == 3
    assert one.volumes == other.volumes == third.volumes


def test_the_cluster_calls_it_by_a_name_of_its_certificate() -> None:
    cloud = Cloud(Sandbox(Path("/home/ada/.j2k"), "twin"))
    assert cloud.registry.partition(":")[0] in registry_hosts(cloud)
    assert f'[host."https://{cloud.registry}"]' in cloud_hosts_toml(cloud.registry, "/etc/ca.pem")
