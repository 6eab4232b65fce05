"""Scalers look at queues that exist and own the number of copies of workloads that exist."""

import json

from shared.broker.topology import AGAIN, BULK, DELIVERIES, FANOUT, QUEUES
from shared.settings import BrokerSettings
from tests.k8s.rendered import Rendered
from tests.k8s.schemas import CRDS

KNOWN = json.loads((CRDS / "rabbitmq-scaler.json").read_text())
"""What KEDA's scaler for RabbitMQ understands."""


def watched(prod: Rendered, name: str) -> dict[str, int]:
    """Queue → messages in it for each copy."""
    triggers = prod.one("ScaledObject", name)["spec"]["triggers"]
    for trigger in triggers:
        assert (trigger["type"], trigger["metadata"]["protocol"]) == ("rabbitmq", "amqp")
        assert trigger["metadata"]["mode"] == "QueueLength"
        assert trigger["authenticationRef"]["name"] == prod.of("TriggerAuthentication")[0]["metadata"]["name"]
    return {trigger["metadata"]["queueName"]: int(trigger["metadata"]["value"]) for trigger in triggers}


def test_workers_and_fan_out_follow_their_queues(prod: Rendered) -> None:
    assert set(watched(prod, "delivery")) == {DELIVERIES, BULK, AGAIN}
    assert set(watched(prod, "fanout")) == {FANOUT}


def test_keda_understands_what_it_is_told(prod: Rendered) -> None:
    [authentication] = prod.of("TriggerAuthentication")
    secrets = {one["parameter"] for one in authentication["spec"]["secretTargetRef"]}
    assert secrets == {"host", "ca", "tls"}
    assert secrets <= set(KNOWN["authentication"])
    for scaled in prod.of("ScaledObject"):
        for trigger in scaled["spec"]["triggers"]:
            told = set(trigger["metadata"])
            assert told <= set(KNOWN["metadata"])
            assert set(KNOWN["required"]) <= told | secrets


def test_workers_are_all_there_before_fan_out_has_to_wait(prod: Rendered) -> None:
    most = prod.one("ScaledObject", "delivery")["spec"]["maxReplicaCount"]
    assert watched(prod, "delivery")[DELIVERIES] * most < BrokerSettings().queue_depth_limit


def test_fan_out_has_a_standby_and_hardly_more(prod: Rendered) -> None:
    [queue] = [queue for queue in QUEUES if queue.name == FANOUT]
    assert queue.arguments["x-single-active-consumer"] is True, "else it scales, and should"
    spec = prod.one("ScaledObject", "fanout")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 3)


def test_a_scaler_owns_the_number_of_copies(prod: Rendered) -> None:
    scaled = [made["spec"] for kind in ("HorizontalPodAutoscaler", "ScaledObject") for made in prod.of(kind)]
    names = [spec["scaleTargetRef"]["name"] for spec in scaled]
    assert sorted(names) == ["api", "delivery", "fanout", "ingest"]
    for name in prod.services:
        assert ("replicas" in prod.one("Deployment", name)["spec"]) == (name not in names)
    assert all(spec.get("minReplicas", spec.get("minReplicaCount")) >= 2 for spec in scaled)
