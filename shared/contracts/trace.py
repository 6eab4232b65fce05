"""The W3C trace context that travels with an event: its place in somebody's trace."""

import re
from collections.abc import Mapping

import msgspec

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_STATE = re.compile(r"[\x20-\x7e]{1,512}")


class Trace(msgspec.Struct, frozen=True):
    """`parent` is a `traceparent`; `state` is a `tracestate`, which endpoints are not told."""

    parent: str
    state: str | None = None

    def headers(self) -> dict[str, str]:
        """Of a message of ours."""
        if self.state is None:
            return {"traceparent": self.parent}
        return {"traceparent": self.parent, "tracestate": self.state}


def trace_of(headers: Mapping[str, object]) -> Trace | None:
    """Of a request or a message; one that is malformed is as good as none."""
    parent = headers.get("traceparent")
    if not isinstance(parent, str) or not _PARENT.fullmatch(parent):
        return None
    state = headers.get("tracestate")
    return Trace(parent, state if isinstance(state, str) and _STATE.fullmatch(state) else None)
