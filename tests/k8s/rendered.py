"""What `kubectl kustomize` makes of an overlay, and the pods in it."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.tools import tool

K8S = Path(__file__).resolve().parents[2] / "deploy/k8s"
OVERLAYS = ("dev", "prod")

Manifest = dict[str, Any]


def kubectl() -> Path:
    return tool("kubectl", package="kubectl", suite="trixie")


@dataclass(frozen=True)
class Workload:
    """Something that makes pods; a container's `env` is what its process sees, secrets by the key they come from."""

    kind: str
    name: str
    template: Manifest

    @property
    def labels(self) -> dict[str, str]:
        found: dict[str, str] = self.template["metadata"]["labels"]
        return found

    @property
    def spec(self) -> Manifest:
        found: Manifest = self.template["spec"]
        return found

    @property
    def containers(self) -> list[Manifest]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def container(self) -> Manifest:
        [only] = self.containers
        return only

    @property
    def ports(self) -> dict[str, int]:
        return {
            port["name"]: port["containerPort"] for container in self.containers for port in container.get("ports", [])
        }

    @property
    def secrets(self) -> dict[str, str]:
        """Variable → key of the Secret `dispatcher`."""
        references = {
            variable["name"]: variable["valueFrom"]["secretKeyRef"]
            for variable in self.container.get("env", [])
            if "valueFrom" in variable
        }
        assert {reference["name"] for reference in references.values()} <= {"dispatcher"}
        return {name: reference["key"] for name, reference in references.items()}


@dataclass(frozen=True)
class Rendered:
    overlay: str
    manifests: list[Manifest] = field(repr=False)

    def of(self, kind: str) -> list[Manifest]:
        return [manifest for manifest in self.manifests if manifest["kind"] == kind]

    def one(self, kind: str, name: str) -> Manifest:
        [found] = [manifest for manifest in self.of(kind) if manifest["metadata"]["name"] == name]
        return found

    @cached_property
    def workloads(self) -> dict[str, Workload]:
        """Those whose pods the manifests spell out; what operators make is in the operators' resources."""
        found = (manifest for manifest in self.manifests if manifest["kind"] in ("Deployment", "StatefulSet", "Job"))
        return {
            made["metadata"]["name"]: Workload(made["kind"], made["metadata"]["name"], made["spec"]["template"])
            for made in found
        }

    @property
    def services(self) -> dict[str, Workload]:
        return {name: made for name, made in self.workloads.items() if made.kind == "Deployment"}

    @property
    def configured(self) -> dict[str, str]:
        [settings] = self.of("ConfigMap")
        found: dict[str, str] = settings["data"]
        return found

    @property
    def images(self) -> Iterator[str]:
        for made in self.workloads.values():
            yield from (container["image"] for container in made.containers)
        yield from (cluster["spec"]["image"] for cluster in self.of("RabbitmqCluster"))


@cache
def render(overlay: str) -> Rendered:
    command = [str(kubectl()), "kustomize", str(K8S / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Rendered(overlay, [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest])


def secret_example(overlay: str) -> dict[str, str]:
    """Names and placeholders of what the Secret `dispatcher` holds."""
    lines = (K8S / "overlays" / overlay / "secret.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
