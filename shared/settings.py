"""Settings from the environment, prefix `DISPATCHER_`: one class per concern, checked at start.

`deploy/.env.example` lists them all with their defaults; a test compares the two.
"""

from typing import TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import StartupError


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="DISPATCHER_", frozen=True)


class BrokerSettings(_Settings):
    amqp_url: SecretStr = Field(
        SecretStr("amqp://guest:guest@127.0.0.1:5672/"), description="RabbitMQ, with user, password and virtual host"
    )
    publish_timeout_seconds: float = Field(10, gt=0, description="for the broker's confirm")
    queue_depth_limit: int = Field(5_000, gt=0, description="delivery messages queued above which we wait")
    bulk_depth_limit: int = Field(20_000, gt=0, description="of those, from tenants above their share")


class StoreSettings(_Settings):
    mongodb_url: SecretStr = Field(
        SecretStr("mongodb://127.0.0.1:27017/?replicaSet=rs0"), description="MongoDB, a replica set"
    )
    mongodb_database: str = Field("dispatcher", min_length=1, description="name of the database")
    store_timeout_seconds: float = Field(10, gt=0, description="for a write to reach a majority, or a read to answer")
    retention_days: float = Field(7, gt=0, description="ended deliveries are kept so long; events three days longer")
    stats_days: float = Field(90, gt=0, description="hourly statistics are kept so long")


class SecretSettings(_Settings):
    secret_keys: SecretStr = Field(
        SecretStr(""), description="id:base64 of 32 bytes, comma separated; the first encrypts, all decrypt"
    )


class EgressSettings(_Settings):
    egress_allow: str = Field("", description="cidr[:port], comma separated: addresses allowed beside public ones")
    allow_http: bool = Field(False, description="permit plain http endpoints")
    dns_servers: str = Field(
        "", description="ip[:port], comma separated: asked for endpoints' names; empty: the system's"
    )
    egress_proxy: SecretStr = Field(
        SecretStr(""), description="http://[user:password@]host:port for all endpoints; has to guard the inside itself"
    )
    egress_ca_file: str = Field("", description="PEM file of authorities that are trusted beside the system's")
    egress_client_cert_file: str = Field("", description="PEM file of the certificate that endpoints may ask for")
    egress_client_key_file: str = Field("", description="its key, if that is not in the same file")


class LogSettings(_Settings):
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error")


class DrainSettings(_Settings):
    stop_seconds: float = Field(10, gt=0, description="a stopping service finishes what it holds within this")


class FanoutSettings(_Settings):
    fanout_host: str = Field("127.0.0.1", description="address on which fan-out listens")
    fanout_port: int = Field(8082, ge=0, le=65535, description="port of fan-out; 0 takes a free one")
    fanout_batch_events: int = Field(500, gt=0, le=2_000, description="most event messages taken as one batch")
    fanout_tenant_burst: int = Field(
        500, gt=0, description="fresh deliveries a tenant may have in seconds and not be above its share"
    )


class DeliverySettings(_Settings):
    delivery_host: str = Field("127.0.0.1", description="address on which worker listens")
    delivery_port: int = Field(8083, ge=0, le=65535, description="port of worker; 0 takes a free one")
    attempt_timeout_seconds: float = Field(30, gt=0, description="for a whole attempt, reading the answer included")
    detach_seconds: float = Field(1, gt=0, description="a request slower than this no longer holds its message")
    lease_margin_seconds: float = Field(15, gt=0, description="time limit + this = lease of work in somebody's hands")
    in_flight: int = Field(144, gt=0, description="requests under way at once in one worker; slow ones come on top")
    in_flight_per_endpoint: int = Field(32, gt=0, description="of these to one endpoint")
    breaker_failures: int = Field(5, gt=0, description="in a row, after which an endpoint gets only probes")
    breaker_probe_seconds: float = Field(10, gt=0, description="between two probes of such an endpoint")
    prefetch_messages: int = Field(24, gt=0, description="delivery messages held; each has at most 512 KiB")

    @property
    def lease_seconds(self) -> float:
        return self.attempt_timeout_seconds + self.lease_margin_seconds


