"""A small pipeline, as deployed: made here for the tests of this folder."""

from __future__ import annotations

from j2k_dev.deploy.pods import Deployed, plan_pods
from j2k_dev.model.pipeline import Pipeline, Stage

DIGEST = "sha256:" + "0123456789abcdef" * 4
# As j2k build pushes them: one repository, told apart by their digests.
IMAGES = {
    name: f"localhost:5001/j2k/weather@{DIGEST[:-1]}{last}"
    for name, last in {"load": "a", "fit": "b", "plot": "c"}.items()
}


def stage(name: str, *cells: int, peak: int = 100 << 20) -> Stage:
    return Stage(name, cells, (), (), 1.0, peak)


PIPELINE = Pipeline("weather", "abc", "auto", (stage("load", 0, 1), stage("fit", 2), stage("plot", 3, 4)), ())


def deployed(replicas: int = 3) -> Deployed:
    return Deployed(
        pipeline="weather",
        namespace="j2k-weather",
        pods=plan_pods(PIPELINE, IMAGES, "/home/ada/notebooks"),
        kafka={"KAFKA_BROKER": "kafka.j2k-system.svc:9092", "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"},
        user=65532,
        group=65532,
        replicas=replicas,
    )
