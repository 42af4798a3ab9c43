"""The containers beside the cluster: what they are made from, and which ports they get."""

from __future__ import annotations

import socket
from dataclasses import replace

from j2k_dev.sandbox.containers import LOOPBACK, Spec, free_port, free_ports

SPEC = Spec("registry", "j2k-1-registry", "image:1", "j2k-1", "172.18.255.254", {5000: 40123})


def test_the_same_specification_has_the_same_digest() -> None:
    assert replace(SPEC).digest == SPEC.digest


def test_another_image_or_port_is_another_specification() -> None:
    digests = {SPEC.digest, replace(SPEC, image="image:2").digest, replace(SPEC, ports={5000: 40124}).digest}
    assert len(digests) == 3


def test_a_free_port_is_kept() -> None:
    port = free_port()
    assert free_ports({5000: port}) == {5000: port}


def test_a_port_that_another_program_holds_is_replaced() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        taken = other.getsockname()[1]
        (chosen,) = free_ports({5000: taken}).values()
        assert chosen not in (0, taken)
