"""The address of a server as its URL says it, without the password."""

from urllib.parse import urlsplit


def address(url: str) -> str:
    """`host:port/path`, or of several hosts the first few characters."""
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"[:200]


def user(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[0].partition(":")[0]
