"""Compares the indexes that a database has with those that we need, and makes them."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import IndexModel

from shared.errors import StoreUnavailable
from shared.presence import Found, Presence
from shared.store.mongo import INDEXES, Mongo, unavailable_if_gone

_OPTIONS = ("unique", "sparse", "expireAfterSeconds", "partialFilterExpression")
_PAUSE_SECONDS = 1
_Index = Mapping[str, Any]


def compare(collection: str, wanted: _Index, there: Sequence[_Index]) -> Found:
    """`wanted` and `there` as MongoDB describes indexes. Pure."""
    what = f"index {collection}.{wanted['name']}"
    named = next((one for one in there if one["name"] == wanted["name"]), None)
    if named:
        difference = _difference(wanted, named)
        return Found(what, Presence.OTHER if difference else Presence.THERE, difference)
    alike = next((one["name"] for one in there if _keys(one) == _keys(wanted) and not _difference(wanted, one)), None)
    return Found(what, Presence.OTHER, f"is there as {alike!r}") if alike else Found(what, Presence.MISSING)


def _difference(wanted: _Index, there: _Index) -> str | None:
    if _keys(wanted) != _keys(there):
        return f"its keys are {dict(there['key'])}, needed are {dict(wanted['key'])}"
    for name in _OPTIONS:
        if _plain(there.get(name)) != _plain(wanted.get(name)):
            return f"{name} is {_plain(there.get(name))}, needed is {_plain(wanted.get(name))}"
    return None


def _keys(index: _Index) -> list[tuple[str, Any]]:
    """Their order matters."""
    return list(index["key"].items())


def _plain(value: Any) -> Any:
    """What is left out is the same as false; MongoDB's own mappings compare and print as ours."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return None if value is False else value


class Indexes:
    """Raises StoreUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def look(self) -> list[Found]:
        """At all that we need; others' are left alone."""
        return [found for found, _, _ in await self._compared()]

    async def make_missing(self, *, replace: bool = False) -> list[Found]:
        """What there was before. With `replace`, those that differ are dropped and made again."""
        compared = await self._compared()
        for found, collection, index in compared:
            if found.presence is Presence.OTHER and replace:
                await self._drop(collection, index.document)
            if found.presence is Presence.MISSING or (found.presence is Presence.OTHER and replace):
                await self._make(collection, index)
        return [found for found, _, _ in compared]

    async def _compared(self) -> list[tuple[Found, str, IndexModel]]:
        compared = []
        for collection, indexes in INDEXES.items():
            async with unavailable_if_gone():
                there = await self._mongo.db[collection].list_indexes().to_list(None)
            compared += [(compare(collection, one.document, there), collection, one) for one in indexes]
        return compared

    async def _drop(self, collection: str, wanted: _Index) -> None:
        async with unavailable_if_gone():
            there = await self._mongo.db[collection].list_indexes().to_list(None)
            for one in there:
                if one["name"] == wanted["name"] or (_keys(one) == _keys(wanted) and not _difference(wanted, one)):
                    await self._mongo.db[collection].drop_index(one["name"])

    async def _make(self, collection: str, index: IndexModel) -> None:
        """Of many documents it takes longer than an answer may: who asks again joins the same build."""
        while True:
            try:
                async with unavailable_if_gone():
                    await self._mongo.db[collection].create_indexes([index])
            except StoreUnavailable:
                await self._mongo.measure_offset()  # which raises when it is not the build that takes so long
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return
