"""Bad input of every kind, made for an operation of the OpenAPI document: each case is one request and its name."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.cluster import ADMIN_KEY
from tests.rawhttp import chunked, request

Json = dict[str, Any]
Headers = dict[str, str | bytes]

MEGABYTES = 10 * 1024 * 1024
DEEP = 100_000
DIGITS = "9" * 10_000
JSON_TYPE = {"Content-Type": "application/json"}
INSIDE = {
    "filter": ('{"field": "a", "eq": %s}', '{"field": "a", "in": [%s]}', '{"field": "a", "gt": %s}', '{"not": %s}'),
    "headers": ('{"X-Own": %s}',),
    "data": ('{"session_id": "s", "package_id": "p", "user_id": "u", "more": %s}', '{"session_id": %s}'),
    "scopes": ("[%s]",),
}
"""Where in a field a value may stand as well."""

ODD_TEXTS = {
    "a NUL": r'"a\u0000b"',
    "a lone surrogate": r'"a\ud800b"',
    "bidi": '"a\u202eb\u2066c"',
    "emoji and combining": '"\U0001f469\u200d\U0001f680 e\u0301"',
    "empty": '""',
    "long": json.dumps("x" * 30_000),
}
ODD_NUMBERS = {
    "1e400": "1e400",
    "-1e400": "-1e400",
    "2^64": str(2**64),
    "2^63": str(2**63),
    "-2^63-1": str(-(2**63) - 1),
    "10,000 digits": DIGITS,
    "10,000 digits behind the point": "0." + DIGITS,
    "a tiny number": "1e-400",
    "minus nought": "-0",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
}
WRONG_TYPES = {
    "null": "null",
    "true": "true",
    "0": "0",
    "1.5": "1.5",
    "a digit as text": '"1"',
    "yes": '"yes"',
    "a word": '"word"',
    "an array": "[]",
    "an array of null": "[null]",
    "an array of a word": '["word"]',
    "an array of arrays": "[[]]",
    "an object": "{}",
    "an object with a NUL": r'{"\u0000": "\u0000"}',
    "an object with an empty name": '{"": ""}',
    "an object with a dollar": '{"$where": "1", "a.b": 1}',
    "an operator": '{"all": ["word"]}',
    "a condition of nothing": '{"not": null}',
    "deep arrays": "[" * DEEP + "]" * DEEP,
    "deep objects": '{"not":' * DEEP + "1" + "}" * DEEP,
    "arrays as deep as fits": "[" * 25_000 + "]" * 25_000,
    "objects as deep as fits": '{"not":' * 7_000 + "1" + "}" * 7_000,
    "200 arrays": "[" * 200 + "]" * 200,
    "a name twice": '{"a": 1, "a": 2}',
    "a name twice after many": "{" + ",".join(f'"{n}":1' for n in range(5_000)) + ',"4999":2}',
}
VALUES = {**WRONG_TYPES, **ODD_NUMBERS, **ODD_TEXTS}

ODD_PATHS: dict[str, str | bytes] = {
    "a NUL": "%00",
    "bad hex": "%zz",
    "a lone percent": "%",
    "invalid UTF-8": "%C3%28",
    "a surrogate": "%ED%A0%80",
    "an overlong slash": "%C0%AF",
    "bidi": "%E2%80%AE",
    "a line's end": "%0D%0AX-Injected:%201",
    "dots": "..%2F..%2F",
    "300 characters": "x" * 300,
    "7,000 characters": "x" * 7_000,
    "100,000 characters": "x" * 100_000,
    "raw bytes": b"\xff\xfe",
    "raw unicode": "\u00e9\u202e",
}
ODD_QUERIES: dict[str, str | bytes] = {
    "an unknown parameter": "surprise=1",
    "a NUL": "a%00=%00",
    "bad hex": "a=%zz&%=%",
    "invalid UTF-8": "a=%C3%28%ED%A0%80",
    "raw bytes": b"a=\xff\xfe",
    "7,000 characters": "a=" + "x" * 7_000,
    "100,000 characters": "a=" + "x" * 100_000,
    "many parameters": "&".join(f"a{n}=1" for n in range(1_500)),
    "one parameter many times": "&".join(["a="] * 2_500),
    "separators": "&&&===;;;",
}
ODD_PARAMETERS = {
    "empty": "",
    "twice": None,
    "a NUL": "%00",
    "a lone surrogate": "%ED%A0%80",
    "10,000 digits": DIGITS[:7_000],
    "1e400": "1e400",
    "2^64": str(2**64),
    "negative": "-1",
    "another script's digits": "%D9%A3",
    "a far moment": "9999-12-31T23:59:59%2B00:00",
    "the first moment": "0001-01-01T00:00:00%2B14:00",
    "an operator": "%7B%22%24ne%22%3A1%7D",
    "brackets": "[$ne]=1",
}
ODD_HEADERS: dict[str, Headers] = {
    "X-Request-Id raw bytes": {"X-Request-Id": b"\xff\xfe"},
    "X-Request-Id long": {"X-Request-Id": "x" * 200},
    "X-Request-Id with spaces": {"X-Request-Id": "a b"},
    "X-API-Key raw bytes": {"X-API-Key": b"\xff\xfe"},
    "X-API-Key long": {"X-API-Key": "x" * 7_000},
    "bearer raw bytes": {"X-API-Key": "", "Authorization": b"Bearer \xff"},
    "a NUL": {"X-Odd": b"a\x00b"},
    "a control character": {"X-Odd": b"a\x01b"},
    "a bare line feed": {"X-Odd": b"a\nb: c"},
    "a space in a name": {"X Odd": "a"},
    "10,000 characters": {"X-Odd": "x" * 10_000},
    "100,000 characters": {"X-Odd": "x" * 100_000},
    "1,000 headers": {f"X-{n}": "x" for n in range(1_000)},
    "If-Match a word": {"If-Match": "word"},
    "If-Match raw bytes": {"If-Match": b'"\xff"'},
    "If-Match long": {"If-Match": '"' + "9" * 7_000 + '"'},
    "If-Match superscript": {"If-Match": '"\u00b2"'},
    "Idempotency-Key empty": {"Idempotency-Key": ""},
    "Idempotency-Key long": {"Idempotency-Key": "x" * 256},
    "Idempotency-Key raw bytes": {"Idempotency-Key": b"\xff"},
    "Idempotency-Key with spaces": {"Idempotency-Key": "a b"},
    "traceparent raw bytes": {"traceparent": b"\xff"},
    "traceparent a word": {"traceparent": "word"},
    "traceparent long": {"traceparent": "0" * 7_000},
    "Content-Length a word": {"Content-Length": "word"},
    "Content-Length negative": {"Content-Length": "-1"},
    "Transfer-Encoding unknown": {"Transfer-Encoding": "magic"},
    "both lengths": {"Content-Length": "1", "Transfer-Encoding": "chunked"},
}
ODD_TYPES: dict[str, Headers] = {
    "no type": {},
    "text": {"Content-Type": "text/plain"},
    "a form": {"Content-Type": "application/x-www-form-urlencoded"},
    "parts": {"Content-Type": "multipart/form-data; boundary=x"},
    "nearly": {"Content-Type": "application/jsonx"},
    "nonsense": {"Content-Type": b";;;\xff"},
}
ODD_BODIES: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"nonsense",
    "half": b'{"a":',
    "null": b"null",
    "a number": b"1",
    "10,000 digits": DIGITS.encode(),
    "a text": b'"text"',
    "an array": b"[]",
    "an array of everything": b'[null, 1, "a", [], {}]',
    "NaN": b"NaN",
    "a NUL": b"\x00",
    "a NUL inside": b'{"a\x00": 1}',
    "invalid UTF-8": b'{"a": "\xff\xfe"}',
    "an overlong slash": b'{"a": "\xc0\xaf"}',
    "deep arrays": b"[" * DEEP,
    "deep arrays, closed": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "arrays as deep as fits": b"[" * 30_000,
    "closed arrays as deep as fits": b"[" * 30_000 + b"]" * 30_000,
    "a name twice": b'{"a": 1, "a": 1}',
    "a name twice in depth": b'{"a": {"b": 1, "b": 2}}',
    "a name twice, escaped": rb'{"a": 1, "\u0061": 2}',
    "a name twice after thousands": b"{" + b",".join(b'"%d":1' % n for n in range(6_000)) + b',"5999":1}',
    "thousands of unknown names": b"{" + b",".join(b'"%d":1' % n for n in range(6_000)) + b"}",
    "thousands of numbers": b"[" + b"1," * 30_000 + b"1]",
    "5 MB of numbers": b"[" + b"1," * 2_600_000 + b"1]",
    "5 MB of objects": b"[" + b"{}," * 1_700_000 + b"{}]",
    "5 MB of objects in one": b"[[" + b"{}," * 1_700_000 + b"{}]]",
    "5 MB of names, one twice": b"{" + b",".join(b'"%d":1' % n for n in range(480_000)) + b',"479999":1}',
    "5 MB of events that are none": b"["
    + b",".join([b'{"event":"session.created","data":{"a":[' + b"1," * 2_500 + b"1]}}"] * 990)
    + b"]",
}


@dataclass(frozen=True)
class Operation:
    """`target` with the ids of things that are there; `body` a valid one."""

    name: str
    method: str
    target: str
    template: str
    parameters: tuple[str, ...]
    body: Json | None
    fields: tuple[str, ...]

    def request(self, target: str | bytes | None = None, headers: Headers | None = None, body: Any = None) -> bytes:
        raw = json.dumps(self.body).encode() if body is None and self.body is not None else body
        typed = JSON_TYPE if raw is not None else {}
        return request(self.method, target or self.target, {"X-API-Key": ADMIN_KEY, **typed, **(headers or {})}, raw)


Case = tuple[str, bytes]


def cases(operation: Operation) -> Iterator[Case]:
    yield from _paths(operation)
    yield from _queries(operation)
    for name, headers in ODD_HEADERS.items():
        yield f"header: {name}", operation.request(headers=headers)
    if operation.body is not None:
        yield from _fields(operation)
        yield from _bodies(operation)


def _paths(operation: Operation) -> Iterator[Case]:
    start, brace, rest = operation.template.partition("{")
    before, after = (start, rest.partition("}")[2]) if brace else (start + "/", "")
    for name, odd in ODD_PATHS.items():
        yield f"path: {name}", operation.request(before.encode() + _bytes(odd) + after.encode())


def _queries(operation: Operation) -> Iterator[Case]:
    for name, odd in ODD_QUERIES.items():
        yield f"query: {name}", operation.request(operation.target.encode() + b"?" + _bytes(odd))
    for parameter in operation.parameters:
        for name, value in ODD_PARAMETERS.items():
            query = f"{parameter}={value}" if value is not None else f"{parameter}=1&{parameter}=2"
            yield f"parameter {parameter}: {name}", operation.request(f"{operation.target}?{query}")


def _fields(operation: Operation) -> Iterator[Case]:
    for field in (*operation.fields, "surprise"):
        others = {name: value for name, value in (operation.body or {}).items() if name != field}
        start = json.dumps(others)[:-1] + (", " if others else "")
        for place in ("%s", *INSIDE.get(field, ())):
            for name, value in VALUES.items():
                body = f'{start}"{field}": {place.replace("%s", value)}}}'
                yield f"field {field} {place}: {name}", operation.request(body=body.encode())


def _bodies(operation: Operation) -> Iterator[Case]:
    good = json.dumps(operation.body).encode()
    for name, body in ODD_BODIES.items():
        yield f"body: {name}", operation.request(body=body)
    for name, headers in ODD_TYPES.items():
        yield f"type: {name}", request(operation.method, operation.target, {"X-API-Key": ADMIN_KEY, **headers}, good)
    for name, body in (
        ("BOM", b"\xef\xbb\xbf" + good),
        ("UTF-16", good.decode().encode("utf-16")),
        ("UTF-32", good.decode().encode("utf-32")),
        ("followed by more", good + b"{}"),
        ("followed by NUL", good + b"\x00"),
        ("10 MB of spaces", good + b" " * MEGABYTES),
        ("10 MB of text", b'{"a": "' + b"x" * MEGABYTES + b'"}'),
        ("10 MB of brackets", b"[" * MEGABYTES),
    ):
        yield f"body: {name}", operation.request(body=body)
        yield f"chunked: {name}", operation.request(headers={"Transfer-Encoding": "chunked"}, body=chunked(body))
    zipped: Headers = {"Content-Encoding": "gzip"}
    yield "gzip: none", operation.request(headers=zipped, body=good)
    yield "gzip: cut off", operation.request(headers=zipped, body=gzip.compress(good)[:-10])
    yield "gzip: 10 MB in 10 kB", operation.request(headers=zipped, body=gzip.compress(b" " * MEGABYTES))
    yield "deflate: none", operation.request(headers={"Content-Encoding": "deflate"}, body=good)
    yield "br: none", operation.request(headers={"Content-Encoding": "br"}, body=good)
    yield "encoding: unknown", operation.request(headers={"Content-Encoding": "magic"}, body=good)
    for name, body in (("no size", b"zz\r\n"), ("a huge size", b"f" * 20 + b"\r\n"), ("no line's end", b"1\r\nabc")):
        yield f"chunked: {name}", operation.request(headers={"Transfer-Encoding": "chunked"}, body=body)


def _bytes(given: str | bytes) -> bytes:
    return given.encode() if isinstance(given, str) else given
