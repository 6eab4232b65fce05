"""Statistics over HTTP."""

from services.api.stats import StatsService
from shared.contracts.stats import StatsPage, StatsWanted
from shared.routes import Ask, Reply, Route


class StatsRoutes:
    """One method per route."""

    def __init__(self, service: StatsService) -> None:
        self._service = service

    def table(self) -> list[Route]:
        return [
            Route(
                name="get_stats",
                method="GET",
                path="/api/v1/stats",
                scope="read",
                summary="What became of the deliveries of each hour",
                description="Of the last 24 hours, when no window is given; of its last 31 days, when it is longer."
                " Hours without deliveries are left out. Figures follow within seconds, on a busy site within minutes.",
                do=self.page,
                query=StatsWanted,
                answer=StatsPage,
                refusals=(404,),
                missing="WEBHOOK_NOT_FOUND",
            )
        ]

    async def page(self, ask: Ask[StatsWanted, None]) -> Reply:
        return Reply(await self._service.page(ask.key, ask.query))
