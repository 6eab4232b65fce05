"""What fan-out counts."""

from prometheus_client import Counter, Histogram

_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)

FANNED_OUT = Counter("dispatcher_events_fanned_out_total", "Events turned into deliveries and marked as done")
REPEATED = Counter("dispatcher_events_repeated_total", "Events skipped because they were done before")
CREATED = Counter("dispatcher_deliveries_created_total", "Deliveries inserted")
IN_BULK = Counter("dispatcher_deliveries_in_bulk_total", "Fresh deliveries of tenants above their share")
IN_LINE = Counter("dispatcher_deliveries_in_line_total", "Fresh deliveries put in line at their endpoint at once")
BATCH = Histogram("dispatcher_fanout_batch_events", "Events of one batch", buckets=_SIZES)
