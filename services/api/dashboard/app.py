"""Puts the dashboard together: its views, their templates, and what every answer of it says to browsers."""

import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import aiohttp_jinja2
import structlog
from aiohttp import web
from aiohttp_session import session_middleware
from jinja2 import FileSystemLoader, StrictUndefined

from services.api.dashboard import words
from services.api.dashboard.addresses import event_address
from services.api.dashboard.assets import Assets
from services.api.dashboard.figures import FILTERS
from services.api.dashboard.live import Live
from services.api.dashboard.session import SealedCookie
from services.api.dashboard.views.dead_letters import DeadLetterViews
from services.api.dashboard.views.deliveries import DeliveryViews
from services.api.dashboard.views.door import Door
from services.api.dashboard.views.events import EventViews
from services.api.dashboard.views.overview import OverviewViews
from services.api.dashboard.views.parked import ParkedViews
from services.api.dashboard.views.replays import ReplayViews
from services.api.dashboard.views.webhooks import WebhookViews
from services.api.dashboard.visit import Handler, serve
from services.api.services import Services
from shared.contracts.event_types import EVENT_TYPES
from shared.durations import duration
from shared.errors import DependencyUnavailable, Refused, StoreUnavailable
from shared.limiter import Limiter
from shared.readable import printable
from shared.store.keys import Keys
from shared.store.secrets import SecretBox

log = structlog.get_logger()

# aiohttp-session and aiohttp-jinja2 keep what is theirs under plain names, which is no news for an operator's log.
warnings.filterwarnings("ignore", category=web.NotAppKeyWarning)

_FOLDER = Path(__file__).parent
_WORTH_PACKING = 2_000  # bytes; what is smaller goes in one or two packets anyway
_AWAY = "The database is away for the moment; nothing was changed. Try again."
_BROKER_AWAY = "RabbitMQ is away for the moment. This page needs it, most others do not. Try again."
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def dashboard(
    does: Services, keys: Keys, limiter: Limiter, box: SecretBox, *, clock: Callable[[], datetime]
) -> web.Application:
    """To be mounted at `/dashboard`."""
    assets = Assets(_FOLDER / "static")
    app = web.Application(middlewares=[_headers, session_middleware(SealedCookie(box)), _problems])
    templates = aiohttp_jinja2.setup(
        app,
        loader=FileSystemLoader(_FOLDER / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.globals |= {
        "asset": assets.address,
        "standing": words.standing,
        "clock": clock,
        "event_address": event_address,
        "event_types": list(EVENT_TYPES),
    }
    templates.filters |= {
        "printable": printable,
        "moment": words.moment,
        "ago": words.ago,
        "duration": duration,
        "size": words.size,
        "waits": words.waits,
        "ended": words.ended,
        **FILTERS,
    }
    door = Door(keys)
    live = Live(keys)
    app.on_shutdown.append(live.stop)
    views = [
        *door.views(),
        *OverviewViews(does).views(),
        *WebhookViews(does, live).views(),
        *ReplayViews(does, live).views(),
        *DeliveryViews(does, live).views(),
        *EventViews(does, clock).views(),
        *DeadLetterViews(does.dead_letters, clock).views(),
        *ParkedViews(does.parked, does.queues, clock).views(),
    ]
    app.add_routes([*assets.table(), *door.table(), *(serve(view, keys, limiter) for view in views)])
    return app


@web.middleware
async def _headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    _pack(request, response)
    return response


def _pack(request: web.Request, response: web.StreamResponse) -> None:
    """Pages. Assets are kept packed, and what is streamed has to leave at once."""
    if response.content_type != "text/html" or (response.content_length or 0) < _WORTH_PACKING:
        return
    response.headers["Vary"] = "Accept-Encoding"
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        response.enable_compression(web.ContentCoding.gzip)


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What the API says in JSON, as a page."""
    try:
        return await handler(request)
    except Refused as refused:
        response = _problem(request, refused.status, str(refused))
        response.headers.update(refused.headers)
        return response
    except web.HTTPException as refused:
        if refused.status < 400:
            raise
        return _problem(request, refused.status, f"{request.method} {request.path:.200}: {refused.reason}")
    except DependencyUnavailable as unavailable:
        log.warning("request.unavailable", path=request.path, reason=str(unavailable))
        return _problem(request, 503, _AWAY if isinstance(unavailable, StoreUnavailable) else _BROKER_AWAY)
    except Exception:
        log.exception("request.failed", path=request.path)
        return _problem(request, 500, "Something went wrong on our side. Our log has it; try again.")


def _problem(request: web.Request, status: int, text: str) -> web.Response:
    return aiohttp_jinja2.render_template("problem.html", request, {"status_code": status, "text": text}, status=status)
