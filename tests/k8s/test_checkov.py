"""checkov, which knows what others regret in their manifests, finds nothing but what is listed here with its reason."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.k8s.rendered import OVERLAYS, Manifest, render

PROJECT = Path(__file__).resolve().parents[2]
REQUIREMENTS = "requirements-checkov.txt"

ACCEPTED = {
    "CKV_K8S_11": "CPU limits: they slow a process down while others sleep; requests share a busy node out fairly",
    "CKV_K8S_15": "always pull: tags are versions and never move, and a node that has the image needs no registry",
    "CKV_K8S_35": "secrets as files: settings come by environment only, and none of them is ever printed",
    "CKV_K8S_40": "high user ids: the images of RabbitMQ and MongoDB, on a laptop only, have 999",
    "CKV_K8S_43": "digests: who deploys pins them with `kustomize edit set image`, the project cannot know them",
}

GREEDY: Manifest = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "greedy"},
    "spec": {"containers": [{"name": "greedy", "image": "greedy:1", "securityContext": {"privileged": True}}]},
}


@pytest.fixture(scope="session")
def checkov() -> Path:
    """In an environment of its own, because it pins what others need newer."""
    folder = PROJECT / ".local/checkov"
    command = [PROJECT / "deploy/local/venv.sh", folder, REQUIREMENTS]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    return folder / "bin/checkov"


def failures(checkov: Path, folder: Path, manifests: list[Manifest]) -> list[tuple[str, str]]:
    """Check and resource."""
    (folder / "manifests.yaml").write_text(yaml.safe_dump_all(manifests))
    options = ["--directory", folder, "--framework", "kubernetes", "--output", "json", "--skip-download", "--soft-fail"]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "ANSI_COLORS_DISABLED": "1"}
    done = subprocess.run([checkov, *options], env=env, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["results"]["failed_checks"]
    return [(check["check_id"], check["resource"]) for check in found]


def test_checkov_finds_what_is_accepted_and_no_more(checkov: Path, tmp_path: Path) -> None:
    manifests = [one for overlay in OVERLAYS for one in render(overlay).manifests]
    found = failures(checkov, tmp_path, [*manifests, GREEDY])
    assert ("CKV_K8S_16", "Pod.default.greedy") in found, "else it finds nothing at all"
    assert {check for check, resource in found if resource != "Pod.default.greedy"} == set(ACCEPTED)
