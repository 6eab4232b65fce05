"""The headers that a webhook may add to its requests: none of ours, none that would break a request."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

_OUR_PREFIXES = ("x-allure-", "webhook-", "proxy-", "sec-")
_OUR_HEADERS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "traceparent",
        "tracestate",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)


def free_header(name: str) -> str:
    """A header that a webhook may add: not one of ours, and none that frames or routes the request."""
    lower = name.lower()
    if lower in _OUR_HEADERS or lower.startswith(_OUR_PREFIXES):
        raise ValueError(f"{name} is set by us and cannot be overridden")
    return name


def one_of_each(headers: dict[str, str]) -> dict[str, str]:
    """Names differ in more than their case."""
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("a name appears twice; the case of letters does not tell headers apart")
    return headers


HeaderName = Annotated[
    str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"), AfterValidator(free_header)
]
HeaderValue = Annotated[str, StringConstraints(max_length=1024, pattern=r"^[\x20-\x7e]*$")]
Headers = Annotated[dict[HeaderName, HeaderValue], Field(max_length=20), AfterValidator(one_of_each)]
