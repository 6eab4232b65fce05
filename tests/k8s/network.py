"""Who may talk to whom by a set of NetworkPolicies, as Kubernetes' documentation says what they mean."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Policy = dict[str, Any]
NAMESPACE = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Pod:
    """`ports`: name → number of what it listens on. `address`: something outside the cluster, known by that alone."""

    name: str
    namespace: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    address: str | None = None


@dataclass(frozen=True)
class Connection:
    source: Pod
    target: Pod
    port: int
    protocol: str


def allows(policies: Iterable[Policy], source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
    """Both the source's way out and the target's way in have to be open."""
    policies, wanted = list(policies), Connection(source, target, port, protocol)
    return _open(policies, wanted, "Egress") and _open(policies, wanted, "Ingress")


def _open(policies: list[Policy], wanted: Connection, direction: str) -> bool:
    """Every way is, of a pod that no policy of this direction selects."""
    out = direction == "Egress"
    subject, peer = (wanted.source, wanted.target) if out else (wanted.target, wanted.source)
    about = [policy for policy in policies if _selects(policy, subject) and direction in policy["spec"]["policyTypes"]]
    return not about or any(
        _any_peer(rule.get("to" if out else "from"), peer, policy["metadata"]["namespace"])
        and _any_port(rule.get("ports"), wanted)
        for policy in about
        for rule in policy["spec"].get(direction.lower(), [])
    )


def _selects(policy: Policy, pod: Pod) -> bool:
    here = pod.namespace.get(NAMESPACE) == policy["metadata"]["namespace"]
    return here and _matches(policy["spec"]["podSelector"], pod.labels)


def _any_peer(peers: list[Any] | None, pod: Pod, namespace: str) -> bool:
    return not peers or any(_is_peer(peer, pod, namespace) for peer in peers)


def _is_peer(peer: dict[str, Any], pod: Pod, namespace: str) -> bool:
    if block := peer.get("ipBlock"):
        return pod.address is not None and _within(block, pod.address)
    if pod.address is not None:
        return False
    of_namespace = peer.get("namespaceSelector", {"matchLabels": {NAMESPACE: namespace}})
    return _matches(of_namespace, pod.namespace) and _matches(peer.get("podSelector", {}), pod.labels)


def _within(block: dict[str, Any], address: str) -> bool:
    ip = ip_address(address)
    return ip in ip_network(block["cidr"]) and not any(ip in ip_network(cidr) for cidr in block.get("except", []))


def _any_port(ports: list[Any] | None, wanted: Connection) -> bool:
    return not ports or any(_is_port(one, wanted) for one in ports)


def _is_port(one: dict[str, Any], wanted: Connection) -> bool:
    """A name is that of a port of the target."""
    first = one.get("port", 0)
    number = wanted.target.ports.get(first, -1) if isinstance(first, str) else first
    last = one.get("endPort", number)
    return one.get("protocol", "TCP") == wanted.protocol and ("port" not in one or number <= wanted.port <= last)


def _matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    exact = selector.get("matchLabels", {}).items() <= labels.items()
    return exact and all(_holds(rule, labels) for rule in selector.get("matchExpressions", []))


def _holds(rule: dict[str, Any], labels: dict[str, str]) -> bool:
    assert rule["operator"] == "In", "the only one that is used"
    return labels.get(rule["key"]) in rule["values"]
