"""The Kubernetes objects of a deployed pipeline, as plain dictionaries; pure: the same pipeline, the same objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from j2k_dev.deploy.pods import HEALTH_PORT, REPLICAS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from j2k_dev.deploy.pods import Deployed, PodManager, Resources

Object = dict[str, Any]

EXCHANGE_CLAIM = "exchange"
EXCHANGE_MOUNT = "/exchange"
SERVICE_ACCOUNT = "worker"
KAFKA_CONFIG = "kafka"
KAFKA_CREDENTIALS = "kafka-credentials"
# A class of this name exists nowhere: a claim of it binds to the volume that is made for it, and to no other.
STATIC_CLASS = "j2k-exchange"
# On the pods that reach the exchange of a cluster from outside: they are no workers.
COURIER_LABEL = "j2k.dev/courier"
# On every object but the pods, which would start anew: which manifests it came with.
RELEASE = "j2k.dev/release"

_GRACE_SECONDS = 30


def base_objects(deployed: Deployed) -> dict[str, tuple[Object, ...]]:
    """Make the objects that every cluster gets, by the file that they are written to."""
    files: dict[str, tuple[Object, ...]] = {
        "namespace.yaml": (_namespace(deployed),),
        "account.yaml": (_service_account(deployed),),
        "network.yaml": (_network_policy(deployed),),
        "kafka.yaml": (_kafka_config(deployed),),
        "exchange.yaml": (exchange_claim(deployed),),
    }
    for pod in deployed.pods:
        files[f"{pod.name}.yaml"] = (deployment(deployed, pod), _service(deployed, pod), _disruption(deployed, pod))
    return files


def local_volume(deployed: Deployed, path: str, nodes: list[str]) -> Object:
    """Make the volume that is a folder of the named nodes."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{deployed.namespace}-exchange", "labels": _labels(deployed)},
        "spec": {
            "capacity": {"storage": _gibibytes(deployed.exchange_bytes)},
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STATIC_CLASS,
            "claimRef": {"namespace": deployed.namespace, "name": EXCHANGE_CLAIM},
            "hostPath": {"path": path, "type": "Directory"},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": nodes}]}
                    ]
                }
            },
        },
    }


def exchange_claim(deployed: Deployed) -> Object:
    """Make the claim on the exchange: one volume that every stage reads and writes."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(deployed, EXCHANGE_CLAIM),
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": STATIC_CLASS,
            "resources": {"requests": {"storage": _gibibytes(deployed.exchange_bytes)}},
        },
    }


def deployment(deployed: Deployed, pod: PodManager) -> Object:
    """Make the Deployment of a stage."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(deployed, pod.name, pod),
        "spec": {
            "replicas": REPLICAS,
            "revisionHistoryLimit": 3,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}},
            "selector": {"matchLabels": _selector(deployed, pod)},
            "template": {
                "metadata": {"labels": _pod_labels(deployed, pod)},
                "spec": _pod_spec(deployed, pod),
            },
        },
    }


def _pod_spec(deployed: Deployed, pod: PodManager) -> Object:
    return {
        "serviceAccountName": SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": deployed.user,
            "runAsGroup": deployed.group,
            "fsGroup": deployed.group,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [_spread(deployed, pod)],
        "containers": [_container(deployed, pod)],
        "volumes": [
            {"name": "exchange", "persistentVolumeClaim": {"claimName": EXCHANGE_CLAIM}},
            {"name": "work", "emptyDir": {}},
            {"name": "scratch", "emptyDir": {}},
        ],
    }


def _container(deployed: Deployed, pod: PodManager) -> Object:
    environment = {"KAFKA_BROKER": deployed.kafka["KAFKA_BROKER"], **pod.environment}
    return {
        "name": "worker",
        "image": pod.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [
            *({"name": name, "value": value} for name, value in environment.items()),
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "envFrom": [
            {"configMapRef": {"name": KAFKA_CONFIG}},
            {"secretRef": {"name": KAFKA_CREDENTIALS, "optional": True}},
        ],
        "ports": [{"name": "health", "containerPort": HEALTH_PORT}],
        "resources": _resources(pod.resources),
        "startupProbe": _probe("/healthz", periodSeconds=1, failureThreshold=120),
        "readinessProbe": _probe("/readiness", periodSeconds=2, failureThreshold=2),
        # A first process that does not answer says no farewell either.
        "livenessProbe": _probe(
            "/healthz", periodSeconds=5, failureThreshold=3, timeoutSeconds=5, terminationGracePeriodSeconds=5
        ),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "exchange", "mountPath": EXCHANGE_MOUNT},
            {"name": "work", "mountPath": pod.work},
            {"name": "scratch", "mountPath": deployed.scratch},
        ],
    }


def _probe(path: str, **timing: int) -> Object:
    return {"httpGet": {"path": path, "port": "health"}, **timing}


def _spread(deployed: Deployed, pod: PodManager) -> Object:
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": _selector(deployed, pod)},
    }


def _resources(resources: Resources) -> Object:
    return {
        "requests": {"cpu": f"{resources.cpu_request}m", "memory": _mebibytes(resources.memory_request)},
        "limits": {"cpu": f"{resources.cpu_limit}m", "memory": _mebibytes(resources.memory_limit)},
    }


def _namespace(deployed: Deployed) -> Object:
    pod_security = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": deployed.namespace, "labels": {**_labels(deployed), **pod_security}},
    }


def _service_account(deployed: Deployed) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(deployed, SERVICE_ACCOUNT),
        "automountServiceAccountToken": False,
    }


def _network_policy(deployed: Deployed) -> Object:
    """Let nobody in but the namespace's own, to the health port; what notebooks ask of the network stays open."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(deployed, "health-only"),
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": HEALTH_PORT}]}],
        },
    }


def _kafka_config(deployed: Deployed) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(deployed, KAFKA_CONFIG),
        "data": dict(deployed.kafka),
    }


def _service(deployed: Deployed, pod: PodManager) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(deployed, pod.name, pod),
        "spec": {
            "selector": _selector(deployed, pod),
            "ports": [{"name": "health", "port": HEALTH_PORT, "targetPort": "health"}],
        },
    }


def _disruption(deployed: Deployed, pod: PodManager) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(deployed, pod.name, pod),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _selector(deployed, pod)}},
    }


def _metadata(deployed: Deployed, name: str, pod: PodManager | None = None) -> Object:
    return {"name": name, "namespace": deployed.namespace, "labels": _labels(deployed, pod)}


def _labels(deployed: Deployed, pod: PodManager | None = None) -> dict[str, str]:
    own = _common_labels(deployed) if pod is None else _pod_labels(deployed, pod)
    return {**own, **deployed.labels}


def _pod_labels(deployed: Deployed, pod: PodManager) -> dict[str, str]:
    """Label pods with what stays the same: whatever changes here starts them anew."""
    stage = {"app.kubernetes.io/name": pod.name, "app.kubernetes.io/component": pod.role, "j2k.dev/stage": pod.name}
    return {**_common_labels(deployed), **stage}


def _common_labels(deployed: Deployed) -> dict[str, str]:
    return {
        "app.kubernetes.io/part-of": deployed.pipeline,
        "app.kubernetes.io/managed-by": "j2k",
        "j2k.dev/pipeline": deployed.pipeline,
    }


def _selector(deployed: Deployed, pod: PodManager) -> Mapping[str, str]:
    return {"j2k.dev/pipeline": deployed.pipeline, "j2k.dev/stage": pod.name}


def _mebibytes(number: int) -> str:
    return f"{number >> 20}Mi"


def _gibibytes(number: int) -> str:
    return f"{number >> 30}Gi"
