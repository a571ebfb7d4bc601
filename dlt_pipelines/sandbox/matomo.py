"""A Matomo server with two sites, one of which loses a day of measures now and then."""

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_pipelines import PARIS
from dlt_pipelines.sandbox import audience
from dlt_pipelines.sandbox.service import TOKEN
from dlt_pipelines.sandbox.story import World, days, departements

SITES = {1: "demo-gendarmerie", 2: "demo-prevention"}
ROWS_BY_DEFAULT = 100


class Matomo:
    """The Reporting API: every question is a form posted to one address."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[Route]:
        return [Route("/matomo/index.php", self.report, methods=["POST"])]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {"base_url": f"{root}/matomo", "token": TOKEN, "sites": list(SITES)}

    async def report(self, request: Request) -> Response:
        # A token in an address is refused, as a server told to accept only POST ones does.
        form = {
            name: values[0] for name, values in parse_qs((await request.body()).decode()).items()
        }
        if form.get("token_auth") != TOKEN or "token_auth" in request.query_params:
            return _error(
                "Unable to authenticate with the provided token. It is either invalid or expired."
            )
        methods: dict[str, Callable[[int, date], Any]] = {
            "VisitsSummary.get": self.visits,
            "Actions.getPageUrls": self.pages,
        }
        name, site = form.get("method", ""), int(form.get("idSite", 0))
        if site not in SITES:
            return _error(f"You can't access this resource: 'view' access, website id = {site}.")
        if name == "SitesManager.getSiteFromId":
            return JSONResponse(_described(site))
        if name not in methods:
            return _error(f"The method '{name}' does not exist.")
        if form.get("period") != "day":
            return _error("The sandbox answers for period=day.")
        first, _, last = form.get("date", "").partition(",")
        span = days(date.fromisoformat(first), date.fromisoformat(last or first) + timedelta(1))
        limit = int(form.get("filter_limit", ROWS_BY_DEFAULT))
        told = {f"{day}": methods[name](site, day) for day in span}
        for day, rows in told.items():
            if isinstance(rows, list) and limit >= 0:
                told[day] = rows[:limit]
        return JSONResponse(told if last else told[first])

    def visits(self, site: int, day: date) -> Any:
        if self.is_empty(site, day):
            return []
        seed, size, name = self.world.seed, self.world.size, SITES[site]
        visits = audience.visits(seed, size, name, day)
        return {
            "nb_uniq_visitors": round(visits * 0.82),
            "nb_users": 0,
            "nb_visits": visits,
            "nb_actions": sum(row["nb_hits"] for row in self.pages(site, day)),
            "sum_visit_length": visits * 95,
            "bounce_count": round(visits * 0.41),
            "max_actions": 24,
        }

    def pages(self, site: int, day: date) -> list[dict[str, Any]]:
        if self.is_empty(site, day):
            return []
        seed, size, name = self.world.seed, self.world.size, SITES[site]
        seen = {page.path: audience.views(seed, size, page, day) for page in audience.pages(name)}
        # On the first of the month each département publishes its figures: more than a hundred.
        if day.day == 1 and site == 1:
            seen |= {f"/bilans/{place.code}": 4 + len(place.nom) for place in departements()}
        visits = audience.visits(seed, size, name, day)
        total = sum(seen.values())
        return [
            {
                "label": path,
                "nb_visits": round(views * 0.8),
                "nb_hits": views,
                "sum_time_spent": views * 40,
                "entry_nb_visits": visits * views // total,
                "exit_nb_visits": visits * views // total,
                "url": f"https://{name}.example.org{path}",
            }
            for path, views in sorted(seen.items(), key=lambda item: (-item[1], item[0]))
        ]

    def is_empty(self, site: int, day: date) -> bool:
        """Say if nothing was measured: not yet, not any more, or the measure was broken."""
        now = self.world.now.astimezone(PARIS).date()
        lost = Random(f"{self.world.seed}/matomo/{site}/{day}").random() < 0.015  # noqa: S311
        return not self.world.start <= day < now or (lost and site == 2)


def _described(site: int) -> dict[str, Any]:
    return {
        "idsite": site,
        "name": f"{SITES[site]} (démonstration)",
        "main_url": f"https://{SITES[site]}.example.org",
        "timezone": "Europe/Paris",
    }


def _error(message: str) -> Response:
    return JSONResponse({"result": "error", "message": message})
