"""Somebody who looks at the dashboard like a browser, and sees how much each answer weighs."""

import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientResponse, ClientSession, CookieJar

from tests.browser.views import Who
from tests.cluster import ADMIN_KEY, Cluster
from tests.seed import Owner


@asynccontextmanager
async def visitor(services: Cluster, by: Who, owner: Owner) -> AsyncIterator[ClientSession]:
    """A browser's cookies and headers; pages stay packed."""
    headers = {"Accept-Encoding": "gzip, deflate, br"}
    async with ClientSession(
        services.api, cookie_jar=CookieJar(unsafe=True), headers=headers, auto_decompress=False
    ) as http:
        if by != "anybody":
            async with http.get("/dashboard/sign-in") as response:
                token = re.search('name="csrf" value="([^"]+)"', await text_of(response))
            assert token
            form = {"csrf": token[1], "key": ADMIN_KEY if by == "operator" else owner.key}
            async with http.post("/dashboard/sign-in", data=form) as response:
                assert "Sign out" in await text_of(response)
        yield http


async def size_of(response: ClientResponse) -> int:
    """Bytes of it that were sent, headers too."""
    headers = sum(len(name) + len(value) + len(": \r\n") for name, value in response.raw_headers)
    return headers + len(await response.read())


async def text_of(response: ClientResponse) -> str:
    body = await response.read()
    return (gzip.decompress(body) if response.headers.get("Content-Encoding") == "gzip" else body).decode()