class RetrySettings(_Settings):
    retry_base_seconds: float = Field(5, gt=0, description="wait after the first failed attempt, give or take 20 %")
    retry_factor: float = Field(3, ge=1, le=100, description="each further wait is so many times longer")
    retry_cap_seconds: float = Field(8 * 3600, gt=0, description="longest wait")
    retry_max_attempts: int = Field(12, ge=1, le=30, description="attempts of a delivery, the first included")
    expire_hours: float = Field(72, gt=0, description="older deliveries are not tried again")


class SchedulerSettings(_Settings):
    scheduler_host: str = Field("127.0.0.1", description="address on which scheduler listens")
    scheduler_port: int = Field(8084, ge=0, le=65535, description="port of scheduler; 0 takes a free one")
    scheduler_poll_seconds: float = Field(0.5, gt=0, description="longest time between two looks at what is due")
    scheduler_batch: int = Field(500, gt=0, le=2_000, description="most deliveries released at once")
    job_lease_seconds: float = Field(10, gt=0, description="for one step of a replay or an erasure")
    marker_seconds: float = Field(60, gt=0, description="how often a marker is sent through each delivery queue")


class ApiSettings(_Settings):
    api_host: str = Field("127.0.0.1", description="address on which API listens")
    api_port: int = Field(8080, ge=0, le=65535, description="port of API; 0 takes a free one")
    admin_key: SecretStr = Field(SecretStr(""), description="the operator's key; empty: there is none")
    webhooks_per_tenant: int = Field(1_000, gt=0, description="most webhooks a tenant may have")
    api_requests_per_minute: int = Field(
        600, ge=0, description="of one tenant's key to one copy of the API; 0: no limit"
    )


class IngestSettings(_Settings):
    ingest_host: str = Field("127.0.0.1", description="address on which ingest listens")
    ingest_port: int = Field(8081, ge=0, le=65535, description="port of ingest; 0 takes a free one")
    ingest_events_per_minute: int = Field(
        60_000, ge=0, description="of one tenant's key to one copy of ingest; 0: no limit"
    )
    idempotency_hours: float = Field(24, gt=0, description="how long an Idempotency-Key is remembered")


class ClientSettings(_Settings):
    api_url: str = Field("http://127.0.0.1:8080", description="where commands ask the API")
    ingest_url: str = Field("http://127.0.0.1:8081", description="where commands publish events")
    api_key: SecretStr = Field(SecretStr(""), description="the key they ask with; empty: DISPATCHER_ADMIN_KEY")


ALL_SETTINGS: tuple[type[_Settings], ...] = (
    BrokerSettings,
    StoreSettings,
    SecretSettings,
    EgressSettings,
    LogSettings,
    DrainSettings,
    IngestSettings,
    FanoutSettings,
    DeliverySettings,
    RetrySettings,
    SchedulerSettings,
    ApiSettings,
    ClientSettings,
)

S = TypeVar("S", bound=BaseSettings)


def load(settings: type[S]) -> S:
    """Read one concern from the environment. Raises StartupError with one line naming the variable."""
    try:
        return settings()
    except ValidationError as error:
        raise StartupError(_lines(settings, error)[0]) from None


def faults(settings: type[_Settings]) -> list[str]:
    """All that keeps a concern from being read, a line for each."""
    try:
        settings()
    except ValidationError as error:
        return _lines(settings, error)
    return []


def _lines(settings: type[BaseSettings], error: ValidationError) -> list[str]:
    prefix = settings.model_config["env_prefix"]
    return [
        f"{prefix}{one['loc'][0]}".upper() + f": {one['msg'].removeprefix('Value error, ')}"
        for one in error.errors(include_url=False, include_input=False)
    ]
