"""What the network policies allow is this table, all in all; workers reach the public internet and nothing inside."""

import copy
from itertools import product

import pytest

from shared.egress import Egress
from tests.k8s.network import NAMESPACE, Pod, Policy, allows
from tests.k8s.rendered import Rendered

HTTP = {"ingest": 8081, "fanout": 8082, "delivery": 8083, "scheduler": 8084, "api": 8080}
OURS = {*HTTP, "migrate"}
EVERYBODY = {*OURS, "rabbitmq", "mongodb", "newcomer"}

PROTOCOLS = (("TCP", ""), ("UDP", "/UDP"))

Table = set[tuple[str, str, str]]
"""Source, target, port."""


def table(overlay: str) -> Table:
    amqp = {"dev": "5672", "prod": "5671"}[overlay]
    allowed = {("ingress-nginx", "api", "8080"), ("ingress-nginx", "ingest", "8081")}
    allowed |= {("producer", "ingest", "8081"), ("producer", "rabbitmq", amqp)}
    allowed |= {(source, name, str(port)) for source in ("prometheus", "collector") for name, port in HTTP.items()}
    allowed |= {(name, "rabbitmq", amqp) for name in OURS} | {(name, "mongodb", "27017") for name in OURS}
    allowed |= {(name, "kube-dns", port) for name in EVERYBODY for port in ("53", "53/UDP")}
    if overlay == "prod":
        allowed |= {(name, "collector", "4318") for name in OURS}
        allowed |= {("keda", "rabbitmq", amqp), ("mongodb", "mongodb", "27017")}
        allowed |= {("rabbitmq", "rabbitmq", port) for port in ("4369", "25672", "35672")}
    return allowed


def pods(site: Rendered) -> dict[str, Pod]:
    here = {NAMESPACE: site.of("Namespace")[0]["metadata"]["name"]}
    found = {name: Pod(name, here, made.labels, made.ports) for name, made in site.workloads.items()}
    found["newcomer"] = Pod("newcomer", here, {}, {"http": 8080})  # that nobody thought of
    if site.overlay == "prod":  # the pods that operators make, with the labels that these give them
        labels = {"app.kubernetes.io/name": "rabbitmq", "app.kubernetes.io/component": "rabbitmq"}
        listening = {"amqps": 5671, "management": 15671, "epmd": 4369, "cluster": 25672, "commands": 35672}
        found["rabbitmq"] = Pod("rabbitmq", here, labels, listening)
        template = site.one("MongoDBCommunity", "mongodb")["spec"]["statefulSet"]["spec"]["template"]
        labels = {"app": "mongodb-svc", **template["metadata"]["labels"]}
        found["mongodb"] = Pod("mongodb", here, labels, {"mongodb": 27017})
    return found


def others() -> dict[str, Pod]:
    return {
        "ingress-nginx": Pod("ingress-nginx", {NAMESPACE: "ingress-nginx"}),
        "prometheus": Pod("prometheus", {NAMESPACE: "monitoring"}),
        "collector": Pod("collector", {NAMESPACE: "monitoring"}, ports={"otlp": 4318}),
        "keda": Pod("keda", {NAMESPACE: "keda"}),
        "kube-dns": Pod("kube-dns", {NAMESPACE: "kube-system"}, {"k8s-app": "kube-dns"}, {"dns": 53}),
        "producer": Pod("producer", {NAMESPACE: "platform", "webhook-dispatcher/producer": "true"}),
        "stranger": Pod("stranger", {NAMESPACE: "default"}, {"app.kubernetes.io/name": "api"}, {"http": 8080}),
    }


def reachable(site: Rendered, policies: list[Policy]) -> Table:
    """By every pair of pods, one of them ours, at every port on which the target listens."""
    ours, outside = pods(site), others()
    pairs = [*product(ours.values(), ours.values()), *product(ours.values(), outside.values())]
    pairs += list(product(outside.values(), ours.values()))
    asked = [
        (source, target, port, kind) for source, target in pairs for port in target.ports.values() for kind in PROTOCOLS
    ]
    return {
        (source.name, target.name, f"{port}{suffix}")
        for source, target, port, (protocol, suffix) in asked
        if allows(policies, source, target, port, protocol)
    }


POLICIES = ["deny-all", "dns", "from-ingress-controller", "from-producers", "from-prometheus", "to-servers"]
POLICIES += ["rabbitmq", "mongodb"]

INSIDE = [
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"),
    *("127.0.0.1", "0.0.0.0", "100.64.0.1", "100.127.255.255", "169.254.0.1", "169.254.169.254", "169.254.170.2"),
    *("192.0.0.170", "198.18.0.1", "203.0.113.1", "224.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1"),
    *("fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "febf::1", "fec0::1", "ff02::1"),
    *("2001::1", "2001:db8::1", "2002:a00:1::1", "2002:a9fe:a9fe::1", "3fff::1"),
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.167.255.255", "223.255.255.255", "2606:4700::1111", "2a00:1450::1"]


def test_what_is_allowed_is_exactly_this_table(site: Rendered) -> None:
    assert reachable(site, site.of("NetworkPolicy")) == table(site.overlay)


@pytest.mark.parametrize("address", INSIDE)
def test_a_worker_reaches_nothing_inside(prod: Rendered, address: str) -> None:
    worker, target = pods(prod)["delivery"], Pod(address, address=address)
    assert not Egress().allows(address, 443), "an address of the inside, by the worker's own rule"
    assert not any(allows(prod.of("NetworkPolicy"), worker, target, port) for port in (80, 443, 6443, 8443))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_worker_reaches_endpoints_at_any_port_and_no_other_service_does(site: Rendered, address: str) -> None:
    target = Pod(address, address=address)
    assert Egress().allows(address, 443)
    for name, pod in pods(site).items():
        reached = {port for port in (25, 80, 443, 8443, 65535) if allows(site.of("NetworkPolicy"), pod, target, port)}
        # RabbitMQ and MongoDB ask Kubernetes' API, whose address is not known.
        of_servers = {443} if site.overlay == "prod" and name in ("rabbitmq", "mongodb") else set()
        assert reached == ({25, 80, 443, 8443, 65535} if name == "delivery" else of_servers), name
        assert not allows(site.of("NetworkPolicy"), pod, target, 443, "UDP")


def without(policies: list[Policy], name: str) -> list[Policy]:
    return [policy for policy in policies if policy["metadata"]["name"] != name]


@pytest.mark.parametrize("name", POLICIES)
def test_each_policy_is_needed(site: Rendered, name: str) -> None:
    assert reachable(site, without(site.of("NetworkPolicy"), name)) != table(site.overlay)


def test_a_policy_that_lets_too_much_through_is_found_out(prod: Rendered) -> None:
    policies = copy.deepcopy(prod.of("NetworkPolicy"))
    [mongodb] = [policy for policy in policies if policy["metadata"]["name"] == "mongodb"]
    mongodb["spec"]["ingress"][0]["from"].append({"namespaceSelector": {}})
    [endpoints] = [policy for policy in policies if policy["metadata"]["name"] == "to-endpoints"]
    endpoints["spec"]["egress"][0]["to"][0]["ipBlock"]["except"].remove("169.254.0.0/16")
    assert ("stranger", "mongodb", "27017") in reachable(prod, policies) - table("prod")
    assert allows(policies, pods(prod)["delivery"], Pod("metadata", address="169.254.169.254"), 80)
