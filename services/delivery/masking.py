"""Takes the values of a customer's own headers out of what is kept of an answer: endpoints repeat them. Pure."""

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote, quote_plus

import msgspec

from services.delivery.outcome import Answer
from shared.contracts.delivery import ANSWER_KEPT_BYTES

HIDDEN = b"[hidden]"
SHORTEST = 6
"""Characters. What is shorter keeps no secret, and would be found in any text."""


def masked(answer: Answer, own: Mapping[str, str]) -> Answer:
    """`own`: the headers that the customer gave."""
    if not own or not (answer.body or answer.detail):
        return answer
    forms = sorted({form.encode() for value in own.values() for form in _forms(value)}, key=len, reverse=True)
    cut_off = len(answer.body) >= ANSWER_KEPT_BYTES
    body = _without(answer.body, forms, cut_off=cut_off)[:ANSWER_KEPT_BYTES]
    detail = _without(answer.detail.encode(), forms, cut_off=True).decode("utf-8", "replace") if answer.detail else None
    return msgspec.structs.replace(answer, body=body, detail=detail)


def _without(text: bytes, forms: Sequence[bytes], *, cut_off: bool) -> bytes:
    for form in forms:
        text = text.replace(form, HIDDEN)
    return _without_beginning(text, forms) if cut_off else text


def _without_beginning(text: bytes, forms: Sequence[bytes]) -> bytes:
    """What was cut off may end within a value."""
    for form in forms:
        start = text.find(form[:SHORTEST], max(0, len(text) - len(form)))
        while start >= 0:
            if form.startswith(text[start:]):
                return text[:start] + HIDDEN
            start = text.find(form[:SHORTEST], start + 1)
    return text


def _forms(value: str) -> Iterator[str]:
    """A value, and what is behind its scheme (`Bearer …`), as programs write them into text, JSON, HTML and URLs."""
    value = value.strip()
    for part in {value, value.rpartition(" ")[2]}:
        if len(part) >= SHORTEST:
            quoted = json.dumps(part)[1:-1]
            yield from (part, quoted, quoted.replace("/", r"\/"), html.escape(part), quote(part, ""), quote_plus(part))
