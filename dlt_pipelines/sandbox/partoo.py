"""Partoo, REST API v2: the units of the Gendarmerie on Google, and the reviews they receive."""

import time
from collections import Counter
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import duckdb
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_pipelines.sandbox.service import TOKEN, Refusal, instant_of, moment_of
from dlt_pipelines.sandbox.story import World
from dlt_pipelines.sandbox.tables import connect

CALLS_PER_MINUTE = 300
PER_PAGE = 30
MOST_PER_PAGE = 100


class Partoo:
    """One unit per département, one group per region."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: Counter[int] = Counter()

    def routes(self) -> list[Route]:
        return [
            Route("/partoo/v2/groups", self.groups),
            Route("/partoo/v2/business/search", self.businesses),
            Route("/partoo/v2/reviews", self.reviews),
        ]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {"base_url": f"{root}/partoo/v2", "token": TOKEN}

    @cached_property
    def db(self) -> duckdb.DuckDBPyConnection:
        return connect(self.world, "partoo")

    def groups(self, request: Request) -> Response:
        return self.page(
            request,
            "groups",
            "select distinct region_code::integer as id, region_nom || ' (démonstration)' as name"
            " from units order by id",
        )

    def businesses(self, request: Request) -> Response:
        asked = request.query_params.get("status", "open").split(",")
        return self.page(
            request,
            "businesses",
            "select business_id as id, 'DEMO-' || code as code,"
            # One unit in twenty has closed: who asks for nothing in particular does not see it.
            " if(rank % 20 = 0, 'closed', 'open') as status, region_code::integer as group_id,"
            " 'Brigade de gendarmerie, ' || town || ' (démonstration)' as name,"
            " town as city, code_postal as zipcode, 'FR' as country,"
            " 'https://www.example.org/' as website_url"
            " from units where list_contains(?, if(rank % 20 = 0, 'closed', 'open')) order by rank",
            asked,
        )

    def reviews(self, request: Request) -> Response:
        now = instant_of(request, self.world)
        bounds = [
            _moment(request, "update_date__gte", datetime(2000, 1, 1, tzinfo=UTC)),
            min(now, _moment(request, "update_date__lte", now)),
        ]
        return self.page(
            request,
            "reviews",
            "select id, business_id, 'google_my_business' as partner,"
            " 'Usager démo ' || id as author_name,"
            " strftime(created_at, '%Y-%m-%dT%H:%M:%S.000000+00:00') as date,"
            " strftime(changed_at, '%Y-%m-%dT%H:%M:%S.000000+00:00') as update_date, rating,"
            " content, if(answered, 'treated', 'not_treated') as state,"
            " if(answered, {'author_name': 'Réponse démo', 'content': 'Merci de votre avis.',"
            " 'date': strftime(answered_at, '%Y-%m-%dT%H:%M:%S.000000+00:00')}, null) as comments"
            " from (select *, coalesce(answered_at <= $1, false) as answered,"
            " if(answered, answered_at, created_at) as changed_at from reviews)"
            " where created_at <= $1 and changed_at between $2 and $3"
            " order by changed_at desc, id",
            now.replace(tzinfo=None),
            *(bound.astimezone(UTC).replace(tzinfo=None) for bound in bounds),
        )

    def page(self, request: Request, name: str, sql: str, *parameters: Any) -> Response:
        """Answer with one page of `sql`, to a caller who may come in."""
        if request.headers.get("x-apikey") != TOKEN:
            raise Refusal(401, {"message": "Unauthorized"})
        minute = int(time.time()) // 60
        self.calls[minute] += 1
        if self.calls[minute] > CALLS_PER_MINUTE:
            raise Refusal(429, {"message": "Too Many Requests"}, {"Retry-After": "60"})
        number = _number(request, "page", 1, None)
        size = _number(request, "per_page", PER_PAGE, MOST_PER_PAGE)
        cursor = self.db.cursor()
        found = cursor.execute(sql, list(parameters)).to_arrow_table()
        rows = found.slice((number - 1) * size, size).to_pylist()
        return JSONResponse(
            {
                "page": number,
                "max_page": -(-found.num_rows // size),
                "count": found.num_rows,
                name: rows,
            }
        )


def _number(request: Request, name: str, default: int, most: int | None) -> int:
    text = request.query_params.get(name, str(default))
    value = int(text) if text.isdecimal() else 0
    if value < 1 or (most is not None and value > most):
        raise Refusal(400, {"errors": {"query": {name: ["Invalid value."]}}})
    return value


def _moment(request: Request, name: str, default: datetime) -> datetime:
    text = request.query_params.get(name)
    try:
        return moment_of(text) if text else default
    except ValueError as malformed:
        raise Refusal(400, {"errors": {"query": {name: ["Not a valid datetime."]}}}) from malformed
