"""The outside world over HTTP, on 127.0.0.1: each service answers as its own documentation says.

A path that begins with `/at/<instant>/` is answered as of that instant; without it, as of the end
of the world.
"""

import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import duckdb
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from dlt_pipelines import stores
from dlt_pipelines.sandbox import bluesky, mastodon, meta, x, youtube
from dlt_pipelines.sandbox.datagouv import DataGouv
from dlt_pipelines.sandbox.faults import Faults, Faulty
from dlt_pipelines.sandbox.jedonnemonavis import JeDonneMonAvis
from dlt_pipelines.sandbox.linkedin import LinkedIn
from dlt_pipelines.sandbox.matomo import Matomo
from dlt_pipelines.sandbox.observatoire import Observatoire
from dlt_pipelines.sandbox.partoo import Partoo
from dlt_pipelines.sandbox.piano import Piano
from dlt_pipelines.sandbox.service import Refusal, Service, instant_of
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


SERVICES: dict[str, type[Service]] = {
    "datagouv": DataGouv,
    "observatoire": Observatoire,
    "avis_google": Partoo,
    "jedonnemonavis": JeDonneMonAvis,
    "services_publics_plus": ServicesPublicsPlus,
    "x": x.X,
    "mastodon": mastodon.Mastodon,
    "bluesky": bluesky.Bluesky,
    "youtube": youtube.YouTube,
    "facebook": meta.Facebook,
    "instagram": meta.Instagram,
    "linkedin": LinkedIn,
    "piano": Piano,
    "matomo": Matomo,
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
