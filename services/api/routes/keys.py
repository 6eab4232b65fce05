"""API keys and the audit log over HTTP: for a tenant's admin and the operator."""

from services.api.keys import KeyService
from shared.contracts.audit import AuditPage
from shared.contracts.key import KeyAnswer, KeyCreate, KeyPage
from shared.contracts.listing import TenantListing
from shared.routes import Ask, Nothing, Reply, Route

PREFIX = "/api/v1/api-keys"


class KeyRoutes:
    """One method per route."""

    def __init__(self, service: KeyService) -> None:
        self._service = service

    def table(self) -> list[Route]:
        return [
            Route(
                name="create_key",
                method="POST",
                path=PREFIX,
                scope="admin",
                summary="Create an API key",
                description="Its text, `key`, is shown in this answer only.",
                do=self.create,
                body=KeyCreate,
                answer=KeyAnswer,
                status=201,
                links={"revoke_key": {"key_id": "$response.body#/id"}},
            ),
            Route(
                name="list_keys",
                method="GET",
                path=PREFIX,
                scope="admin",
                summary="List API keys, newest first",
                do=self.page,
                query=TenantListing,
                answer=KeyPage,
            ),
            Route(
                name="revoke_key",
                method="DELETE",
                path=PREFIX + "/{key_id}",
                scope="admin",
                summary="Revoke an API key",
                description="It works for five seconds more at most.",
                do=self.revoke,
                status=204,
                refusals=(404,),
            ),
            Route(
                name="list_audit",
                method="GET",
                path="/api/v1/audit",
                scope="admin",
                summary="Who changed which key, secret or webhook, newest first",
                do=self.audit,
                query=TenantListing,
                answer=AuditPage,
            ),
        ]

    async def create(self, ask: Ask[Nothing, KeyCreate]) -> Reply:
        return Reply(await self._service.create(ask.key, ask.body), 201)

    async def page(self, ask: Ask[TenantListing, None]) -> Reply:
        return Reply(await self._service.page(ask.key, ask.query))

    async def revoke(self, ask: Ask[Nothing, None]) -> Reply:
        await self._service.revoke(ask.key, ask.path["key_id"])
        return Reply(None)

    async def audit(self, ask: Ask[TenantListing, None]) -> Reply:
        return Reply(await self._service.audit(ask.key, ask.query))
