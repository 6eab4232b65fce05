"""The Pod Security Standard "restricted", rule by rule: https://kubernetes.io/docs/concepts/security/pod-security-standards/."""

from collections.abc import Iterator
from typing import Any

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
SECCOMP = ("RuntimeDefault", "Localhost")

Spec = dict[str, Any]


def violations(pod: Spec) -> list[str]:
    containers = [
        *pod.get("initContainers", []),
        *pod.get("containers", []),
        *pod.get("ephemeralContainers", []),
    ]
    found = list(_of_pod(pod))
    for container in containers:
        found += [f"{container['name']}: {rule}" for rule in _of_container(container, pod.get("securityContext", {}))]
    return found


def _of_pod(pod: Spec) -> Iterator[str]:
    security = pod.get("securityContext", {})
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield name
    for volume in pod.get("volumes", []):
        if set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']}"
    for sysctl in security.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']}"
    yield from _of_either(security)


def _of_container(container: Spec, pod: Spec) -> Iterator[str]:
    security = container.get("securityContext", {})
    capabilities = security.get("capabilities", {})
    if security.get("privileged"):
        yield "privileged"
    if security.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities.drop"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities.add"
    if security.get("procMount", "Default") != "Default":
        yield "procMount"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"
    if security.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot"
    if security.get("seccompProfile", pod.get("seccompProfile", {})).get("type") not in SECCOMP:
        yield "seccompProfile"
    yield from _of_either(security)


def _of_either(security: Spec) -> Iterator[str]:
    """What neither a pod nor a container may say."""
    if security.get("runAsUser") == 0:
        yield "runAsUser"
    if security.get("windowsOptions", {}).get("hostProcess"):
        yield "hostProcess"
    if security.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in SECCOMP:
        yield "appArmorProfile"
    selinux = security.get("seLinuxOptions", {})
    if selinux.get("user") or selinux.get("role"):
        yield "seLinuxOptions"
    if selinux.get("type", "") not in ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"):
        yield "seLinuxOptions.type"
