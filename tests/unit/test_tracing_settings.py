"""Whether a process is traced: the standard's variables, what they refuse, and that nothing is loaded without them."""

import os
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.errors import StartupError
from shared.settings import load
from shared.tracing.settings import TracingSettings
from tests.cluster import environment

PROJECT = Path(__file__).resolve().parents[2]
AT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
LOADED = """
import asyncio, os, sys
from services.delivery.__main__ import build as delivery
from services.fanout.__main__ import build as fanout
from services.ingest.__main__ import build as ingest

async def main():
    for build in (delivery, fanout, ingest):
        build()
    print(sum(name.partition(".")[0] in ("opentelemetry", "requests", "google") for name in sys.modules))
    os.environ["OTEL_TRACES_EXPORTER"] = "otlp"
    ingest()
    print("opentelemetry.sdk.trace" in sys.modules)

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("given", "on"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        (AT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector/v1/traces"}, True),
        ({**AT, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**AT, "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_TRACES_EXPORTER": ""}, False),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"}, False),
    ],
)
def test_traces_are_on_when_the_standards_variables_say_so(
    given: dict[str, str], on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert load(TracingSettings).on == on


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_TRACES_EXPORTER", "otlp,console"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://somebody:hush@collector/v1/traces"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hush"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b,=hush"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "hush"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
        ("OTEL_SDK_DISABLED", "perhaps"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable_and_quotes_no_secret(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartupError) as refused:
        load(TracingSettings)
    assert str(refused.value).startswith(f"{name}: ")
    assert "Value error" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "hush" not in str(refused.value)


def test_headers_for_the_collector_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hush")
    assert "hush" not in repr(load(TracingSettings))


def test_the_example_lists_every_variable_with_its_default_and_meaning() -> None:
    lines = (PROJECT / "deploy/.env.example").read_text().splitlines()
    heading = lines.index("## Traces of OpenTelemetry, off unless one of the first three is set.")
    expected = []
    for name, field in TracingSettings.model_fields.items():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        shown = str(default).lower() if isinstance(default, bool) else default
        expected += [f"## {field.description}", f"## OTEL_{name.upper()}={shown}"]
    assert list(takewhile(lambda line: line.startswith("##"), lines[heading + 1 :])) == expected


def test_who_is_not_traced_does_not_even_load_opentelemetry() -> None:
    env = environment("amqp://guest:guest@127.0.0.1:1/", "mongodb://127.0.0.1:1/")
    ended = subprocess.run([sys.executable, "-c", LOADED], env=env, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("0\nTrue\n", "")
