"""The headers that a webhook may add to its requests: none of ours, none that would break a request."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

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


_NAME: dict[str, Any] = {"maxLength": 100, "pattern": r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"}
_VALUE: dict[str, Any] = {"maxLength": 1024, "pattern": r"^[\x20-\x7e]*$"}
_MOST = 20


def _any_case(words: Iterable[str]) -> str:
    """A pattern for these words; JSON schema knows no flag for it."""
    return "|".join("".join(f"[{x.upper()}{x}]" if x.isalpha() else x for x in word) for word in sorted(words))


_OURS = rf"^({_any_case(_OUR_PREFIXES)}|({_any_case(_OUR_HEADERS)})$)"
_SCHEMA = {
    "type": "object",
    "maxProperties": _MOST,
    "propertyNames": {**_NAME, "not": {"pattern": _OURS}},
    "additionalProperties": {"type": "string", **_VALUE},
}
HeaderName = Annotated[
    str, StringConstraints(max_length=_NAME["maxLength"], pattern=_NAME["pattern"]), AfterValidator(free_header)
]
HeaderValue = Annotated[str, StringConstraints(max_length=_VALUE["maxLength"], pattern=_VALUE["pattern"])]
Headers = Annotated[
    dict[HeaderName, HeaderValue], Field(max_length=_MOST), AfterValidator(one_of_each), WithJsonSchema(_SCHEMA)
]
