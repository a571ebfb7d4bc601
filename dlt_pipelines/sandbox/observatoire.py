"""Observatoire des démarches: an edition each quarter, published once it is over."""

from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_pipelines.sandbox.service import instant_of
from dlt_pipelines.sandbox.story import World

PROCEDURES = {
    "Déposer une pré-plainte en ligne": ("Intérieur", 1_000_000),
    "Porter plainte en ligne": ("Intérieur", 900_000),
    "Signaler une fraude à la carte bancaire": ("Intérieur", 300_000),
    "Demander un passeport ou une carte d'identité": ("Intérieur", 9_000_000),
    "Refaire son permis de conduire": ("Intérieur", 1_500_000),
    "Payer une amende": ("Économie", 20_000_000),
    "Déclarer ses revenus": ("Économie", 38_000_000),
    "Demander une aide au logement": ("Solidarités", 4_000_000),
}
INDICATORS = {
    "satisfaction": "Satisfaction usagers",
    "simplicity": "Simplicité des démarches",
    "usage": "Utilisation du numérique",
    "handicap": "Prise en compte des handicaps",
    "help_reachable": "Joignabilité",
}
FIRST_YEAR = 2021


class Observatoire:
    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[Route]:
        return [
            Route("/observatoire/api/editions", self.editions),
            Route("/observatoire/api/procedures", self.procedures),
        ]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {"base_url": f"{root}/observatoire/api"}

    def published(self, now: datetime) -> list[dict[str, Any]]:
        quarters = (
            (year, quarter) for year in range(FIRST_YEAR, now.year + 1) for quarter in range(4)
        )
        editions = []
        for year, quarter in quarters:
            start = date(year, 3 * quarter + 1, 1)
            end = (start + timedelta(days=100)).replace(day=1) - timedelta(days=1)
            if end < now.date():
                editions.append(
                    {
                        "id": f"demo_edition_{year}_{quarter + 1}",
                        "name": f"Édition {quarter + 1}/{year} (démonstration)",
                        "start_date": f"{start}T00:00:00.000Z",
                        "end_date": f"{end}T00:00:00.000Z",
                        "created_at": f"{end}T08:00:00.000Z",
                        "version": 2,
                    }
                )
        return editions

    def editions(self, request: Request) -> Response:
        return JSONResponse(self.published(instant_of(request, self.world)))

    def procedures(self, request: Request) -> Response:
        editions = [edition["id"] for edition in self.published(instant_of(request, self.world))]
        asked = request.query_params.get("editionId") or editions[-1]
        if asked not in editions:
            return JSONResponse([])
        return JSONResponse(
            [
                self.described(asked, rank, title)
                for rank, title in enumerate(sorted(PROCEDURES, key=lambda t: -PROCEDURES[t][1]))
            ]
        )

    def described(self, edition: str, rank: int, title: str) -> dict[str, Any]:
        ministry, volume = PROCEDURES[title]
        key = f"{edition}_{rank}"
        return {
            "id": key,
            "editionId": edition,
            "grist_identifier": f"demo_{rank}",
            "jdma_identifier": f"demo_{rank}",
            "title": f"{title} (démonstration)",
            "title_normalized": title.lower(),
            "ministere": ministry,
            "administration": ministry,
            "administration_central": ministry,
            "sousorg": None,
            "volume": volume,
            "noJdma": False,
            "fields": [self.score(key, slug, label) for slug, label in INDICATORS.items()],
        }

    def score(self, key: str, slug: str, label: str) -> dict[str, Any]:
        draw = Random(f"{self.world.seed}/observatoire/{key}/{slug}")  # noqa: S311 (a play)
        value = round(draw.uniform(4, 9.8), 1)
        return {
            "id": f"{key}_{slug}",
            "procedureId": key,
            "slug": slug,
            "label": label,
            "value": f"{value}".replace(".", ","),
            "color": "green" if value >= 8 else "orange" if value >= 5 else "red",
            "noBackground": False,
            "goalReached": value >= 8,
        }
