"""The twin's nodes: the program that is their cloud, as units of systemd, and whose certificates they trust."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.cloud.model import ACCOUNT, PROGRAM
from j2k_dev.sandbox.nodes import execute

if TYPE_CHECKING:
    from pathlib import Path

    from docker import DockerClient

    from j2k_dev.sandbox.cloud.authority import Identity
    from j2k_dev.sandbox.cloud.model import Cloud
    from j2k_dev.sandbox.kind_config import NodePlan

_BINARY = f"/usr/local/bin/{PROGRAM}"
_MARK = "/kind/cloud"
AUTHORITY = "/etc/containerd/twin.pem"
_UNIT = """\
[Unit]
Description=What the cluster has instead of a cloud: {command}
After=network.target
StartLimitIntervalSec=0
[Service]
ExecStart={command}
# What it has mounted for pods goes on without it.
KillMode=process
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
"""
_INSTALLED = f"cat {_MARK} 2>/dev/null || true"
_INSTALL = """\
printf %s "$NODE" > /etc/systemd/system/cloud-node.service
[ -z "$CONTROL" ] || printf %s "$CONTROL" > /etc/systemd/system/cloud-control.service
systemctl daemon-reload
for unit in cloud-node ${CONTROL:+cloud-control}; do
    systemctl enable --quiet "$unit"
    if [ -n "$CHANGED" ]; then systemctl restart "$unit"; else systemctl start "$unit"; fi
done
printf %s "$MARK" > /kind/cloud
"""


def check_fuse(client: DockerClient, node: str) -> None:
    """Refuse where access points can't be made: nodes without FUSE."""
    try:
        execute(client, node, "exec 3<>/dev/fuse")
    except MachineryFailed as error:
        told = "the nodes have no /dev/fuse: what squashes the users of an access point of EFS needs it"
        raise MachineryFailed(told, "modprobe fuse   (on the machine of the Docker engine)", error.detail) from error


def trust(client: DockerClient, node: str, authority: Identity) -> None:
    """Let a node trust the certificates of an authority: containerd is told where it lies, by the registry's name."""
    execute(client, node, f'printf %s "$CA" > {AUTHORITY}', {"CA": authority.certificate})


def install(client: DockerClient, plan: NodePlan, program: Path) -> None:
    """Have the cloud's program run on a node, and on the control plane what runs once for the cluster."""
    own = f"{_BINARY} node -account {ACCOUNT} -name {plan.name} -zone {plan.zone}"
    once = f"{_BINARY} control -account {ACCOUNT}" if plan.role == "control-plane" else ""
    mark = f"{program.parent.name} {own} {once}"
    changed = execute(client, plan.name, _INSTALLED) != mark
    if changed:
        _copy(client, plan.name, program)
    environment = {
        "NODE": _UNIT.format(command=own),
        "CONTROL": _UNIT.format(command=once) if once else "",
        "CHANGED": "yes" if changed else "",
        "MARK": mark,
    }
    execute(client, plan.name, _INSTALL, environment)


def open_account(client: DockerClient, node: str, cloud: Cloud, uid: int) -> None:
    """Have a file system of EFS in the account, and an access point of it."""
    folder, point = f"{ACCOUNT}/efs/{cloud.file_system}", f"{ACCOUNT}/access-points/{cloud.access_point}.json"
    told = {"fileSystem": cloud.file_system, "path": "/static", "uid": uid, "gid": uid}
    script = f"""\
mkdir -p -m 711 {ACCOUNT}/efs {ACCOUNT}/ebs {ACCOUNT}/access-points
mkdir -p -m 755 {folder}
mkdir -p -m 700 {folder}/static && chown {uid}:{uid} {folder}/static
printf %s "$POINT" > {point}.new && mv {point}.new {point}
"""
    execute(client, node, script, {"POINT": json.dumps(told)})


def _copy(client: DockerClient, node: str, program: Path) -> None:
    """Put the program into a node under another name first: one that runs can't be written to."""
    with io.BytesIO() as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(program, f"{PROGRAM}.new", filter=_as_roots)
        client.api.put_archive(node, "/usr/local/bin", packed.getvalue())
    execute(client, node, f"mv {_BINARY}.new {_BINARY}")


def _as_roots(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.mode = 0o755
    return info
