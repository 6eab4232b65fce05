"""The table of the API in `docs/api.md` and the routes that are served tell the same story."""

from pathlib import Path

import pytest

from services.api.routes.webhooks import PREFIXES
from services.api.services import routes, services
from shared import wiring
from shared.egress import Egress
from shared.store.keys import Keys
from shared.store.mongo import Mongo
from tests.cluster import SECRET_KEYS

PAGE = (Path(__file__).resolve().parents[2] / "docs/api.md").read_text()


def served() -> set[tuple[str, str]]:
    mongo = Mongo(url="mongodb://127.0.0.1:1", database="none", timeout_seconds=1)
    keys, lookout = Keys(mongo, admin_key=""), wiring.lookout("test")
    found = routes(services(mongo, keys, egress=Egress(), lookout=lookout, webhooks_per_tenant=1))
    return {(route.method, route.path) for route in found if not route.path.startswith(PREFIXES["customer_"])}


def test_the_page_lists_every_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_SECRET_KEYS", SECRET_KEYS)
    rows = [row.split(" | ")[0] for row in PAGE.splitlines() if row.startswith("| `")]
    listed = {(method, path) for method, path in served() for row in rows if method in row and f"{path}`" in row}
    assert listed == served()
