"""Style sheets and scripts, from our own files only. An address names the content, so it may be kept for ever."""

import gzip
import hashlib
import mimetypes
from pathlib import Path

from aiohttp import web

from services.api.dashboard.session import PATH
from services.api.packed import packed

_KEPT = "public, max-age=31536000, immutable"


class Assets:
    """All files of a folder, read once."""

    def __init__(self, folder: Path) -> None:
        self._packed = {file.name: gzip.compress(file.read_bytes(), mtime=0) for file in sorted(folder.iterdir())}
        self._versions = {name: hashlib.sha256(body).hexdigest()[:16] for name, body in self._packed.items()}

    def address(self, name: str) -> str:
        return f"{PATH}/static/{self._versions[name]}/{name}"

    def table(self) -> list[web.RouteDef]:
        return [web.get("/static/{version}/{name}", self._get)]

    async def _get(self, request: web.Request) -> web.Response:
        """Under the address of another version nothing is found: a browser would keep the wrong one."""
        name = request.match_info["name"]
        if self._versions.get(name) != request.match_info["version"]:
            raise web.HTTPNotFound
        kind = mimetypes.guess_type(name)[0] or "text/plain"
        return packed(request, self._packed[name], kind, {"Cache-Control": _KEPT})
