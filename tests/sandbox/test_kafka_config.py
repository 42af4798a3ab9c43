"""The broker's configuration: one name for everyone who wants to reach it, and settings for one small broker."""

from __future__ import annotations

from j2k_dev.sandbox.kafka_config import server_properties
from j2k_dev.sandbox.proxy import proxies


def settings() -> dict[str, str]:
    pairs = (line.split("=", 1) for line in server_properties(40001, 40002).splitlines())
    return dict(pairs)


def listeners(setting: str) -> dict[str, str]:
    return dict(one.split("://", 1) for one in settings()[setting].split(","))


def test_each_kind_of_client_is_told_an_address_that_it_can_reach() -> None:
    assert listeners("advertised.listeners") == {
        "HOST": "localhost:40001",
        "CLUSTER": "kafka.j2k-system.svc:9092",
        "PROXIED": "kafka-proxied.j2k-system.svc:9093",
        "PROXIED_HOST": "localhost:40002",
    }


def test_the_controller_is_for_the_broker_alone() -> None:
    listening = listeners("listeners")
    assert listening.keys() - listeners("advertised.listeners").keys() == {"CONTROLLER"}
    assert listening["CONTROLLER"].startswith("localhost:")


def test_no_two_listeners_share_a_port() -> None:
    ports = [address.rpartition(":")[2] for address in listeners("listeners").values()]
    assert len(set(ports)) == len(ports)


def test_transactions_need_one_replica_only() -> None:
    told = settings()
    assert told["transaction.state.log.replication.factor"] == told["transaction.state.log.min.isr"] == "1"
    assert told["offsets.topic.replication.factor"] == "1"


def test_groups_may_be_quick() -> None:
    told = settings()
    assert told["group.initial.rebalance.delay.ms"] == "0"
    assert int(told["group.min.session.timeout.ms"]) <= 1000


def test_topics_are_only_made_on_purpose() -> None:
    assert settings()["auto.create.topics.enable"] == "false"


def test_the_proxy_leads_to_the_listeners_that_are_advertised_through_it() -> None:
    for port in ("9093", "9095"):
        assert f'"upstream": "kafka.j2k-system.svc:{port}"' in proxies()
        assert any(address.endswith(f":{port}") for address in listeners("listeners").values())
