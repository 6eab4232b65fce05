"""Replays and erasures over HTTP."""

from services.api.replays import ErasureService, ReplayService
from services.api.routes.webhooks import PREFIXES
from shared.contracts.replay import Erasure, Replay, ReplayListing, ReplayPage, ReplayWanted
from shared.routes import Ask, Nothing, Reply, Route

PREFIX = "/api/v1/replays"
_ONE = {"replay_id": "$response.body#/id"}


class ReplayRoutes:
    """One method per route."""

    def __init__(self, service: ReplayService) -> None:
        self._service = service

    def table(self) -> list[Route]:
        under = [route for before, prefix in PREFIXES.items() for route in self._under(before, prefix)]
        return [*under, *self._single()]

    def _under(self, before: str, prefix: str) -> list[Route]:
        return [
            Route(
                name=before + "replay",
                method="POST",
                path=prefix + "/{webhook_id}/replay",
                scope="write",
                summary="Send a window of deliveries again",
                description="A job, paced by `per_second`: each delivery gets a new round, once. It goes on by itself"
                " after a crash, and can be watched and cancelled. `dry_run` only counts.",
                do=self.start,
                body=ReplayWanted,
                answer=Replay,
                status=202,
                refusals=(404, 409),
                missing="WEBHOOK_NOT_FOUND",
                links={"get_replay": _ONE, "cancel_replay": _ONE},
            ),
            Route(
                name=before + "list_replays",
                method="GET",
                path=prefix + "/{webhook_id}/replays",
                scope="read",
                summary="Replays of a webhook, newest first",
                do=self.page,
                query=ReplayListing,
                answer=ReplayPage,
                refusals=(404,),
                missing="WEBHOOK_NOT_FOUND",
            ),
        ]

    def _single(self) -> list[Route]:
        return [
            Route(
                name="get_replay",
                method="GET",
                path=PREFIX + "/{replay_id}",
                scope="read",
                summary="Progress of a replay",
                do=self.get,
                answer=Replay,
                refusals=(404,),
            ),
            Route(
                name="cancel_replay",
                method="DELETE",
                path=PREFIX + "/{replay_id}",
                scope="write",
                summary="Cancel a replay",
                description="What was given a new round is attempted; nothing more is.",
                do=self.cancel,
                answer=Replay,
                refusals=(404,),
            ),
        ]

    async def start(self, ask: Ask[Nothing, ReplayWanted]) -> Reply:
        return Reply(await self._service.start(ask.key, ask.path["webhook_id"], ask.body), 202)

    async def page(self, ask: Ask[ReplayListing, None]) -> Reply:
        return Reply(await self._service.page(ask.key, ask.path["webhook_id"], ask.query))

    async def get(self, ask: Ask[Nothing, None]) -> Reply:
        return Reply(await self._service.get(ask.key, ask.path["replay_id"]))

    async def cancel(self, ask: Ask[Nothing, None]) -> Reply:
        return Reply(await self._service.cancel(ask.key, ask.path["replay_id"]))


class ErasureRoutes:
    """For the operator only."""

    def __init__(self, service: ErasureService) -> None:
        self._service = service

    def table(self) -> list[Route]:
        return [
            Route(
                name="erase_tenant",
                method="DELETE",
                path="/api/v1/tenants/{tenant_id}/data",
                scope="admin",
                summary="Erase a tenant's stored events, deliveries and figures",
                description="For the operator: learners' data. A job. Webhooks, keys and the audit log stay. What the"
                " broker holds (parked messages, dead letters) expires there.",
                do=self.start,
                answer=Erasure,
                status=202,
                refusals=(404,),
                links={"get_erasure": {"erasure_id": "$response.body#/id"}},
            ),
            Route(
                name="get_erasure",
                method="GET",
                path="/api/v1/erasures/{erasure_id}",
                scope="admin",
                summary="Progress of an erasure",
                do=self.get,
                answer=Erasure,
                refusals=(404,),
            ),
        ]

    async def start(self, ask: Ask[Nothing, None]) -> Reply:
        return Reply(await self._service.start(ask.key, ask.path["tenant_id"]), 202)

    async def get(self, ask: Ask[Nothing, None]) -> Reply:
        return Reply(await self._service.get(ask.key, ask.path["erasure_id"]))
