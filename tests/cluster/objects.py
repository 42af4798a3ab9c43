"""The Kubernetes objects that the tests apply."""

from __future__ import annotations

from typing import Any

from j2k_dev.sandbox.model import EXCHANGE, KAFKA_PORT, KAFKA_PROXIED_PORT, KAFKA_PROXIED_SERVICE, KAFKA_SERVICE
from tests.cluster.python_image import PYTHON

Object = dict[str, Any]


def shared_volume(name: str, node: str) -> list[Object]:
    """Give a host-path volume on the exchange folder that is bound to one node, and a claim on it."""
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
    volume = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteMany"],
        "storageClassName": name,
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": EXCHANGE, "type": "Directory"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
    }
    claim = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": name,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": claim},
    ]


def writers(name: str, image: str, claim: str) -> Object:
    """Give a Deployment of three that write their names into the volume and then serve it, with all three probes."""
    script = f"""
import functools, http.server, pathlib, socket
pathlib.Path("{EXCHANGE}", socket.gethostname()).write_text("here\\n")
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="{EXCHANGE}")
http.server.ThreadingHTTPServer(("", 8080), handler).serve_forever()
"""
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "failureThreshold": 60}
    container = {
        "name": "writer",
        "image": image,
        "command": [PYTHON, "-c", script],
        "startupProbe": probe,
        "readinessProbe": probe,
        "livenessProbe": probe,
        "volumeMounts": [{"name": "exchange", "mountPath": EXCHANGE}],
    }
    volumes = [{"name": "exchange", "persistentVolumeClaim": {"claimName": claim}}]
    return _deployment(name, 3, {"containers": [container], "volumes": volumes})


def servers(name: str, image: str, replicas: int) -> Object:
    """Give a Deployment of registries (they are small and speak HTTP), spread over the zones."""
    probe = {"httpGet": {"path": "/v2/", "port": 5000}, "periodSeconds": 1}
    spread = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": name}},
    }
    container = {"name": "server", "image": image, "readinessProbe": probe, "livenessProbe": probe}
    return _deployment(name, replicas, {"containers": [container], "topologySpreadConstraints": [spread]})


def producer(name: str, image: str, topic: str) -> Object:
    """Give a Job that sends one message to the broker by its name, and one through the proxy."""
    servers = {
        "direct": f"{KAFKA_SERVICE}:{KAFKA_PORT}",
        "proxied": f"{KAFKA_PROXIED_SERVICE}:{KAFKA_PROXIED_PORT}",
    }
    script = f"""
from kafka import KafkaProducer
for word, server in {servers!r}.items():
    producer = KafkaProducer(bootstrap_servers=server)
    producer.send("{topic}", word.encode()).get(30)
    producer.close()
"""
    pod = {
        "restartPolicy": "Never",
        "containers": [{"name": "producer", "image": image, "command": [PYTHON, "-c", script]}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }


def budget(name: str) -> Object:
    """Allow one of an app's pods to be away at a time."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": name}}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}


def _deployment(name: str, replicas: int, pod: Object) -> Object:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 2, **pod}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
