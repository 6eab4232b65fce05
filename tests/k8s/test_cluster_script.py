"""`make k8s-…` says which cluster is meant, asks, and makes indexes and queues before services need them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.k8s.rendered import K8S, kubectl, render

PROJECT = K8S.parents[1]

NEEDED = ("make", "sh", "dirname", "ls", "sed", "uname")

# Stands for kubectl: writes down what it is asked, renders with the real one, has a cluster only if CLUSTER says so.
FAKE = """#!/bin/sh
printf '%s\\n' "$*" >>"$CALLS"
case "$*" in
"config current-context") [ -n "$CLUSTER" ] && echo "$CLUSTER" ;;
*"get secret"*) [ -z "$NO_SECRET" ] ;;
kustomize*) exec "$KUBECTL" "$@" ;;
esac
"""


class Make:
    def __init__(self, folder: Path) -> None:
        self._calls = folder / "calls"
        self._bin = folder / "bin"
        self._bin.mkdir()
        for program in NEEDED:  # and nothing else, a kubectl of this machine's least of all
            (self._bin / program).symlink_to(str(shutil.which(program)))
        (self._bin / "kubectl").write_text(FAKE)
        (self._bin / "kubectl").chmod(0o755)

    def __call__(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        settings = {"CALLS": str(self._calls), "KUBECTL": str(kubectl()), "CLUSTER": "", "NO_SECRET": "", **env}
        return subprocess.run(
            ["make", "--silent", *arguments],
            cwd=PROJECT,
            env={"PATH": str(self._bin), **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    def forget_kubectl(self) -> None:
        (self._bin / "kubectl").unlink()


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return Make(tmp_path)


def test_render_prints_the_overlay(make: Make) -> None:
    done = make("k8s-render", "OVERLAY=prod")
    assert done.returncode == 0
    assert "kind: RabbitmqCluster" in done.stdout
    assert make.calls == [f"kustomize {Path('deploy/k8s/overlays/prod')}"]


@pytest.mark.parametrize("target", ["k8s-render", "k8s-apply", "k8s-delete"])
def test_without_kubectl_it_is_said_what_is_needed(make: Make, target: str) -> None:
    make.forget_kubectl()
    done = make(target, YES="1")
    assert done.returncode != 0
    assert "kubectl is needed, 1.27 or newer" in done.stderr


def test_an_overlay_that_does_not_exist_is_said_with_those_that_do(make: Make) -> None:
    done = make("k8s-render", "OVERLAY=staging")
    assert done.returncode != 0
    assert "OVERLAY=staging: there is none of that name. There are: dev, prod." in done.stderr


@pytest.mark.parametrize("target", ["k8s-apply", "k8s-delete"])
def test_nothing_happens_without_a_cluster_or_a_yes(make: Make, target: str) -> None:
    assert "use-context" in make(target).stderr
    done = make(target, CLUSTER="kind-laptop")
    assert done.returncode != 0
    assert "the cluster kind-laptop" in done.stdout
    assert "YES=1" in done.stderr
    assert make.calls == ["config current-context"] * 2


def test_apply_migrates_before_it_rolls_out(make: Make) -> None:
    done = make("k8s-apply", CLUSTER="kind-laptop", YES="1")
    assert done.returncode == 0, done.stderr
    assert make.calls[2:] == [
        "-n webhook-dispatcher-dev delete job migrate --ignore-not-found",
        "apply -k deploy/k8s/overlays/dev -l app.kubernetes.io/component!=service",
        "-n webhook-dispatcher-dev wait --for=condition=complete --timeout=15m job/migrate",
        "apply -k deploy/k8s/overlays/dev",
        "-n webhook-dispatcher-dev rollout status deployment --timeout=10m",
    ]
    later = [
        one["kind"]
        for one in render("dev").manifests
        if one["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "service"
    ]
    assert later == ["Deployment"] * 5


def test_apply_wants_the_secret_first(make: Make) -> None:
    done = make("k8s-apply", CLUSTER="kind-laptop", YES="1", NO_SECRET="1")
    assert done.returncode != 0
    assert "First make what deploy/k8s/overlays/dev/kustomization.yaml lists." in done.stderr
    assert not [call for call in make.calls if call.startswith("apply")]


def test_delete_says_that_data_go_too(make: Make) -> None:
    done = make("k8s-delete", "OVERLAY=prod", CLUSTER="site", YES="1")
    assert "ALL DATA" in done.stdout
    assert make.calls[1:] == ["delete -k deploy/k8s/overlays/prod"]
