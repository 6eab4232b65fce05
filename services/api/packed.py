"""Files that are kept gzipped and answered as they are kept."""

import gzip
from collections.abc import Mapping

from aiohttp import web


def packed(request: web.Request, body: bytes, content_type: str, headers: Mapping[str, str]) -> web.Response:
    """Unpacked for the few who do not take it so."""
    takes = "gzip" in request.headers.get("Accept-Encoding", "")
    return web.Response(
        body=body if takes else gzip.decompress(body),
        content_type=content_type,
        charset="utf-8",
        headers={"Vary": "Accept-Encoding", **headers} | ({"Content-Encoding": "gzip"} if takes else {}),
    )
