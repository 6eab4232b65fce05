"""`ordered` webhooks as their owners see them: what waits and why, what is done by hand, and switching it off."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiohttp import web

from deploy.local.servers import Server
from tests.cluster import SESSION, TENANT, Cluster, Received, Receiver, cluster, receiver, until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("ordered")
    async with cluster(folder, rabbitmq.url, mongodb.url, RETRY_BASE_SECONDS="300") as started:
        yield started


class Endpoint:
    """Takes nothing of the events in `refused`."""

    def __init__(self, receiver: Receiver) -> None:
        self.refused: set[str] = set()
        self.came: list[str] = []
        self.url = receiver.url
        receiver.answer = self.answer

    def answer(self, _request: web.Request, received: Received) -> int:
        name = json.loads(received.body)["data"]["session_id"]
        self.came.append(name)
        return 500 if name in self.refused else 200


async def publish(services: Cluster, *names: str) -> None:
    events = [
        {"event": "session.created", "tenant_id": TENANT, "data": {**SESSION, "session_id": name}} for name in names
    ]
    async with services.http.post(services.ingest + "/api/v1/events", json=events) as response:
        assert response.status == 202


async def history(services: Cluster, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(await services.deliveries(webhook["id"]), key=lambda one: one["sequence"] or 0)


async def waits(services: Cluster, webhook: dict[str, Any]) -> list[str | None]:
    """What each waits for, in order; None for what does not wait."""
    return [one["waiting_for"] for one in await history(services, webhook)]


async def by_hand(services: Cluster, delivery: dict[str, Any], what: str) -> tuple[int, dict[str, Any]]:
    async with services.http.post(f"{services.api}/api/v1/deliveries/{delivery['id']}/{what}") as response:
        return response.status, await response.json()


async def test_the_next_waits_while_one_is_retried_and_goes_when_that_is_cancelled(services: Cluster) -> None:
    async with receiver() as listening:
        endpoint = Endpoint(listening)
        endpoint.refused = {"a"}
        webhook = await services.create_webhook(endpoint.url, ordered=True)
        await publish(services, "a", "b", "c")

        async def blocked() -> bool:
            return await waits(services, webhook) == ["retry", "order", "order"]

        await until(blocked, 15, services.logs)
        first, second, third = await history(services, webhook)
        assert [one["sequence"] for one in (first, second, third)] == [1, 2, 3]
        assert (second["status"], second["due_at"]) == ("waiting", None)
        status, refused = await by_hand(services, second, "retry")
        assert (status, "its turn has not come" in refused["error"]) == (409, True)
        await by_hand(services, second, "cancel")
        await by_hand(services, first, "cancel")

        async def over() -> bool:
            return [one["status"] for one in await history(services, webhook)] == [
                "cancelled",
                "cancelled",
                "succeeded",
            ]

        await until(over, 15, services.logs)
        assert endpoint.came == ["a", "c"]
        endpoint.refused.clear()
        assert (await by_hand(services, first, "retry"))[0] == 202
        await until(lambda: endpoint.came == ["a", "c", "a"], 15, services.logs)
        assert (await history(services, webhook))[0]["sequence"] == 1
        await services.http.delete(f"{services.api}/api/v1/webhooks/{webhook['id']}")


async def test_switched_off_what_waits_keeps_its_order_and_what_is_new_goes_at_once(services: Cluster) -> None:
    async with receiver() as listening:
        endpoint = Endpoint(listening)
        endpoint.refused = {"a"}
        webhook = await services.create_webhook(endpoint.url, ordered=True)
        await publish(services, "a", "b", "c", "d")
        await until(lambda: endpoint.came == ["a"], 15, services.logs)
        path = f"{services.api}/api/v1/webhooks/{webhook['id']}"
        async with services.http.patch(path, json={"ordered": False}) as response:
            assert (response.status, (await response.json())["ordered"]) == (200, False)
        await publish(services, "new")
        await until(lambda: endpoint.came == ["a", "new"], 15, services.logs)
        endpoint.refused.clear()

        async def retried() -> bool:
            first = next(one for one in await history(services, webhook) if one["sequence"] == 1)
            return first["waiting_for"] == "retry" and (await by_hand(services, first, "retry"))[0] == 202

        await until(retried, 15, services.logs)
        await until(lambda: endpoint.came == ["a", "new", "a", "b", "c", "d"], 15, services.logs)
        await services.http.delete(path)
