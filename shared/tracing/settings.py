"""Whether and how a process is traced: OpenTelemetry's standard variables, checked at start.

The SDK reads them, and others of the standard, by itself; where they are wrong it would go on with its defaults.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from yarl import URL


def _collector(text: str) -> str:
    url = URL(text)
    if text and (url.scheme not in ("http", "https") or not url.host or url.user or url.password):
        raise ValueError("http://host:port is needed, without user and password")
    return text


def _pairs(given: SecretStr) -> SecretStr:
    pairs = [pair for pair in given.get_secret_value().split(",") if pair.strip()]
    if not all(name.strip() and is_pair for name, is_pair, _ in (pair.partition("=") for pair in pairs)):
        raise ValueError("name=value is needed, comma separated")
    return given


Address = Annotated[str, AfterValidator(_collector)]
Headers = Annotated[SecretStr, AfterValidator(_pairs)]
Protocol = Literal["http/protobuf"]
Sampler = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]


class TracingSettings(BaseSettings):
    """What is empty is as good as not set, as the standard says."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", env_ignore_empty=True, frozen=True)

    traces_exporter: Literal["", "otlp", "none"] = Field(
        "", description="otlp or none; empty: otlp if there is an endpoint"
    )
    exporter_otlp_endpoint: Address = Field("", description="the collector; empty: http://localhost:4318")
    exporter_otlp_traces_endpoint: Address = Field("", description="the same for traces only, with its path")
    exporter_otlp_headers: Headers = Field(SecretStr(""), description="name=value, comma separated: sent along")
    exporter_otlp_traces_headers: Headers = Field(SecretStr(""), description="the same for traces only")
    exporter_otlp_protocol: Protocol = Field("http/protobuf", description="the only one there is")
    exporter_otlp_traces_protocol: Protocol = Field("http/protobuf", description="the same for traces only")
    exporter_otlp_timeout: float = Field(10, gt=0, description="seconds for one request to the collector")
    traces_sampler: Sampler = Field("parentbased_always_on", description="which traces are recorded")
    traces_sampler_arg: float = Field(1.0, ge=0, le=1, description="share of them, for the two with a ratio")
    service_name: str = Field("", description="empty: dispatcher-ingest, dispatcher-fanout, dispatcher-delivery")
    span_link_count_limit: int = Field(2000, ge=0, description="events that a batch of fan-out is linked with")
    bsp_max_queue_size: int = Field(2048, gt=0, description="spans that wait to be sent; more are lost")
    bsp_max_export_batch_size: int = Field(512, gt=0, description="of these sent at once")
    bsp_schedule_delay: int = Field(5000, gt=0, description="milliseconds after which fewer are sent too")
    sdk_disabled: bool = Field(False, description="true: no traces, whatever else is set")

    @property
    def on(self) -> bool:
        endpoint = self.exporter_otlp_endpoint or self.exporter_otlp_traces_endpoint
        return not self.sdk_disabled and self.traces_exporter != "none" and bool(self.traces_exporter or endpoint)
