"""Addresses of pages that are about something whose id may hold any character."""

from urllib.parse import quote, urlencode

from services.api.dashboard.session import PATH

DOTS = (".", "..")
"""Ids that browsers take for steps of a path, however they are written."""


def event_address(event_id: str, tenant_id: str | None = None) -> str:
    """`tenant_id`: for the operator, who may have picked none or another."""
    named = {"event_id": event_id} if event_id in DOTS else {}
    asked = urlencode({**named, **({"tenant_id": tenant_id} if tenant_id else {})})
    return f"{PATH}/events{'' if named else '/' + quote(event_id, safe='')}{'?' + asked if asked else ''}"
