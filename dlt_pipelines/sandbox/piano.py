"""Piano Analytics' Data API, for two parts of one site."""

import unicodedata
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_pipelines import PARIS
from dlt_pipelines.sandbox import audience
from dlt_pipelines.sandbox.service import TOKEN, Refusal
from dlt_pipelines.sandbox.story import World, days, departements

SITE = 900001
PARTS = ("demo-masecurite", "demo-pre-plainte")
MOST_COLUMNS, MOST_A_PAGE, MOST_A_QUERY = 50, 10_000, 200_000
# What Piano calls otherwise than the COG without its accents.
REGIONS = {
    "La Réunion": "Reunion",
    "Guyane": "French guiana",
    "Grand Est": "Grand-est",
    "Pays de la Loire": "Pays-de-la-loire",
}
ABROAD = {"Belgium": 0.02, "Switzerland": 0.01}
SOURCES = {
    "Search engines": 0.46,
    "Direct traffic": 0.27,
    "Referrer sites": 0.15,
    "Social media": 0.08,
    "Email marketing": 0.02,
    "N/A": 0.02,
}
DEVICES = {"Mobile Phone": 0.61, "Desktop": 0.33, "Tablet": 0.05, "N/A": 0.01}


class Piano:
    """`getData` over four groups of columns: hours, pages, places, means."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[Route]:
        return [Route("/piano/v3/data/getData", self.data, methods=["POST"])]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {
            "base_url": f"{root}/piano/v3/data",
            "token": TOKEN,
            "sites": [SITE],
            "page_filter": "",
        }

    async def data(self, request: Request) -> Response:
        if request.headers.get("x-api-key") != TOKEN:
            raise _refused(401, "Unauthorized", "API key is missing or invalid")
        asked: dict[str, Any] = await request.json()
        columns, size, number = asked["columns"], asked["max-results"], asked["page-num"]
        if not asked.get("sort"):
            raise _refused(400, "BadRequest", "Missing parameter: sort")
        if len(columns) > MOST_COLUMNS or size > MOST_A_PAGE or size * number > MOST_A_QUERY:
            raise _refused(400, "BadRequest", "Out of limits: columns, max-results or page-num")
        if asked["space"] != {"s": [SITE]}:
            raise _refused(403, "Forbidden", "You do not have access to this site")
        period = asked["period"]["p1"][0]
        start, end = (date.fromisoformat(period[name]) for name in ("start", "end"))
        today = self.world.now.astimezone(PARIS).date()
        rows = self.rows(columns, max(start, self.world.start), min(end + timedelta(1), today))
        wanted = asked.get("filter", {}).get("property", {}).get("page_full_name", {}).get("$lk")
        if wanted:
            rows = [row for row in rows if wanted in row["page_full_name"]]
        for name in reversed(asked["sort"]):
            rows.sort(key=lambda row: str(row[name.lstrip("-")]), reverse=name.startswith("-"))
        return JSONResponse(
            {
                "DataFeed": {
                    "Columns": [{"Name": name} for name in columns],
                    "Rows": rows[size * (number - 1) : size * number],
                    "Context": {"ReportGeneratedAt": f"{datetime.now(PARIS):%Y-%m-%dT%H:%M:%S}"},
                }
            }
        )

    def rows(self, columns: list[str], start: date, end: date) -> list[dict[str, Any]]:
        seed, size = self.world.seed, self.world.size
        if start >= end:
            return []
        if "visit_hour" in columns:
            return [
                {
                    "date": f"{day}",
                    "visit_hour": "N/A" if hour is None else hour,
                    "site_level2": part,
                    "m_visits": visits,
                }
                for part in PARTS
                for day in days(start, end)
                for hour, visits in audience.by_hour(seed, size, part, day)
                if visits
            ]
        if "page_full_name" in columns:
            return [
                {
                    "date": f"{day}",
                    "page_full_name": f"{part}::{page.path}",
                    "site_level2": part,
                    "m_page_loads": audience.views(seed, size, page, day),
                }
                for part in PARTS
                for page in audience.pages(part)
                for day in days(start, end)
            ]
        named, shares = (
            (("src", "device_type"), _means())
            if "src" in columns
            else (("geo_country", "geo_region", "geo_city"), _places())
        )
        rows = []
        for part in PARTS:
            total = sum(audience.visits(seed, size, part, day) for day in days(start, end))
            for *values, share in shares:
                if visits := round(total * share):
                    told = dict(zip(named, values, strict=True))
                    rows.append({**told, "site_level2": part, "m_visits": visits})
        return rows


@lru_cache(maxsize=1)
def _places() -> list[tuple[str, str, str, float]]:
    """Return (country, region, city, share of visits): chief towns, neighbours, and the unknown."""
    people = sum(place.population for place in departements())
    return [
        *((country, "N/A", "N/A", share) for country, share in ABROAD.items()),
        ("France", "N/A", "N/A", 0.03),
        *(
            (
                "France",
                REGIONS.get(place.region_nom, _plain(place.region_nom)),
                _plain(place.chef_lieu_nom),
                0.94 * place.population / people,
            )
            for place in departements()
        ),
    ]


def _means() -> list[tuple[str, str, float]]:
    return [
        (source, device, share * part)
        for source, share in SOURCES.items()
        for device, part in DEVICES.items()
    ]


def _plain(name: str) -> str:
    """Return `name` as Piano writes it: `Auvergne-rhone-alpes`."""
    letters = unicodedata.normalize("NFD", name.replace("’", "'"))
    return "".join(c for c in letters if not unicodedata.combining(c)).capitalize()


def _refused(status: int, kind: str, message: str) -> Refusal:
    return Refusal(status, {"ErrorType": kind, "ErrorMessage": message})
