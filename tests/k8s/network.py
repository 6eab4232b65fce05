"""Who may talk to whom by a set of NetworkPolicies: https://kubernetes.io/docs/concepts/services-networking/network-policies/."""

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


def allows(policies: Iterable[Policy], source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
    """Both the source's way out and the target's way in have to be open."""
    policies = list(policies)
    return _open(policies, source, target, "Egress", port, protocol, target) and _open(
        policies, target, source, "Ingress", port, protocol, target
    )


def _open(
    policies: list[Policy], subject: Pod, peer: Pod, direction: str, port: int, protocol: str, listener: Pod
) -> bool:
    """Everything is, for a pod that no policy of this direction selects."""
    about = [policy for policy in policies if _selects(policy, subject) and direction in policy["spec"]["policyTypes"]]
    side = {"Egress": "to", "Ingress": "from"}[direction]
    rules = [rule for policy in about for rule in policy["spec"].get(direction.lower(), [])]
    return not about or any(
        _any_peer(rule.get(side), peer, policy_namespace(about))
        and _any_port(rule.get("ports"), port, protocol, listener)
        for rule in rules
    )


def policy_namespace(policies: list[Policy]) -> str:
    [namespace] = {policy["metadata"]["namespace"] for policy in policies}
    return namespace


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


def _any_port(ports: list[Any] | None, port: int, protocol: str, listener: Pod) -> bool:
    return not ports or any(_is_port(one, port, protocol, listener) for one in ports)


def _is_port(one: dict[str, Any], port: int, protocol: str, listener: Pod) -> bool:
    first = one.get("port", 0)
    number = listener.ports.get(first, -1) if isinstance(first, str) else first
    last = one.get("endPort", number)
    return one.get("protocol", "TCP") == protocol and ("port" not in one or number <= port <= last)


def _matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    exact = selector.get("matchLabels", {}).items() <= labels.items()
    return exact and all(_holds(rule, labels) for rule in selector.get("matchExpressions", []))


def _holds(rule: dict[str, Any], labels: dict[str, str]) -> bool:
    assert rule["operator"] == "In", "the only one that is used"
    return labels.get(rule["key"]) in rule["values"]
