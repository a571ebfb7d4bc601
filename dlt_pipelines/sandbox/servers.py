"""The outside world over HTTP, on 127.0.0.1: each service answers as its own documentation says.

A path that begins with `/at/<instant>/` is answered as of that instant; without it, as of the end
of the world.
"""

import base64
import binascii
import pickle
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from random import Random
from typing import Any

import duckdb
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from dlt_pipelines import stores
from dlt_pipelines.sandbox import meta, social
from dlt_pipelines.sandbox.faults import Faults, Faulty
from dlt_pipelines.sandbox.service import TOKEN, Refusal, Service, instant_of, moment_of
from dlt_pipelines.sandbox.story import SandboxError, World, departements
from dlt_pipelines.sandbox.tables import connect


@contextmanager
def serve(world: World, faults: Faults | None = None) -> Iterator[str]:
    """Serve `world` until the block ends, and yield the base URL (no slash at its end).

    The server is another process: it shares no interpreter lock with those who ask it.
    """
    departements()  # a missing geography is said here, not by a server that answers 500
    with subprocess.Popen(
        [sys.executable, "-m", "dlt_pipelines.sandbox"],
        cwd=stores.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout  # noqa: S101 – both were asked for
        process.stdin.write(pickle.dumps((world, faults)))
        process.stdin.flush()
        if not (port := process.stdout.readline().strip()):
            raise SandboxError("Le bac à sable n'a pas pu ouvrir de port sur 127.0.0.1.")
        yield f"http://127.0.0.1:{int(port)}"


def application(world: World, faults: Faults | None = None) -> ASGIApp:
    """Return the web application that plays every service of `world`."""
    routes = [route for service in SERVICES.values() for route in service(world).routes()]
    app = Starlette(
        routes=[Mount("/at/{instant}", routes=routes), *routes],
        exception_handlers={Refusal: _refuse},
    )
    return Faulty(app, faults) if faults else app


def _refuse(_: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, Refusal):
        raise refusal
    return refusal.response


# --- Services Publics+: Opendatasoft Explore v2.1 -------------------------------------------------

DATASETS = ("export-experiences", "export-expa-c-riences")
DAILY_CALLS = 50_000
STAMP = "strftime({}, '%Y-%m-%dT%H:%M:%S+00:00')"
# What an answer brings: hidden, or as it was before, until its date has come.
BEFORE_ANSWER = {
    "etat_experience": "'A traiter'",
    "statut_de_l_experience": "'Expérience en attente de réponse'",
    "evaluation_utile_reponse_structure_1_par_visiteurs": "0",
    "evaluation_inutile_reponse_structure_1_par_visiteurs": "0",
    "evaluation_reponse_structure_1_par_auteur": "null",
    "action": "null",
    "date_action_engagee": "null",
    "statut_reponse_structure_1": "null",
    "reponse_structure_1": "null",
    "date_de_premiere_reponse": "null",
}


class ServicesPublicsPlus:
    """The platform's open-data portal; ODSQL is near enough to SQL for DuckDB to answer it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls = 0
        self.lock = threading.Lock()

    def routes(self) -> list[Route]:
        dataset = "/services_publics_plus/api/explore/v2.1/catalog/datasets/{dataset}"
        return [
            Route(dataset, self.describe),
            Route(f"{dataset}/records", self.records),
            Route(f"{dataset}/exports/json", self.export),
        ]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {"base_url": f"{root}/services_publics_plus"}

    @cached_property
    def db(self) -> duckdb.DuckDBPyConnection:
        return connect(self.world, "experiences")

    @cached_property
    def fields(self) -> list[tuple[str, str]]:
        """Names and portal types of the columns."""
        types = {"BIGINT": "int", "INTEGER": "int", "TIMESTAMP": "datetime", "DATE": "date"}
        columns = self.db.cursor().execute("describe experiences").fetchall()
        return [(name, types.get(kind, "text")) for name, kind, *_ in columns]

    def open(self, request: Request) -> duckdb.DuckDBPyConnection:
        """Return a cursor that sees the experiences as they stand at the request's "now"."""
        if request.path_params["dataset"] not in DATASETS:
            name = request.path_params["dataset"]
            raise Refusal(
                404, {"message": f"Unknown dataset: {name}", "error_code": "DatasetNotFoundError"}
            )
        with self.lock:
            self.calls += 1
            cursor = self.db.cursor()
        now = instant_of(request, self.world).replace(tzinfo=None)
        hidden = ", ".join(
            f"if(date_de_premiere_reponse <= timestamp '{now}', {name}, {before}) as {name}"
            for name, before in BEFORE_ANSWER.items()
        )
        cursor.execute(f"""
            create or replace temp view visible as
            select * replace (
                {hidden},
                if(date_action_realisee <= date '{now:%Y-%m-%d}', date_action_realisee, null)
                    as date_action_realisee
            )
            from experiences
            where date_de_publication <= timestamp '{now}'
        """)  # noqa: S608
        return cursor

    def describe(self, request: Request) -> Response:
        cursor = self.open(request)
        rows = cursor.execute("select count(*), max(date_de_publication) from visible").fetchone()
        count, modified = rows or (0, None)
        name = request.path_params["dataset"]
        return self.answer(
            {
                "dataset_id": name,
                "dataset_uid": "da_bacasable",
                "has_records": True,
                "data_visible": True,
                "attachments": [],
                "features": ["analyze", "timeserie"],
                "metas": {
                    "default": {
                        "title": "Expériences (démonstration)",
                        "records_count": count,
                        "modified": modified and f"{modified.isoformat()}+00:00",
                    }
                },
                "fields": [
                    {
                        "name": field,
                        "label": field.replace("_", " ").capitalize(),
                        "type": kind,
                        "description": None,
                        "annotations": {},
                    }
                    for field, kind in self.fields
                ],
            }
        )

    def records(self, request: Request) -> Response:
        cursor = self.open(request)
        limit = self.number(request, "limit", 10, -1, 100)
        limit = 100 if limit < 0 else limit
        offset = self.number(request, "offset", 0, 0, 10_000 - limit)
        total, rows = self.query(cursor, request, limit, offset)
        return self.answer(f'{{"total_count":{total},"results":[{",".join(rows)}]}}')

    def export(self, request: Request) -> Response:
        cursor = self.open(request)
        limit = self.number(request, "limit", -1, -1, None)
        offset = self.number(request, "offset", 0, 0, 10_000)
        _, rows = self.query(cursor, request, None if limit < 0 else limit, offset)
        return self.answer(f"[{','.join(rows)}]")

    def number(
        self, request: Request, name: str, default: int, least: int, most: int | None
    ) -> int:
        text = request.query_params.get(name, str(default))
        value = int(text) if re.fullmatch(r"-?\d+", text) else None
        if value is None or value < least or (most is not None and value > most):
            bounds = f"{least} <= {name}" + ("" if most is None else f" <= {most}")
            raise Refusal(
                400,
                {
                    "message": f"Invalid value for {name} API parameter: "
                    f"{text} was found but {bounds} is expected.",
                    "error_code": "InvalidRESTParameterError",
                },
            )
        return value

    def query(
        self, cursor: duckdb.DuckDBPyConnection, request: Request, limit: int | None, offset: int
    ) -> tuple[int, list[str]]:
        """Return the number of matching rows, and those asked as JSON objects."""
        asked = request.query_params
        if asked.get("timezone", "UTC") != "UTC":
            raise Refusal(
                400,
                {
                    "message": "Le bac à sable ne répond qu'en UTC.",
                    "error_code": "InvalidRESTParameterError",
                },
            )
        where = _sql(asked.get("where") or "true")
        order = _sql(asked.get("order_by") or "id_experience")
        select = _sql(asked.get("select") or "*")
        try:
            count = cursor.sql(f"select count(*) from visible where {where}").fetchone()  # noqa: S608
            page = cursor.sql(
                f"select {select} from visible where {where} order by {order} "  # noqa: S608
                f"limit {'all' if limit is None else limit} offset {offset}"
            )
            shown = ", ".join(
                f"{STAMP.format(name)} as {name}" if str(kind) == "TIMESTAMP" else f'"{name}"'
                for name, kind in zip(page.columns, page.types, strict=True)
            )
            rows = page.project(shown).query("page", "select to_json(page)::varchar from page")
            return (count or (0,))[0], [row for (row,) in rows.fetchall()]
        except duckdb.Error as malformed:
            raise Refusal(
                400,
                {
                    "message": f"ODSQL query is malformed: {malformed}",
                    "error_code": "ODSQLError",
                },
            ) from malformed

    def answer(self, body: dict[str, Any] | str) -> Response:
        headers = {
            "X-RateLimit-Limit": str(DAILY_CALLS),
            "X-RateLimit-Remaining": str(max(0, DAILY_CALLS - self.calls)),
            "X-RateLimit-Reset": f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d 00:00:00+00:00}",
        }
        if isinstance(body, dict):
            return JSONResponse(body, headers=headers)
        return Response(body, headers=headers, media_type="application/json; charset=utf-8")


