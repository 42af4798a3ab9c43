"""The commands of the sandbox: up, down, status, and the Docker engine that it stands on."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from j2k_dev.cli.command import add, add_group
from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    import typer

    from j2k_dev.cli.session import Session
    from j2k_dev.sandbox.docker_engine.provision import Provided
    from j2k_dev.sandbox.down import TakenDown

_TOLD = "A real Kubernetes cluster, image registry and Kafka broker on this machine."


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = add_group(app, "sandbox", _TOLD)
    add(
        group,
        up,
        "place images nodes name cloud grants kubeconfig retain",
        ("", "--nodes 3 --name wide", "--name twin --cloud --for analysis.ipynb", "--json"),
    )
    add(group, down, "place name every", ("", "--name twin", "--all"))
    add(group, status, "place name", ("", "--json"))
    add(group, engine, "stop data_root", ("", "--stop"))


def up(session: Session, values: dict[str, Any]) -> int:
    """Bring up what is not up: a Kubernetes cluster, an image registry that it pulls from, a Kafka broker."""
    from j2k_dev.actions import sandbox  # noqa: PLC0415 - help and completion do not need it
    from j2k_dev.report.sandbox import print_sandbox  # noqa: PLC0415 - see above

    action = sandbox.BringUp(
        values["images"].value,
        values["nodes"],
        values["kubeconfig"],
        values["retain"],
        values["cloud"],
        tuple(values["grants"] or ()),
    )
    state = sandbox.up(session.place, session.override, values["name"], action, session.ui)
    if session.as_json:
        session.emit({**asdict(state), "exit_code": 0})
    else:
        print_sandbox(session.stdout, state)
    return 0


def down(session: Session, values: dict[str, Any]) -> int:
    """Remove the sandbox: its containers, networks, volumes and files, and nothing else."""
    from j2k_dev.actions import sandbox  # noqa: PLC0415 - see up

    if values["every"] and values["name"]:
        raise BadInput("--all and --name do not go together", "leave out one of them")
    action = sandbox.TakeDown(every=values["every"])
    _show_removed(session, sandbox.down(session.place, session.override, values["name"], action, session.ui))
    return 0


def status(session: Session, values: dict[str, Any]) -> int:
    """Show the parts of the sandbox, whether they run, and where they are reached."""
    from j2k_dev.actions import sandbox  # noqa: PLC0415 - see up
    from j2k_dev.report.sandbox import print_status  # noqa: PLC0415 - see up

    found = sandbox.status(session.place, session.override, values["name"], session.ui)
    if session.as_json:
        session.emit({**asdict(found), "exit_code": 0})
    else:
        print_status(session.stdout, found)
    return 0


def engine(session: Session, values: dict[str, Any]) -> int:
    """Have a Docker engine: use the one that answers, or (Debian or Ubuntu, as root) install and start one."""
    from j2k_dev.actions import sandbox  # noqa: PLC0415 - see up

    if values["stop"]:
        _show_stopped(session, sandbox.stop_engine(session.ui))
    else:
        _show_provided(session, sandbox.have_engine(values["data_root"], session.ui))
    return 0


def _show_removed(session: Session, removed: dict[str, TakenDown]) -> None:
    """Show what was removed, by cluster."""
    from j2k_dev.report.sandbox import print_removed  # noqa: PLC0415 - see up

    if session.as_json:
        session.emit({"removed": {cluster: asdict(what) for cluster, what in removed.items()}, "exit_code": 0})
    else:
        print_removed(session.stdout, removed)


def _show_provided(session: Session, provided: Provided) -> None:
    if session.as_json:
        session.emit({**asdict(provided), "exit_code": 0})
        return
    whose = f"started by j2k (process {provided.ours}, log {provided.log})" if provided.ours else "used and left alone"
    session.say(f"Docker {provided.facts.version} answers at {provided.address}: {whose}")
    if provided.ours:
        session.say("j2k sandbox engine --stop  stops it")


def _show_stopped(session: Session, pid: int | None) -> None:
    if session.as_json:
        session.emit({"stopped": pid, "exit_code": 0})
    else:
        session.say(f"stopped (process {pid})" if pid else "no engine of j2k's runs here; any other is left alone")
