"""What every service counts, named by Prometheus' rules. No label grows with customers."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)

EVENTS_ACCEPTED = Counter("dispatcher_events_accepted_total", "Events that ingest answered 202 for")
EVENTS_REFUSED = Counter("dispatcher_events_refused_total", "Events that ingest refused", ["code"])
EVENTS_FANNED_OUT = Counter("dispatcher_events_fanned_out_total", "Events turned into deliveries and marked as done")
EVENTS_REPEATED = Counter("dispatcher_events_repeated_total", "Events skipped because they were done before")
DELIVERIES_CREATED = Counter("dispatcher_deliveries_created_total", "Deliveries inserted")
DELIVERIES_IN_BULK = Counter("dispatcher_deliveries_in_bulk_total", "Fresh deliveries of tenants above their share")
MESSAGES_PARKED = Counter("dispatcher_messages_parked_total", "Messages parked as unusable", ["queue"])
ATTEMPTS = Counter("dispatcher_attempts_total", "HTTP requests made", ["outcome", "error"])
attempts = cache(ATTEMPTS.labels)  # finding a counter by its labels takes longer than counting
ATTEMPT_SECONDS = Histogram("dispatcher_attempt_seconds", "Length of one attempt", buckets=_LATENCY)
DELIVERED_SECONDS = Histogram("dispatcher_delivered_seconds", "From fan-out to a 2xx answer", buckets=_LATENCY)
DECISIONS = Counter("dispatcher_decisions_total", "What became of deliveries at each step", ["decision"])
DEFERRED = Counter("dispatcher_deliveries_deferred_total", "Deliveries that their endpoint had no room for")
BREAKERS_OPEN = Gauge("dispatcher_breakers_open", "Endpoints that failed again and again, as this worker sees it")
IN_FLIGHT = Gauge("dispatcher_requests_in_flight", "Requests under way in this worker", ["pace"])
BATCH_SIZE = Histogram("dispatcher_batch_size", "Members of one batch", ["step"], buckets=_SIZES)
RELEASED = Counter("dispatcher_deliveries_released_total", "Deliveries handed to the broker again", ["why"])
RECONNECTS = Counter("dispatcher_reconnects_total", "Connections made again", ["dependency"])
