"""Storage on AWS as Kubernetes objects: classes and volumes of the EFS and EBS CSI drivers, from a target file.

Parameters as the drivers document them: docs/README.md of kubernetes-sigs/aws-efs-csi-driver (v2: ``provisioningMode``,
``fileSystemId``, ``directoryPerms``, ``uid``, ``gid``, ``basePath``; static volumes by ``fs-…::fsap-…``) and
docs/parameters.md of kubernetes-sigs/aws-ebs-csi-driver (v1: ``type``, ``iops``, ``throughput``, ``encrypted``,
``kmsKeyId``, ``csi.storage.k8s.io/fstype``). All values are texts, as in every StorageClass.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from j2k_dev.deploy.manifests import EXCHANGE_CLAIM, STATIC_CLASS

if TYPE_CHECKING:
    from j2k_dev.deploy.manifests import Object
    from j2k_dev.deploy.target import Ebs, Efs

EFS_DRIVER = "efs.csi.aws.com"
EBS_DRIVER = "ebs.csi.aws.com"
# Of an access point that is made for a pipeline: nobody else's business.
_PERMISSIONS = "700"
_HASH_LETTERS = 8


def efs_class(namespace: str, labels: dict[str, str], efs: Efs, user: int, group: int) -> Object:
    """Make the class whose volumes are access points of a file system, as the user that the pods are.

    Whatever is done through an access point is done as its own user, to whom all files belong
    (docs.aws.amazon.com/efs/latest/ug/enforce-identity-access-points.html). It is the pods', so that programs that
    look whose their files are find their own.
    Data outlive the claim: Retain.
    """
    parameters = {
        "provisioningMode": "efs-ap",
        "fileSystemId": efs.file_system_id,
        "directoryPerms": efs.directory_perms or _PERMISSIONS,
        "uid": str(user),
        "gid": str(group),
        **({"basePath": efs.base_path} if efs.base_path else {}),
    }
    return _class(f"{namespace}-efs", labels, EFS_DRIVER, parameters, "Retain", "Immediate")


def ebs_class(namespace: str, labels: dict[str, str], ebs: Ebs) -> Object:
    """Make the class of the volumes that each pod gets for itself, in the zone that the pod is placed in.

    A volume of EBS is in one zone and on one node: it is made after its pod has got a place (WaitForFirstConsumer),
    and goes with it.
    """
    parameters = {
        "type": ebs.type,
        "csi.storage.k8s.io/fstype": "ext4",
        "encrypted": str(ebs.encrypted).lower(),
        **({"iops": str(ebs.iops)} if ebs.iops else {}),
        **({"throughput": str(ebs.throughput)} if ebs.throughput else {}),
        **({"kmsKeyId": ebs.kms_key_id} if ebs.kms_key_id else {}),
    }
    return _class(f"{namespace}-ebs", labels, EBS_DRIVER, parameters, "Delete", "WaitForFirstConsumer")


def efs_volume(namespace: str, labels: dict[str, str], efs: Efs, size: str) -> Object:
    """Make the volume that is an access point that is there, for the exchange's claim and no other.

    EFS knows no size; Kubernetes wants one to bind by.
    """
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": static_volume(namespace), "labels": dict(labels)},
        "spec": {
            "capacity": {"storage": size},
            "volumeMode": "Filesystem",
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STATIC_CLASS,
            "claimRef": {"namespace": namespace, "name": EXCHANGE_CLAIM},
            "csi": {"driver": EFS_DRIVER, "volumeHandle": f"{efs.file_system_id}::{efs.access_point}"},
        },
    }


def static_volume(namespace: str) -> str:
    """Name the volume that is an access point that is there."""
    return f"{namespace}-exchange"


def private_volume(name: str, class_name: str, size: str) -> Object:
    """Make a volume of a pod that comes and goes with it (a generic ephemeral volume), in place of an emptyDir."""
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": class_name,
        "resources": {"requests": {"storage": size}},
    }
    return {"name": name, "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}


def _class(
    name: str, labels: dict[str, str], driver: str, parameters: dict[str, str], reclaim: str, binding: str
) -> Object:
    """Make a class. Its parameters can't be changed once it is there, so its name holds a hash of them."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:_HASH_LETTERS]
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": f"{name}-{digest}", "labels": dict(labels)},
        "provisioner": driver,
        "parameters": parameters,
        "reclaimPolicy": reclaim,
        "volumeBindingMode": binding,
    }
