"""A sandbox on a terminal."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

from rich.console import Console

from j2k_dev.report.sandbox import print_removed, print_sandbox, print_status
from j2k_dev.sandbox.down import TakenDown
from j2k_dev.sandbox.model import CloudState, Sandbox
from j2k_dev.sandbox.status import PartStatus, SandboxStatus
from tests.sandbox.states import state_of

STATE = state_of(
    Sandbox(Path("/a b")),
    cluster="j2k-12345678",
    context="kind-j2k-12345678",
    kubeconfig="/a b/kubeconfig",
    nodes=3,
)


def console() -> Console:
    """Give a console that keeps what is printed, 80 columns wide."""
    return Console(file=StringIO(), width=80)


def printed(console: Console) -> str:
    """Return what was printed."""
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_one_that_is_up_tells_every_address_and_what_to_type_next() -> None:
    print_sandbox(terminal := console(), STATE)
    text = printed(terminal)
    assert "j2k-12345678  is up  Kubernetes v1.34.4, 3 nodes, images from packages, 13 s" in text
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert rows["cluster"].split() == ["cluster", "kind-j2k-12345678", "12", "s"]
    assert "localhost:5001" in rows["registry"]
    assert "localhost:9094 (in pods: kafka.j2k-system.svc:9092)" in rows["kafka"]
    assert "http://localhost:8474" in rows["proxy"]
    assert text.endswith("next  kubectl --kubeconfig '/a b/kubeconfig' get nodes\n")


def test_one_that_was_up_already_tells_no_times_of_parts() -> None:
    print_sandbox(terminal := console(), replace(STATE, seconds={"total": 0.2}))
    assert "200 ms" in printed(terminal)
    assert "12 s" not in printed(terminal)


def test_a_twin_tells_what_a_scientist_is_told_of_a_cloud() -> None:
    cloud = CloudState(
        "kind-admin", "/a b/admin", ("a", "b"), "registry:5000", "/a b/ca.pem", "/a b/docker", "/a b/logins.json",
        "registry-login", "kafka-login", "SCRAM-SHA-512", "fs-0123", "fsap-0123", {"weather": "j2k-weather"},
    )  # fmt: skip
    print_sandbox(terminal := console(), replace(STATE, cloud=cloud))
    text = printed(terminal)
    for told in ("a, b", "/a b/admin", "fs-0123", "registry:5000", "j2k-weather"):
        assert told in text
    assert text.endswith("next  export DOCKER_CONFIG='/a b/docker'; j2k promote --context kind-j2k-12345678 --plan\n")


def test_the_status_names_what_is_missing_and_the_command_that_mends_it() -> None:
    parts = (
        PartStatus("j2k-12345678-control-plane", "control-plane", "running", "172.18.0.2", 3720.0),
        PartStatus("j2k-12345678-kafka", "kafka", "missing"),
    )
    print_status(terminal := console(), SandboxStatus("j2k-12345678", up=False, parts=parts, told=None))
    text = printed(terminal)
    assert "j2k-12345678  is not up" in text
    assert "1 h 2 min" in text
    assert "missing" in text
    assert text.endswith("next  j2k sandbox up\n")


def test_what_was_removed_is_counted() -> None:
    removed = {
        "j2k-12345678": TakenDown(("a", "b"), ("n",), (), "/x/.j2k/sandbox/default"),
        "j2k-12345678-twin": TakenDown((), (), (), ""),
    }
    print_removed(terminal := console(), removed)
    assert printed(terminal) == (
        "j2k-12345678: removed 2 containers, 1 network, /x/.j2k/sandbox/default\nj2k-12345678-twin: nothing is there\n"
    )
    print_removed(terminal := console(), {})
    assert printed(terminal) == "no sandbox is there\n"
