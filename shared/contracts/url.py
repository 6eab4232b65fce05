"""The URL of an endpoint, as its validator and as the pattern that says the same in JSON schemas."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints


def _ipv6(group: str = "[0-9A-Fa-f]{1,4}") -> str:
    shortened = (f"({group}:){{1,{before}}}(:{group}){{1,{7 - before}}}" for before in range(1, 7))
    return "|".join((f"({group}:){{7}}{group}", *shortened, f"({group}:){{1,7}}:", f":((:{group}){{1,7}}|:)"))


_NAME = r"([A-Za-z0-9_-]{1,63}\.){0,20}[A-Za-z0-9_-]{1,63}\.?"  # an IPv4 address is one as well
_PORT = "6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}"
_URL = rf"^[Hh][Tt][Tt][Pp][Ss]?://({_NAME}|\[({_ipv6()})\])(:({_PORT}))?([/?#][^\x00-\x20\x7f]*)?$"


def http_url(url: str) -> str:
    """An absolute http(s) URL with a host and without credentials, kept as it was written. Agrees with `_URL`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its words quote the URL
        raise ValueError("not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an absolute URL is needed, such as https://your-app.com/api/webhooks/scorm")
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials in the URL are not allowed; verify the signature instead")
    if port == 0:
        raise ValueError("port 0 cannot be connected to")
    if re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError("white space and control characters are not allowed; percent-encode them")
    if not re.fullmatch(_URL, url):
        raise ValueError("host or port is not well-formed; other letters in a name are written as xn--…")
    return url


Url = Annotated[
    str, StringConstraints(max_length=2048), AfterValidator(http_url), Field(json_schema_extra={"pattern": _URL})
]
