"""What the services of the sandbox share: who they are, when they answer, how they refuse."""

from datetime import UTC, datetime
from typing import Any, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dlt_pipelines.sandbox.story import World

TOKEN = "bac-a-sable"  # noqa: S105 (opens nothing but the sandbox)
"""The only token that the invented services accept."""


class Service(Protocol):
    """One invented service; `servers.SERVICES` names them all."""

    def __init__(self, world: World) -> None: ...

    def routes(self) -> list[Route]: ...

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        """Return the arguments of the source that is played; `root` has no slash at its end."""


class Refusal(Exception):  # noqa: N818 (an answer, not a fault)
    """A request that the service itself would refuse, with the body it would send."""

    def __init__(
        self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(body)
        self.response = JSONResponse(body, status, headers)


def instant_of(request: Request, world: World) -> datetime:
    """Return the "now" of a request, never later than the end of the world."""
    asked = request.path_params.get("instant")
    if asked is None:
        return world.now
    try:
        return min(moment_of(asked), world.now)
    except ValueError as malformed:
        raise HTTPException(404, f"Instant illisible : {asked}") from malformed


def moment_of(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
