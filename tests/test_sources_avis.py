"""What users say: each service from a frozen answer to the store, and against its sandbox."""

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_pipelines import landings, sandbox, stores
from dlt_pipelines.landings import LandingError, land
from dlt_pipelines.sandbox import TOKEN, World, tables
from dlt_pipelines.sandbox.servers import ServicesPublicsPlus
from dlt_pipelines.sandbox.service import Refusal

pytestmark = pytest.mark.slow

FROZEN = Path(__file__).parent / "frozen"
JDMA = FROZEN / "jedonnemonavis.json"


def query(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(stores.raw(), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql).fetchall()


@contextmanager
def listening(*routes: Route) -> Iterator[str]:
    """Answer `routes` on 127.0.0.1, and yield the base URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        app = Starlette(
            routes=routes, exception_handlers={Refusal: lambda _, refusal: refusal.response}
        )
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Switch a source to a live service, with its settings."""

    def switch(source: str, **settings: str) -> None:
        for name, value in {"live": "true", **settings}.items():
            monkeypatch.setenv(f"SOURCES__{source}__{name}".upper(), value)

    return switch


def ask_for_real(request: pytest.FixtureRequest, key: str | None) -> None:
    """Skip unless the real services are asked for, and the key (a variable) is there."""
    if "live" not in request.config.getoption("-m"):
        pytest.skip("asked for by -m live only")
    if key and key not in os.environ:
        pytest.skip(f"no {key} in the environment")


def drop(data: Path, source: str, *files: Path) -> None:
    folder = data / "depot" / source
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file.name).write_bytes(file.read_bytes())


def play(monkeypatch: pytest.MonkeyPatch, end: date, size: float = 0.3) -> World:
    """Let the sandbox's world end on `end`, two months after it began."""
    world = World(date(2026, 1, 10), end, size=size)
    monkeypatch.setattr(landings.sandbox, "world", lambda: world)
    return world


# --- Je donne mon avis ----------------------------------------------------------------------------