def _sql(clause: str) -> str:
    """Translate ODSQL: its date literals hold instants, its strings may wear double quotes."""
    pieces = re.split(r"""(date'[^']*'|'(?:[^']|'')*'|"(?:[^"\\]|\\.)*")""", clause)
    for rank, piece in enumerate(pieces):
        if piece.startswith("date'"):
            pieces[rank] = f"timestamp {piece.removeprefix('date').replace('/', '-')}"
        elif piece.startswith('"'):
            pieces[rank] = "'" + piece[1:-1].replace('\\"', '"').replace("'", "''") + "'"
        elif not piece.startswith("'"):
            pieces[rank] = piece.replace("`", '"')
    return "".join(pieces)


# --- X API v2 -------------------------------------------------------------------------------------

CALLS_PER_WINDOW = 300
WINDOW_SECONDS = 900
BUCKETS_PER_PAGE = 100
RECENT = timedelta(days=7)
STEPS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
USER_FIELDS = {
    "id", "name", "username", "created_at", "description", "location", "protected",
    "public_metrics", "url", "verified",
}  # fmt: skip


class X:
    """Look-up of accounts and recent counts, as an application with a bearer token sees them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: Counter[tuple[str, datetime, int]] = Counter()

    def routes(self) -> list[Route]:
        return [
            Route("/x/2/users", self.users),
            Route("/x/2/users/by", self.users_by),
            Route("/x/2/tweets/counts/recent", self.counts),
        ]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {
            "base_url": f"{root}/x/2",
            "token": TOKEN,
            "accounts": [
                {"id": account.id, "departement_code": account.departement_code}
                for account in social.accounts()
            ],
            "subjects": {subject.name: subject.query for subject in social.SUBJECTS},
        }

    async def users(self, request: Request) -> Response:
        return self.look_up(request, "ids", "id")

    async def users_by(self, request: Request) -> Response:
        return self.look_up(request, "usernames", "username")

    def look_up(self, request: Request, parameter: str, field: str) -> Response:
        now, headers = self.admit(request)
        asked = [value for value in request.query_params.get(parameter, "").split(",") if value]
        if not 1 <= len(asked) <= 100:
            raise _invalid(
                {parameter: asked},
                f"The number of values in the `{parameter}` query parameter list [{len(asked)}] "
                "is not between 1 and 100",
            )
        fields = {"id", "name", "username"}
        fields |= {name for name in request.query_params.get("user.fields", "").split(",") if name}
        if unknown := sorted(fields - USER_FIELDS):
            raise _invalid(
                {"user.fields": unknown},
                f"The `user.fields` query parameter value [{unknown[0]}] is not one of "
                f"[{','.join(sorted(USER_FIELDS))}]",
            )
        known = {getattr(account, field).lower(): account for account in social.accounts()}
        found = [known[value.lower()] for value in asked if value.lower() in known]
        body: dict[str, Any] = {}
        if found:
            figures = social.metrics(self.world.seed, found, now)
            body["data"] = [
                self.user(account, own, fields, now)
                for account, own in zip(found, figures, strict=True)
            ]
        if missing := [value for value in asked if value.lower() not in known]:
            body["errors"] = [
                {
                    "value": value,
                    "detail": f"Could not find user with {parameter}: [{value}].",
                    "title": "Not Found Error",
                    "resource_type": "user",
                    "parameter": parameter,
                    "resource_id": value,
                    "type": "https://api.twitter.com/2/problems/resource-not-found",
                }
                for value in missing
            ]
        return JSONResponse(body, headers=headers)

    def user(
        self, account: social.Account, figures: social.Metrics, fields: set[str], now: datetime
    ) -> dict[str, Any]:
        whole: dict[str, Any] = {
            "id": account.id,
            "name": account.name,
            "username": account.username,
            "created_at": "2018-03-01T09:00:00.000Z",
            "description": "Compte inventé, pour la démonstration.",
            "location": "France",
            "protected": False,
            "url": "",
            "verified": False,
            "public_metrics": {
                "followers_count": figures.followers,
                "following_count": figures.following,
                self.dialect(now, "tweet_count"): figures.posts,
                "listed_count": figures.listed,
            },
        }
        return {name: value for name, value in whole.items() if name in fields}

    async def counts(self, request: Request) -> Response:
        now, headers = self.admit(request)
        asked = request.query_params
        query, granularity = asked.get("query", ""), asked.get("granularity", "hour")
        if not 1 <= len(query) <= 4096:
            raise _invalid({"query": [query]}, "The `query` query parameter can not be empty")
        if granularity not in STEPS:
            raise _invalid(
                {"granularity": [granularity]},
                f"The `granularity` query parameter value [{granularity}] is not one of "
                "[minute,hour,day]",
            )
        start = _moment(asked.get("start_time"), "start_time", now - RECENT)
        end = _moment(asked.get("end_time"), "end_time", now - timedelta(seconds=30))
        if start < now - RECENT:
            raise _invalid(
                {"start_time": [asked["start_time"]]},
                f"Invalid 'start_time':'{asked['start_time']}'. 'start_time' must be on or after "
                f"{now - RECENT:%Y-%m-%dT%H:%MZ}",
            )
        if end > now - timedelta(seconds=10):
            raise _invalid(
                {"end_time": [asked["end_time"]]},
                f"Invalid 'end_time':'{asked['end_time']}'. 'end_time' must be a minimum of "
                "10 seconds prior to the request time.",
            )
        if start >= end:
            raise _invalid(
                {"start_time": [asked.get("start_time")]},
                f"Invalid 'start_time':'{asked.get('start_time')}'. "
                "'start_time' must be before 'end_time'.",
            )
        if token := asked.get("next_token"):
            end = _open_token(token, start, end)
        edges = _edges(start, end, STEPS[granularity])
        page = edges[-BUCKETS_PER_PAGE - 1 :]
        name = self.dialect(now, "tweet_count")
        volumes = [self.volume(query, *piece) for piece in pairwise(page)]
        data = [
            {"start": _stamp(opened), "end": _stamp(closed), name: volume}
            for (opened, closed), volume in zip(pairwise(page), volumes, strict=True)
        ]
        meta: dict[str, Any] = {f"total_{name}": sum(volumes)}
        if page[0] > start:
            meta["next_token"] = _token(page[0])
        return JSONResponse({"data": data, "meta": meta}, headers=headers)

    def volume(self, query: str, start: datetime, end: datetime) -> int:
        """Return the posts in [start, end[, an hour's posts being spread evenly over it."""
        total = 0
        hour = start.replace(minute=0, second=0, microsecond=0)
        while hour < end:
            posts = social.posts(self.world.seed, self.world.size, query, hour.date())[hour.hour]
            opened = max(0, int((start - hour).total_seconds()))
            closed = min(3600, int((end - hour).total_seconds()))
            total += posts * closed // 3600 - posts * opened // 3600
            hour += STEPS["hour"]
        return total

    def dialect(self, now: datetime, old: str) -> str:
        """Return the field name of the day: X documents `tweet_` and declares `post_`."""
        day = Random(f"{self.world.seed}/dialecte/{now:%Y-%m-%d}")  # noqa: S311
        return old if day.random() < 0.5 else old.replace("tweet", "post")

    def admit(self, request: Request) -> tuple[datetime, dict[str, str]]:
        """Return "now" and the rate-limit headers of a caller who may come in."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refusal(
                401,
                {
                    "title": "Unauthorized",
                    "type": "about:blank",
                    "status": 401,
                    "detail": "Unauthorized",
                },
            )
        now = instant_of(request, self.world)
        window = int(time.time()) // WINDOW_SECONDS
        path = request.url.path.rpartition("/x/2/")[2]
        self.calls[path, now, window] += 1
        left = CALLS_PER_WINDOW - self.calls[path, now, window]
        headers = {
            "x-rate-limit-limit": str(CALLS_PER_WINDOW),
            "x-rate-limit-remaining": str(max(0, left)),
            "x-rate-limit-reset": str((window + 1) * WINDOW_SECONDS),
        }
        if left < 0:
            raise Refusal(
                429,
                {
                    "title": "Too Many Requests",
                    "detail": "Too Many Requests",
                    "type": "about:blank",
                    "status": 429,
                },
                headers,
            )
        return now, headers


def _invalid(parameters: dict[str, Any], message: str) -> Refusal:
    return Refusal(
        400,
        {
            "errors": [{"parameters": parameters, "message": message}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": "https://api.twitter.com/2/problems/invalid-request",
        },
    )


def _moment(text: str | None, name: str, default: datetime) -> datetime:
    if text is None:
        return default
    try:
        return moment_of(text)
    except ValueError as malformed:
        raise _invalid(
            {name: [text]},
            f"The `{name}` query parameter value [{text}] is not a valid RFC3339 date-time",
        ) from malformed


def _edges(start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """Cut [start, end[ on whole steps; the first and the last piece may be shorter."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    cut = midnight + ((start - midnight) // step + 1) * step
    edges = [start]
    while cut < end:
        edges.append(cut)
        cut += step
    return [*edges, end]


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.000Z}"


def _token(end: datetime) -> str:
    return base64.b32encode(f"{end:%Y%m%d%H%M%S}".encode()).decode().rstrip("=").lower()


def _open_token(token: str, start: datetime, end: datetime) -> datetime:
    try:
        text = base64.b32decode(token.upper() + "=" * (-len(token) % 8)).decode()
        older = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except (binascii.Error, ValueError) as malformed:
        raise _invalid({"next_token": [token]}, f"Invalid 'next_token':'{token}'") from malformed
    if not start < older < end:
        raise _invalid({"next_token": [token]}, f"Invalid 'next_token':'{token}'")
    return older


SERVICES: dict[str, type[Service]] = {
    "services_publics_plus": ServicesPublicsPlus,
    "x": X,
    "facebook": meta.Facebook,
}
"""Source → the service that plays it."""


def settings(source: str, url: str, now: datetime | None = None) -> dict[str, Any]:
    """Return the arguments under which `source` speaks to its service as it is served at `url`.

    Args:
        source: a key of SERVICES.
        url: what `serve` yields.
        now: the instant as of which the service answers; None is the end of the world.
    """
    at = f"/at/{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if now else ""
    return SERVICES[source].settings(url + at)
