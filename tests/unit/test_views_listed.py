"""Every page that the dashboard serves is driven in a browser, and measured."""

import pytest

from services.api.dashboard.app import dashboard
from services.api.services import services
from shared import wiring
from shared.egress import Egress
from shared.limiter import Limiter
from shared.store.keys import Keys
from shared.store.mongo import Mongo
from shared.store.secrets import SecretBox
from tests.browser.views import NO_PAGES, VIEWS
from tests.cluster import SECRET_KEYS


def served() -> set[str]:
    """Paths that answer GET."""
    mongo = Mongo(url="mongodb://127.0.0.1:1", database="none", timeout_seconds=1)
    keys, box = Keys(mongo, admin_key=""), SecretBox(SECRET_KEYS)
    does = services(mongo, keys, egress=Egress(), lookout=wiring.lookout("test"), webhooks_per_tenant=1)
    app = dashboard(does, keys, Limiter(per_minute=0), box, clock=mongo.now)
    gets = [route.resource for route in app.router.routes() if route.method == "GET"]
    return {resource.canonical for resource in gets if resource}


def test_every_page_is_in_the_list_of_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_SECRET_KEYS", SECRET_KEYS)
    listed = {view.path for view in VIEWS}
    unlisted = served() - listed - NO_PAGES
    assert not unlisted, f"add to VIEWS in tests/browser/views.py, or to NO_PAGES if nobody opens it: {unlisted}"
    assert listed | NO_PAGES == served(), "tests/browser/views.py lists what is not served"