@contextmanager
def jdma(answers: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve frozen answers; yield the URL and the bodies asked of the statistics."""
    asked: list[dict[str, Any]] = []

    async def statistics(request: Request) -> Response:
        asked.append(json.loads(await request.body()))
        # The frozen answer is that of March.
        months = asked[-1]["start_date"] <= "2026-03-01" <= asked[-1]["end_date"]
        return JSONResponse(answers["statistiques"] if months else {"data": []})

    with listening(
        Route("/services", lambda request: JSONResponse(answers["services"])),
        Route("/statistiques", statistics, methods=["POST"]),
    ) as url:
        yield url, asked


def frozen_jdma() -> dict[str, Any]:
    answers: dict[str, Any] = json.loads(JDMA.read_text())
    return answers


def test_jdma_statistics_land_as_counted(
    data: Path, live: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landings, "EPOCH", date(2026, 2, 20))
    with jdma(frozen_jdma()) as (url, asked):
        live("jedonnemonavis", base_url=url, token="cle")
        first, second = land("jedonnemonavis"), land("jedonnemonavis")
    assert (first.origin, first.total("quarantined"), first.warnings) == ("reel", 1, [])
    assert not second.changed
    # Text and number name one product; one item id has two meanings, apart by their question; the
    # count that is a word is set aside; the sums of `children` are nowhere.
    assert query(
        "select product_id, form_id, date, category, intention, label, count"
        " from raw_jedonnemonavis.statistiques order by all"
    ) == [
        ("123", "456", date(2026, 3, 1), *row)
        for row in (
            ("contact_reached", "good", "Oui", 5),
            ("contact_tried", "good", "Je n’ai pas eu besoin d’aide", 70),
            ("contact_tried", "neutral", "Par téléphone avec l’administration", 9),
            ("satisfaction", "good", "Très bien", 81),
            ("satisfaction", "medium", "Moyen", 12),
        )
    ] + [("123", "undefined", date(2026, 3, 1), "satisfaction", "good", "Très bien", 2)]
    assert query("select id, title from raw_jedonnemonavis.services order by 1") == [
        ("123", "Signaler une fraude (invention)"),
        ("124", "Déposer une plainte (invention)"),
    ]
    assert query("select colonne, motif from quarantaine.lignes") == [
        ("count", "n’est pas un nombre entier")
    ]
    # Whole months, both ends included, and no question left to the default.
    assert [(body["start_date"], body["end_date"]) for body in asked[:2]] == [
        ("2026-02-20", "2026-02-28"),
        ("2026-03-01", "2026-03-31"),
    ]
    assert {tuple(body["product_ids"]) for body in asked} == {(123, 124)}
    assert {body["interval"] for body in asked} == {"day"}
    assert {"contact_reached", "contact_satisfaction"} <= set(asked[0]["field_codes"])


def test_jdma_window_replaces_what_the_service_no_longer_tells(
    data: Path, live: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(landings.PARIS).date()
    monkeypatch.setattr(landings, "EPOCH", today - timedelta(days=60))

    def told(*days: int) -> dict[str, Any]:
        answers = frozen_jdma()
        form = answers["statistiques"]["data"][0]["forms"][0]
        interval = form["intervals"][0]
        interval["data"] = interval["data"][:1]
        interval["data"][0]["number_hits"] = interval["data"][0]["number_hits"][:1]
        form["intervals"] = [
            {**interval, "date": f"{today - timedelta(days=age)}T00:00:00.000Z"} for age in days
        ]
        del answers["statistiques"]["data"][0]["forms"][1:]
        return answers

    def land_told(*days: int, retake: bool = False) -> landings.Landing:
        answers = told(*days)

        async def statistics(request: Request) -> Response:
            body = json.loads(await request.body())
            kept = json.loads(json.dumps(answers["statistiques"]))
            form = kept["data"][0]["forms"][0]
            form["intervals"] = [
                interval
                for interval in form["intervals"]
                if body["start_date"] <= interval["date"][:10] <= body["end_date"]
            ]
            return JSONResponse(kept)

        with listening(
            Route("/services", lambda request: JSONResponse(answers["services"])),
            Route("/statistiques", statistics, methods=["POST"]),
        ) as url:
            live("jedonnemonavis", base_url=url, token="cle")
            return land("jedonnemonavis", retake=retake)

    assert land_told(1, 30, 50).total("new") == 5  # three days, two services
    landing = land_told(1)
    # Thirty days ago lies within the 35 that are read again; fifty days ago was not asked.
    assert (landing.total("deleted"), landing.changed) == (1, True)
    assert query("select date from raw_jedonnemonavis.statistiques order by 1") == [
        (today - timedelta(days=50),),
        (today - timedelta(days=1),),
    ]

    # Twenty-five days come, and all but one go away again: that is no correction.
    assert land_told(*range(1, 26)).total("new") == 24
    shrunk = land_told(1)
    assert (shrunk.total("deleted"), shrunk.changed) == (0, False)
    assert any("que 1 des 25 lignes" in warning for warning in shrunk.warnings)
    assert query("select count(*) from raw_jedonnemonavis.statistiques") == [(26,)]
    assert land_told(1, retake=True).total("deleted") == 24


def test_jdma_renamed_field_is_reported_and_an_unknown_one_too(
    data: Path, live: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landings, "EPOCH", date(2026, 3, 1))
    answers = frozen_jdma()
    product = answers["statistiques"]["data"][0]
    product["nom"] = product.pop("product_name")
    with jdma(answers) as (url, _):
        live("jedonnemonavis", base_url=url, token="cle")
        landing = land("jedonnemonavis")
    assert landing.warnings == ["statistiques : colonne inconnue, non reprise : « nom »"]
    assert landing.tables["statistiques"].new == 6


@pytest.mark.parametrize(
    ("services", "said"),
    [({"data": []}, "ne lit aucun des services demandés"), (None, "clé refusée")],
)
def test_jdma_without_a_service_to_read_deletes_nothing(
    data: Path,
    live: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    services: dict[str, Any] | None,
    said: str,
) -> None:
    monkeypatch.setattr(landings, "EPOCH", date(2026, 3, 1))
    with jdma(frozen_jdma()) as (url, _):
        live("jedonnemonavis", base_url=url, token="cle")
        land("jedonnemonavis")
    before = query("select count(*) from raw_jedonnemonavis.statistiques")
    refusal = JSONResponse({"message": "Please provide a valid API key"}, 401)
    with listening(
        Route("/services", lambda request: JSONResponse(services) if services else refusal)
    ) as url:
        live("jedonnemonavis", base_url=url, token="perdue")
        with pytest.raises(LandingError, match=said):
            land("jedonnemonavis")
    assert query("select count(*) from raw_jedonnemonavis.statistiques") == before


def exported() -> list[tuple[Any, ...]]:
    return query(
        "select avis_id, cree_le, cree_at at time zone 'UTC', demarche, satisfaction,"
        " comprehension, contact_reached, verbatim from raw_jedonnemonavis.avis order by 1, 2"
    )


def test_jdma_exports_of_both_kinds_land_protected(data: Path) -> None:
    drop(data, "jedonnemonavis", *sorted(FROZEN.glob("[Aa]vis_*.csv")))
    landing = land("jedonnemonavis")
    assert (landing.origin, len(landing.files_taken), landing.warnings) == ("reel", 2, [])
    fraud, complaint = "Signaler_une_fraude_invention_", "D_poser_une_plainte_invention_"
    reached = "Par téléphone avec l’administration : Oui / Par e-mail avec l’administration : Non"
    text = "Simple, rapide.\nAppelez-moi au [telephone]."
    night, morning = datetime(2026, 3, 1, 23, 30), datetime(2026, 3, 2, 8, 0)
    assert exported() == [
        ("0000001", date(2018, 8, 1), None, complaint, "Très bien", None, None, None),
        ("00bc614", date(2026, 3, 1), night, fraud, "Très bien", "5", reached, text),
        ("00bc615", date(2026, 3, 2), morning, fraud, "Pas bien", "1", None, None),
        ("bc614e", date(2024, 7, 3), None, complaint, "Moyen", "3", None, "Écrivez à [courriel]"),
        ("bc6151", date(2024, 7, 4), None, complaint, "Pas bien", "4", None, "Rien"),
    ]
    assert query("select fichier[:4], ligne, colonne, motif from quarantaine.lignes") == [
        ("avis", 4, "cree_le", "n’est pas une date lisible entre 1900 et 2100")
    ]
    columns = {name for (name,) in query(
        "select column_name from duckdb_columns() where schema_name = 'raw_jedonnemonavis'"
    )}  # fmt: skip
    assert "contact_email" not in columns
    for store in data.rglob("*"):
        if store.is_file() and "depot" not in store.parts:
            assert b"camille.invente" not in store.read_bytes(), store
    assert not land("jedonnemonavis").changed


def test_jdma_files_and_service_feed_their_tables_in_one_landing(
    data: Path, live: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landings, "EPOCH", date(2026, 3, 1))
    drop(data, "jedonnemonavis", *FROZEN.glob("Avis_*.csv"))
    with jdma(frozen_jdma()) as (url, _):
        live("jedonnemonavis", base_url=url, token="cle")
        landing = land("jedonnemonavis")
    assert {table: counts.new for table, counts in landing.tables.items()} == {
        "avis": 2,
        "services": 2,
        "statistiques": 6,
    }
    assert landing.cursor_to == f"{datetime.now(landings.PARIS):%Y-%m-%d}"


def test_jdma_sandbox_lands_once_and_forgets_what_was_taken_back(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, date(2026, 3, 1), size=1)
    first, second = land("jedonnemonavis"), land("jedonnemonavis")
    assert first.origin == "bac_a_sable"
    assert (first.total("quarantined"), first.warnings) == (0, [])
    assert first.tables["avis"].new > 100
    assert not second.changed
    counted = "select sum(count) from raw_jedonnemonavis.statistiques where date < '2026-03-01'"
    ((before,),) = query(counted)
    play(monkeypatch, date(2026, 3, 31), size=1)
    land("jedonnemonavis")
    ((after,),) = query(counted)
    assert 0 < after < before


def test_jdma_children_are_sums_over_the_whole_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(date(2026, 1, 1), date(2026, 2, 1))
    with sandbox.serve(world) as url:
        settings = sandbox.settings("jedonnemonavis", url)

        def ask(**body: Any) -> requests.Response:
            return requests.post(
                f"{settings['base_url']}/statistiques",
                headers={"Authorization": f"Bearer {TOKEN}"},
                json={
                    "start_date": "2026-01-01",
                    "end_date": "2026-01-31",
                    "product_ids": [901],
                    "interval": "day",
                    **body,
                },
                timeout=30,
            )

        def counts(answer: requests.Response, category: str) -> Iterator[dict[str, Any]]:
            for product in answer.json()["data"]:
                for form in product["forms"]:
                    for interval in form["intervals"]:
                        for question in interval["data"]:
                            if question["category"] == category:
                                yield from question["number_hits"]

        parents = ask(field_codes=["contact_tried"])
        asked = ask(field_codes=["contact_reached"])
        for refused in ([], list(range(901, 912)), [1]):
            assert ask(product_ids=refused).status_code == 400
    told_by_children = sum(
        own["count"]
        for hit in counts(parents, "contact_tried")
        for child in hit.get("children", ())
        if child["category"] == "contact_reached"
        for own in child["number_hits"]
    )
    true = sum(hit["count"] for hit in counts(asked, "contact_reached"))
    # The whole month is told again each day: what is loaded comes from the question itself.
    assert true > 0
    assert told_by_children > 5 * true


@pytest.mark.live
def test_jdma_for_real(
    data: Path,
    live: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    ask_for_real(request, "SOURCES__JEDONNEMONAVIS__TOKEN")
    monkeypatch.setattr(landings, "EPOCH", date.today() - timedelta(days=7))
    live("jedonnemonavis")
    landing = land("jedonnemonavis")
    assert (landing.origin, landing.warnings, landing.total("quarantined")) == ("reel", [], 0)
    assert landing.tables["services"].new > 0


# --- Google reviews, through Partoo ---------------------------------------------------------------


@contextmanager
def partoo(answers: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Serve frozen lists, one record a page; yield the URL and what was asked of the reviews."""
    asked: list[dict[str, str]] = []

    def page(request: Request) -> Response:
        if request.headers.get("x-apikey") != "cle":
            return JSONResponse({"message": "Unauthorized"}, 401)
        name = {"search": "businesses"}.get(last := request.url.path.rpartition("/")[2], last)
        query_ = dict(request.query_params)
        if name == "reviews":
            asked.append(query_)
        number, rows = int(query_["page"]), answers[name]
        return JSONResponse(
            {
                "page": number,
                "max_page": len(rows),
                "count": len(rows),
                name: rows[number - 1 : number],
            }
        )

    paths = ("/groups", "/business/search", "/reviews")
    with listening(*(Route(path, page) for path in paths)) as url:
        yield url, asked


def test_google_reviews_land_without_their_authors(
    data: Path, live: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(landings.PARIS).date()
    monkeypatch.setattr(landings, "EPOCH", today - timedelta(days=9))
    frozen: dict[str, Any] = json.loads((FROZEN / "partoo.json").read_text())
    with partoo(frozen) as (url, asked):
        live("avis_google", base_url=url, token="cle")
        first = land("avis_google")
        frozen["reviews"][1] |= {"state": "deleted", "update_date": f"{today}T00:00:00Z"}
        second, third = land("avis_google"), land("avis_google")
    assert (first.origin, first.warnings, first.total("new")) == ("reel", [], 5)
    assert first.total("quarantined") == 1
    night, answered = datetime(2026, 3, 1, 22, 30, 0, 156000), datetime(2026, 3, 3, 9)
    # A change of state is a new state of the same review.
    assert (second.total("new"), second.total("changed"), third.changed) == (0, 1, False)
    assert query(
        "select id, business_id[-2:], date at time zone 'UTC', rating, content, state,"
        " reply_date at time zone 'UTC' from raw_avis_google.reviews order by 1"
    ) == [
        ("34", "37", night, 5, "Merci, écrivez-moi à [courriel]", "treated", answered),
        ("35", "38", datetime(2026, 3, 2, 8), 2, None, "deleted", None),
    ]
    assert query("select name, zipcode, group_id from raw_avis_google.businesses order by 1") == [
        ("Brigade fermée", "74000", None),
        ("Brigade inventée", "01200", "7"),
    ]
    assert query("select distinct colonne, motif from quarantaine.lignes") == [
        ("rating", "n’est pas un nombre entier")
    ]
    # The first window goes to the beginning, the next one three days before the last.
    assert (asked[0]["update_date__gte"], asked[-1]["update_date__gte"]) == (
        f"{today - timedelta(days=9)}T00:00:00",
        f"{today - timedelta(days=3)}T00:00:00",
    )
    for store in data.rglob("*"):
        if store.is_file():
            assert b"Invente" not in store.read_bytes(), store


def test_google_refuses_a_wrong_key_and_says_a_renamed_postcode(
    data: Path, live: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landings, "EPOCH", date.today() - timedelta(days=2))
    frozen: dict[str, Any] = json.loads((FROZEN / "partoo.json").read_text())
    frozen["businesses"][0]["postal_code"] = frozen["businesses"][0].pop("zipcode")
    with partoo(frozen) as (url, _):
        live("avis_google", base_url=url, token="perdue")
        with pytest.raises(LandingError, match="clé refusée"):
            land("avis_google")
        live("avis_google", base_url=url, token="cle")
        with pytest.raises(LandingError, match=r"plus de zipcode parmi.*postal_code"):
            land("avis_google")


def test_google_sandbox_lands_once_and_an_answer_changes_its_review(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, date(2026, 3, 1), size=1)
    first, second = land("avis_google"), land("avis_google")
    assert (first.origin, first.total("quarantined"), first.warnings) == ("bac_a_sable", 0, [])
    assert first.tables["reviews"].new > 200
    assert not second.changed
    waiting = "select count(*) from raw_avis_google.reviews where state = 'not_treated'"
    ((before,),) = query(f"{waiting} and date < '2026-03-01'")
    play(monkeypatch, date(2026, 3, 11), size=1)
    later = land("avis_google")
    ((after,),) = query(f"{waiting} and date < '2026-03-01'")
    assert later.tables["reviews"].changed == before - after > 0
    # Units that closed are asked for too: their reviews keep a place.
    assert query(
        "select count(*), count(*) filter (status = 'closed') from raw_avis_google.businesses"
    ) == [(101, 5)]


@pytest.mark.live
def test_google_for_real(
    data: Path,
    live: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    ask_for_real(request, "SOURCES__AVIS_GOOGLE__TOKEN")
    monkeypatch.setattr(landings, "EPOCH", date.today() - timedelta(days=7))
    live("avis_google")
    landing = land("avis_google")
    assert (landing.origin, landing.warnings, landing.total("quarantined")) == ("reel", [], 0)
    assert landing.tables["businesses"].new > 0


# --- Services Publics+, through its portal --------------------------------------------------------

EXPLORE = "/api/explore/v2.1/catalog/datasets/{dataset}"
SPP = FROZEN / "services_publics_plus.json"


@contextmanager
def portal(rows: list[dict[str, Any]], slug: str = "export-experiences") -> Iterator[str]:
    """Serve frozen experiences under one slug, by `exports` alone."""

    def describe(request: Request) -> Response:
        if request.path_params["dataset"] != slug:
            return JSONResponse({"error_code": "DatasetNotFoundError"}, 404)
        return JSONResponse({"fields": [{"name": name} for name in rows[0]]})

    def export(request: Request) -> Response:
        published, start, end = re.findall(
            r"^(\w+) >= date'(.*)' and \w+ < date'(.*)'$", request.query_params["where"]
        )[0]
        return JSONResponse([row for row in rows if start <= row[published] < end])

    with listening(Route(EXPLORE, describe), Route(f"{EXPLORE}/exports/json", export)) as url:
        yield url


def experiences() -> list[tuple[Any, ...]]:
    return query(
        "select experience_id, publie_at at time zone 'UTC', ressenti, accessibilite, poste_comme,"
        " description, departement_insee, statut from raw_services_publics_plus.experiences"
        " order by 1"
    )


def frozen_spp(**renamed: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(SPP.read_text())
    return [{renamed.get(name, name): value for name, value in row.items()} for row in rows]


FIRST = (datetime(2026, 3, 1, 22, 30), "Négatif", "Positif", "La personne concernée")
SECOND = (datetime(2026, 4, 2, 8, 0), "Positif", None, "Un proche de la personne concernée")
WAITING = "Expérience en attente de réponse"
READ = [
    (31, *FIRST, "Personne au [telephone].", "2A", "Expérience avec réponse"),
    (32, *SECOND, "Merci", "01", WAITING),
]


def test_spp_old_slug_answers_and_an_answer_changes_its_row(
    data: Path, live: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Read again: the 90 days before the last landing, which is that of today.
    monkeypatch.setattr(landings, "EPOCH", date(2026, 2, 1))
    today = datetime.now(landings.PARIS).date()
    rows = frozen_spp()
    late = {**rows[1], "id_experience": 33, "date_de_publication": f"{today - timedelta(80)}T08:00"}
    answered = {**late, "statut_de_l_experience": "Expérience avec réponse"}
    with portal([*rows, late], "export-expa-c-riences") as url:
        live("services_publics_plus", base_url=url)
        first = land("services_publics_plus")
        read = experiences()
    with portal([*rows, answered], "export-expa-c-riences") as url:
        live("services_publics_plus", base_url=url)
        second, third = land("services_publics_plus"), land("services_publics_plus")
    assert (first.origin, first.warnings, first.total("new")) == ("reel", [], 3)
    assert read[:2] == READ
    assert (second.total("new"), second.total("changed"), third.changed) == (0, 1, False)
    assert [row[-1] for row in experiences()] == [READ[0][-1], WAITING, "Expérience avec réponse"]


def test_spp_renamed_fields_are_absorbed_reported_or_refused(
    data: Path, live: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landings, "EPOCH", date(2026, 2, 1))
    renamed = frozen_spp(
        ressenti_usager="ressenti_de_l_usager",
        date_de_publication="date_heure_publication",
        accessibilite="tag_accessibilite",
        poste_comme="qualite_du_declarant",
    )
    with portal(renamed) as url:
        live("services_publics_plus", base_url=url)
        landing = land("services_publics_plus")
    assert [row[:4] for row in experiences()] == [row[:4] for row in READ]
    assert landing.warnings == [
        "experiences : colonne inconnue, non reprise : « qualite_du_declarant »"
    ]
    with portal(frozen_spp(ressenti_usager="humeur")) as url:
        live("services_publics_plus", base_url=url)
        with pytest.raises(LandingError, match=r"plus de champ « ressenti_usager ».*humeur"):
            land("services_publics_plus")
    with portal(renamed, slug="autre") as url:
        live("services_publics_plus", base_url=url)
        with pytest.raises(LandingError, match="aucun jeu de données connu ne répond"):
            land("services_publics_plus")
    assert len(experiences()) == 2


def test_spp_portal_that_closes_its_exports_is_read_within_its_window(
    data: Path, live: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = ServicesPublicsPlus(World(date(2026, 1, 8), date(2026, 2, 1), size=30))
    offsets: list[int] = []

    def records(request: Request) -> Response:
        offsets.append(int(request.query_params["offset"]))
        return played.records(request)

    monkeypatch.setattr(landings, "EPOCH", date(2026, 1, 8))
    closed = Route(
        f"{EXPLORE}/exports/json", lambda request: JSONResponse({"error_code": "Forbidden"}, 403)
    )
    with listening(
        Route(EXPLORE, played.describe), Route(f"{EXPLORE}/records", records), closed
    ) as url:
        live("services_publics_plus", base_url=url)
        landing = land("services_publics_plus")
    (whole,) = played.db.execute("select count(*) from experiences").fetchone() or (0,)
    assert whole > 10_000  # one month of it does not fit in the window
    assert (landing.total("new"), landing.total("read")) == (whole, whole)
    assert 0 < max(offsets) < 10_000


def test_spp_sandbox_leaves_most_criteria_without_a_word() -> None:
    with tables.connect(World(date(2026, 1, 1), date(2026, 3, 1)), "experiences") as db:
        (told,) = db.execute(
            "select {accessibilite: count(accessibilite) / count(*), relation: count(relation)"
            " / count(*), simplicite: count(simplicite_complexite) / count(*)} from experiences"
        ).fetchone() or ({},)
    assert told == pytest.approx({"accessibilite": 0.7, "relation": 0.3, "simplicite": 0.55}, 0.15)


@pytest.mark.live
def test_spp_for_real(
    data: Path,
    live: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    ask_for_real(request, None)
    monkeypatch.setattr(landings, "EPOCH", date.today() - timedelta(days=7))
    live("services_publics_plus")
    landing = land("services_publics_plus")
    assert (landing.origin, landing.warnings, landing.total("quarantined")) == ("reel", [], 0)
