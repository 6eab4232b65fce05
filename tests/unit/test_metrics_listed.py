"""`docs/metrics.md` lists every metric, as the services export them."""

import importlib
from collections.abc import Iterator

from prometheus_client.metrics import MetricWrapperBase

from deploy.local.download import PROJECT

MODULES = {
    "every service": "shared.metrics",
    "ingest": "services.ingest.metrics",
    "fanout": "services.fanout.metrics",
    "delivery": "services.delivery.metrics",
    "scheduler": "services.scheduler.metrics",
}
SUFFIX = {"counter": "_total"}


def rows() -> Iterator[str]:
    for service, name in MODULES.items():
        for family in _families(vars(importlib.import_module(name)).values()):
            kind = family._type
            exported = family._name + SUFFIX.get(kind, "")
            labels = ", ".join(f"`{label}`" for label in family._labelnames)
            yield f"| `{exported}` | {kind} | {labels} | {service} | {family._documentation} |"


def _families(values) -> Iterator[MetricWrapperBase]:
    """A family stands there itself, or as its series by their labels: one of them tells the same."""
    for value in values:
        one = next(iter(value.values()), None) if isinstance(value, dict) else value
        if isinstance(one, MetricWrapperBase):
            yield one


def test_the_list_of_metrics_is_what_services_export() -> None:
    lines = (PROJECT / "docs/metrics.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("| `dispatcher_")] == list(rows())
