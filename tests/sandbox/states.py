"""What a sandbox that is up tells of itself."""

from dataclasses import replace
from typing import Any

from j2k_dev.sandbox.model import Image, Sandbox, SandboxState


def state_of(sandbox: Sandbox, **changes: Any) -> SandboxState:
    """Tell of a sandbox that is up; what a test is about is changed by its field's name."""
    state = SandboxState(
        cluster=sandbox.cluster,
        context=sandbox.context,
        kubeconfig=str(sandbox.kubeconfig),
        kubernetes="v1.34.4",
        nodes=1,
        registry="localhost:5001",
        kafka="localhost:9094",
        kafka_in_cluster="kafka.j2k-system.svc:9092",
        kafka_proxied="localhost:9095",
        proxy="http://localhost:8474",
        images={"node": Image("j2k.local/node:1", "sha256:1", "packages")},
        version="0.1.0",
        seconds={"cluster": 12.3, "registry": 0.4, "kafka": 4.5, "total": 13.0},
    )
    return replace(state, **changes)
