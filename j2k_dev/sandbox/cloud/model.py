"""What a twin has besides what every sandbox has: names, files, and what it tells of itself. Nothing here acts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.sandbox.model import Sandbox

# Two nodes, each in a zone of its own.
NODES = 2
# Where the nodes see the folder that stands for the account: file systems, access points, disks.
ACCOUNT = "/cloud"
PROGRAM = "cloud"
EFS_DRIVER, EBS_DRIVER = "efs.csi.aws.com", "ebs.csi.aws.com"
EFS_CLASS, EBS_CLASS = "efs", "ebs"
# The Secrets that the administrator leaves in a pipeline's namespace.
PULL_SECRET, KAFKA_SECRET = "registry-login", "kafka-login"
# Who the user is to the cluster, and the group that docs/admin.md grants rights to.
USER, GROUP = "scientist", "j2k-promoters"
MECHANISM = "SCRAM-SHA-512"


@dataclass(frozen=True)
class Cloud:
    """The names and files of one twin."""

    sandbox: Sandbox

    @property
    def root(self) -> Path:
        """Where its files lie."""
        return self.sandbox.root / "cloud"

    @property
    def volume(self) -> str:
        """Name the Docker volume that is the account."""
        return self.sandbox.container("account")

    @property
    def context(self) -> str:
        """What the user's kubeconfig calls the cluster."""
        return self.sandbox.cluster

    @property
    def kubeconfig(self) -> Path:
        """The user's kubeconfig; the administrator's is the sandbox's."""
        return self.root / "kubeconfig"

    @property
    def authority(self) -> Path:
        """Whose certificates registry and broker have (PEM)."""
        return self.root / "ca.pem"

    @property
    def logins(self) -> Path:
        """The passwords, for their owner only."""
        return self.root / "logins.json"

    @property
    def docker_config(self) -> Path:
        """A folder for DOCKER_CONFIG that is logged in to the registry."""
        return self.root / "docker"

    @property
    def registry(self) -> str:
        """Name the registry as the cluster pulls from it."""
        return f"{self.sandbox.container('registry')}:5000"

    @property
    def file_system(self) -> str:
        """Name the file system of EFS."""
        return f"fs-{self._id('file system')}"

    @property
    def access_point(self) -> str:
        """Name the access point that is there from the beginning."""
        return f"fsap-{self._id('access point')}"

    def _id(self, of: str) -> str:
        return hashlib.sha256(f"{self.sandbox.cluster} {of}".encode()).hexdigest()[:17]
