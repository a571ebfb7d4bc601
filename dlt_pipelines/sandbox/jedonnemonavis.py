"""Je donne mon avis: its statistics API, as a key of an entity sees it, and its CSV exports."""

import json
import re
from collections import defaultdict
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
from pyarrow.csv import write_csv
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_pipelines.sandbox.service import TOKEN, Refusal, instant_of
from dlt_pipelines.sandbox.story import World
from dlt_pipelines.sandbox.tables import connect

QUESTIONS = {
    "satisfaction": "De façon générale, comment ça s'est passé ?",
    "comprehension": "Qu'avez-vous pensé des informations et des instructions fournies ?",
    "contact_tried": "Durant votre parcours, avez-vous tenté d’obtenir de l’aide par l’un des "
    "moyens suivants ?",
    "contact_reached": "Quand vous avez cherché de l'aide, avez-vous réussi à joindre "
    "l'administration ?",
    "contact_satisfaction": "Comment évaluez-vous la qualité de l'aide que vous avez obtenue de la "
    "part de l'administration ?",
}
PARENT = "contact_tried"
INTERVALS = ("day", "week", "month", "year", "none")
PRODUCTS_PER_CALL = 10
EXPORTED = 901


def export(world: World, folder: Path) -> Path:
    """Write the export of one product, as somebody who can read its verbatims asks for it."""
    for older in folder.glob("Avis_*.csv"):
        older.unlink()
    with connect(world, "jedonnemonavis") as db:
        rows = db.table("exported").filter(f"product_id = {EXPORTED}").order("review_id")
        [(name,)] = (
            db.table("products").filter(f"product_id = {EXPORTED}")["product_name"].fetchall()
        )
        path = folder / f"Avis_{re.sub(r'[^A-Za-z0-9_-]', '_', name)}_{world.end}_02-00-00.csv"
        write_csv(rows.project("* exclude (product_id, review_id)").to_arrow_table(), path)
    return path


class JeDonneMonAvis:
    """The reviews of the invented products, by answer."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[Route]:
        root = "/jedonnemonavis/api/open-api"
        return [
            Route(f"{root}/services", self.services),
            Route(f"{root}/statistiques", self.statistics, methods=["POST"]),
        ]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {
            "base_url": f"{root}/jedonnemonavis/api/open-api",
            "token": TOKEN,
            "products": [],
        }

    @cached_property
    def db(self) -> duckdb.DuckDBPyConnection:
        return connect(self.world, "jedonnemonavis")

    def admit(self, request: Request) -> None:
        given = request.headers.get("authorization")
        if given != f"Bearer {TOKEN}":
            word = "a valid API key" if given else "your API key"
            raise Refusal(401, {"message": f"Please provide {word}", "code": "UNAUTHORIZED"})

    def services(self, request: Request) -> Response:
        self.admit(request)
        rows = self.db.cursor().execute("from products order by product_id").fetchall()
        return JSONResponse(
            {
                "data": [
                    {
                        "id": row[0],
                        "title": row[6],
                        "entity": "Gendarmerie nationale (démonstration)",
                        "forms": [{"id": row[7], "title": "Évaluation de la satisfaction usager"}],
                    }
                    for row in rows
                ]
            }
        )

    async def statistics(self, request: Request) -> Response:
        self.admit(request)
        try:
            asked = json.loads(await request.body())
            start, end = (date.fromisoformat(asked[name]) for name in ("start_date", "end_date"))
            interval = asked.get("interval", "none")
            ids = [int(product) for product in asked.get("product_ids", [])]
            codes = asked.get("field_codes") or list(QUESTIONS)
            malformed = interval not in INTERVALS or not set(codes) <= QUESTIONS.keys()
        except (KeyError, TypeError, ValueError):
            malformed = True
        if malformed:
            raise _bad("Input validation failed")
        if not 1 <= len(ids) <= PRODUCTS_PER_CALL:
            raise _bad("Veuillez réduire le nombre de services requêtés (max 10)")
        cursor = self.db.cursor()
        known = {
            product for (product,) in cursor.execute("select product_id from products").fetchall()
        }
        if unknown := sorted(set(ids) - known):
            raise _bad(f"Les product_ids suivants n'existent pas en base : {unknown}")
        when = {"none": "'all_time'"}.get(
            interval, f"""strftime(date_trunc('{interval}', day), '%Y-%m-%dT00:00:00.000Z')"""
        )
        buckets = cursor.execute(
            f"""
            select product_id::varchar, product_name, form_id, form_name, {when} as moment,
                category, intention, label, item, parent_item, count(*) as hits
            from answers
            where list_contains(?, product_id) and day between ? and ?
                and (deleted_on is null or deleted_on > ?)
            group by all order by all
            """,  # noqa: S608
            [ids, start, end, instant_of(request, self.world).date()],
        ).fetchall()
        return JSONResponse({"data": _nested(buckets, codes, interval)})


def _bad(message: str) -> Refusal:
    return Refusal(400, {"message": message, "code": "BAD_REQUEST"})


def _nested(
    buckets: list[tuple[Any, ...]], codes: list[str], interval: str
) -> list[dict[str, Any]]:
    """Nest the counts as the service does, its children being sums over the whole answer."""
    children: dict[int, dict[str, dict[tuple[str, str], int]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(int))
    )
    tree: dict[Any, Any] = {}
    for bucket in buckets:
        product, title, form, name, moment, category, intention, label, item, parent, hits = bucket
        if parent is not None:
            children[parent][category][intention, label] += hits
        if category not in codes:
            continue
        forms = tree.setdefault((product, title), {})
        questions = forms.setdefault((form, name), {}).setdefault(moment, {})
        counts = questions.setdefault(category, {})
        counts[intention, label, item] = counts.get((intention, label, item), 0) + hits
    return [
        {
            "product_id": product,
            "product_name": title,
            "forms": [
                {
                    "form_id": form,
                    "form_name": name,
                    "intervals": [
                        {
                            "date": moment,
                            "length_interval": interval,
                            "data": [
                                {
                                    "category": category,
                                    "label": QUESTIONS[category],
                                    "number_hits": [
                                        _hit(category, key, hits, children)
                                        for key, hits in counts.items()
                                    ],
                                }
                                for category, counts in questions.items()
                            ],
                        }
                        for moment, questions in moments.items()
                    ],
                }
                for (form, name), moments in forms.items()
            ],
        }
        for (product, title), forms in tree.items()
    ]


def _hit(
    category: str, key: tuple[str, str, int], hits: int, children: dict[int, Any]
) -> dict[str, Any]:
    intention, label, item = key
    hit: dict[str, Any] = {"intention": intention, "label": label, "count": hits}
    if category == PARENT and item in children:
        hit["children"] = [
            {
                "category": child,
                "label": QUESTIONS[child],
                "number_hits": [
                    {"intention": own, "label": said, "count": sum_}
                    for (own, said), sum_ in counts.items()
                ],
            }
            for child, counts in children[item].items()
        ]
    return hit
