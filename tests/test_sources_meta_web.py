"""Audience elsewhere and on our sites: Facebook, Instagram, LinkedIn, Piano, Matomo.

Each is met twice: as frozen answers in the words of its documentation, and as the sandbox plays it.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import pytest
import requests

from dlt_pipelines import landings, sandbox, stores
from dlt_pipelines.catalog import CATALOG
from dlt_pipelines.door import Tally
from dlt_pipelines.landings import LandingError, land
from dlt_pipelines.sandbox import audience
from dlt_pipelines.sources import matomo, piano

pytestmark = pytest.mark.slow

FROZEN = Path(__file__).with_name("frozen")
YEAR = sandbox.world(end=date(2026, 3, 15), months=12)


def query(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(stores.raw(), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql).fetchall()


class Frozen:
    """A service that answers what was frozen, and remembers what it was asked.

    An answer is given to the first of its requests: same path, `when` among its parameters. One
    that has a `token` refuses any other.
    """

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        self.answers = answers
        self.address = ""
        self.asked: list[dict[str, Any]] = []

    def answer(self, asked: dict[str, Any]) -> tuple[int, Any]:
        self.asked.append(asked)
        for frozen in self.answers:
            when = frozen.get("when", {})
            if frozen["path"] != asked["path"] or when.items() - asked["params"].items():
                continue
            if frozen.get("token", "") not in asked["headers"].get("authorization", ""):
                return 400, {"error": {"code": 190, "message": "Invalid OAuth access token."}}
            return frozen.get("status", 200), frozen["answer"]
        return 404, {}


Serve = Callable[..., Frozen]


@pytest.fixture
def frozen(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Switch a source to its live way in, on a server that gives frozen answers."""
    servers = []

    def serve(source: str, answers: list[dict[str, Any]] | None = None, **settings: Any) -> Frozen:
        world = Frozen(answers or json.loads((FROZEN / f"{source}.json").read_text()))

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                is_form = "form" in self.headers.get("Content-Type", "")
                params = {
                    name: values[0]
                    for name, values in parse_qs(url.query + "&" + body * is_form).items()
                }
                if body and not is_form:
                    params |= {name: json.dumps(v) for name, v in json.loads(body).items()}
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, said = world.answer(
                    {"path": url.path, "query": url.query, "params": params, "headers": headers}
                )
                content = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        world.address = f"http://127.0.0.1:{server.server_port}"
        for name, value in {"live": True, "base_url": world.address, **settings}.items():
            text = value if isinstance(value, str) else json.dumps(value)
            monkeypatch.setenv(f"SOURCES__{source.upper()}__{name.upper()}", text)
        return world

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def admitted(source: str, **asked: Any) -> dict[str, tuple[list[dict[str, Any]], Tally]]:
    """Return, for each table of a source asked for fixed days, what its door lets in."""
    described = CATALOG[source]
    doors = landings.doors_of(described, landings.REAL, landed=False)
    resources = described.declare(**asked).resources
    return {
        table: (
            [row for page in door.admit(resources[table]) for row in page.to_pylist()],
            door.tally,
        )
        for table, door in doors.items()
    }


def picked(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def doubles_nothing(source: str) -> None:
    """Land `source` from the sandbox twice."""
    first = land(source)
    assert first.origin == "bac_a_sable"
    assert first.total("new") > 0
    assert first.total("quarantined") == 0
    assert first.warnings == []
    counts = [query(f"select count(*) from raw_{source}.{table}") for table in first.tables]
    second = land(source)
    assert not second.changed
    assert [
        query(f"select count(*) from raw_{source}.{table}") for table in second.tables
    ] == counts


@pytest.fixture(scope="module")
def played() -> Iterator[str]:
    with sandbox.serve(YEAR) as url:
        yield url


# --- Facebook -------------------------------------------------------------------------------------

PAGE = {"accounts": [{"id": "1001", "departement_code": "29"}], "token": "jeton-systeme"}


def test_a_pages_day_ends_in_california(frozen: Serve) -> None:
    service = frozen("facebook", **PAGE)
    landing = land("facebook")
    assert landing.origin == "reel"
    # The day on which the clocks change there is measured to 07:00 UTC, and quarantined for a word.
    assert query(
        "select strftime(day, '%m-%d'), username, departement_code, page_follows, page_media_view"
        " from raw_facebook.page_insights order by day"
    ) == [
        ("03-07", "gend_inventee", "29", 120, 900),
        ("03-09", "gend_inventee", "29", 124, 950),
    ]
    assert query("select distinct colonne, motif from quarantaine.lignes") == [
        ("page_media_view", "n’est pas un nombre entier")
    ]
    assert query(
        "select id, strftime(created_at, '%d %H:%M'), message, shares_count, comments_count,"
        " reactions_count"
        " from raw_facebook.posts order by id desc"
    ) == [
        ("1001_3", "02 17:05", "Appelez le [telephone] ou [courriel].", 7, 12, 88),
        ("1001_2", "01 07:30", None, None, 1, 4),
    ]
    assert not any("jeton" in asked["query"] for asked in service.asked)
    assert land("facebook").changed is False


def test_a_post_never_brings_who_reacted(frozen: Serve, data: Path) -> None:
    frozen("facebook", **PAGE)
    assert land("facebook").warnings == []
    columns = query("select column_name from duckdb_columns() where table_name = 'posts'")
    assert not {("comments",), ("reactions",)} & set(columns)
    assert "Courtebotte" not in (data / "raw.duckdb").read_bytes().decode("latin-1")


def test_names_that_meta_retired_land_in_the_same_columns(frozen: Serve) -> None:
    text = (FROZEN / "facebook.json").read_text().replace("beaucoup", "910")
    old = {"page_follows": "page_fans", "page_media_view": "page_impressions", "v25.0": "v19.0"}
    for name, before in old.items():
        text = text.replace(name, before)
    service = frozen("facebook", json.loads(text), **PAGE, version="v19.0", metrics=["page_fans"])
    land("facebook")
    assert query(
        "select page_follows, page_media_view from raw_facebook.page_insights order by day"
    ) == [(120, 900), (125, 910), (124, 950)]
    assert {asked["params"].get("metric") for asked in service.asked} == {None, "page_fans"}


META = {"error": {"code": 190, "type": "OAuthException", "message": "Invalid token"}}
REFUSALS: dict[str, tuple[str, int, Any]] = {
    "facebook": ("/v25.0/1001", 400, META),
    "instagram": ("/v25.0/1001", 400, META),
    "linkedin": ("/organizations/1001", 401, {"status": 401, "code": "INVALID_ACCESS_TOKEN"}),
    "piano": ("/getData", 401, {"ErrorType": "Unauthorized"}),
    # An error is an answer like another to Matomo.
    "matomo": ("/index.php", 200, {"result": "error", "message": "provided token is invalid"}),
}


@pytest.mark.parametrize("source", REFUSALS)
def test_a_refused_key_is_said(frozen: Serve, source: str) -> None:
    path, status, said = REFUSALS[source]
    frozen(source, [{"path": path, "status": status, "answer": said}], **PAGE, sites=[1])
    with pytest.raises(LandingError, match="clé refusée") as refused:
        land(source)
    assert refused.value.transient is False


@pytest.mark.live
@pytest.mark.parametrize("source", ["facebook", "instagram", "linkedin", "piano", "matomo"])
def test_the_real_service_answers(data: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    if not os.environ.get(f"SOURCES__{source.upper()}__TOKEN"):
        pytest.skip(f"no key of {source} in the environment")
    monkeypatch.setenv(f"SOURCES__{source.upper()}__LIVE", "true")
    landing = land(source)
    assert landing.origin == "reel"
    assert landing.total("quarantined") == 0


def test_the_invented_facebook_keeps_its_contract(played: str) -> None:
    root = sandbox.settings("facebook", played)["base_url"]
    page = sandbox.settings("facebook", played)["accounts"][0]["id"]

    def ask(path: str, token: str = sandbox.TOKEN, **params: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{root}/{path}", params=params, headers=headers, timeout=30)

    assert ask(f"v25.0/{page}", token="faux").json()["error"]["code"] == 190
    own = ask(f"v25.0/{page}").json()["access_token"]
    month = {"period": "day", "since": "2026-02-01", "until": "2026-03-01"}
    # The token of the system user does not open the insights of a Page.
    assert ask(f"v25.0/{page}/insights", metric="page_follows", **month).status_code == 400
    told = ask(f"v25.0/{page}/insights", own, metric="page_follows", **month).json()["data"]
    assert [point["end_time"] for point in told[0]["values"]][::27] == [
        "2026-02-02T08:00:00+0000",
        "2026-03-01T08:00:00+0000",
    ]
    for version, metric in (("v25.0", "page_fans"), ("v19.0", "page_follows")):
        refused = ask(f"{version}/{page}/insights", own, metric=metric, **month)
        assert refused.json()["error"]["code"] == 100
    assert (
        ask(f"v19.0/{page}/insights", own, metric="page_fans", **month).json()["data"][0]["values"]
        == (told[0]["values"])
    )
    first = ask(f"v25.0/{page}/posts", own, limit="5", since="2026-02-01", until="2026-03-01")
    after = first.json()["paging"]["cursors"]["after"]
    assert "access_token" in first.json()["paging"]["next"]
    rest = ask(
        f"v25.0/{page}/posts", own, limit="100", after=after, since="2026-02-01", until="2026-03-01"
    ).json()
    assert "next" not in rest["paging"]
    assert after in rest["paging"]["cursors"]["after"] or rest["data"][0]["id"] < after


def test_facebook_lands_once(data: Path) -> None:
    doubles_nothing("facebook")


# --- Instagram ------------------------------------------------------------------------------------


def test_instagram_below_a_hundred_followers_and_days_that_meta_does_not_know(
    frozen: Serve,
) -> None:
    accounts = [{"id": "17841"}, {"id": "17842", "departement_code": "29"}]
    service = frozen("instagram")
    landed = admitted(
        "instagram",
        base_url=service.address,
        version="v25.0",
        token="jeton",
        accounts=accounts,
        metrics=["reach", "views"],
        since=date(2026, 3, 7),
        until=date(2026, 3, 10),
    )
    rows, _ = landed["accounts"]
    assert picked(rows, "id", "observed_on", "departement_code", "followers_count") == [
        ("17841", date(2026, 3, 10), None, 5120),
        ("17842", date(2026, 3, 10), "29", 42),
    ]
    rows, tally = landed["insights"]
    # In Paris the 10th begins while it is the 9th in California: the 8th is the last whole day.
    assert picked(rows, "account_id", "day", "reach", "views", "follower_count") == [
        ("17841", date(2026, 3, 7), 800, 1500, 11),
        ("17841", date(2026, 3, 8), None, None, 13),
    ]
    assert tally.rejects["colonne"].to_pylist() == ["views"]
    followers = [
        asked for asked in service.asked if asked["params"].get("metric") == "follower_count"
    ]
    assert {asked["path"] for asked in followers} == {"/v25.0/17841/insights"}
    assert not any("jeton" in asked["query"] for asked in service.asked)


def test_instagram_lands_once(data: Path) -> None:
    doubles_nothing("instagram")
    # A year and more of weekly observations, and as many days of insights as days.
    assert query("select count(*) > 100, count(distinct id) from raw_instagram.accounts") == [
        (True, 1)
    ]
    assert query(
        "select count(*) = 1 + max(day) - min(day), count(follower_count) = count(*)"
        " from raw_instagram.insights"
    ) == [(True, True)]


# --- LinkedIn -------------------------------------------------------------------------------------


def test_linkedin_counts_its_days_in_milliseconds(frozen: Serve) -> None:
    service = frozen("linkedin")
    landed = admitted(
        "linkedin",
        base_url=service.address,
        version="202603",
        token="jeton",
        accounts=[{"id": "5005"}],
        since=date(2020, 1, 1),
        until=date(2026, 3, 10),
    )
    rows, _ = landed["organizations"]
    assert picked(rows, "id", "vanity_name", "followers_count") == [
        ("5005", "gend-inventee", 219_145)
    ]
    rows, tally = landed["share_statistics"]
    names = ("day", "impression_count", "unique_impressions_count", "click_count", "engagement")
    assert picked(rows, *names) == [
        (date(2026, 3, 7), 2120, 1300, 61, 0.0472),
        (date(2026, 3, 9), 0, None, 0, 0.0),
    ]
    assert tally.rejects["colonne"].to_pylist() == ["click_count"]
    assert {asked["headers"]["linkedin-version"] for asked in service.asked} == {"202603"}
    # Twelve months at most, in a syntax that Rest.li wants bare.
    assert service.asked[-1]["query"] == (
        "q=organizationalEntity&organizationalEntity=urn%3Ali%3Aorganization%3A5005"
        "&timeIntervals=(timeRange:(start:1741564800000,end:1773014400000),"
        "timeGranularityType:DAY)"
    )


def test_linkedin_lands_once(data: Path) -> None:
    doubles_nothing("linkedin")
    assert query(
        "select count(*) = 1 + max(day) - min(day) from raw_linkedin.share_statistics"
    ) == [(True,)]


# --- Piano ----------------------------------------------------------------------------------------

MARCH = {"since": date(2026, 3, 2), "until": date(2026, 3, 4)}


def test_piano_keeps_the_visits_whose_hour_it_lost(frozen: Serve) -> None:
    service = frozen("piano")
    landed = admitted(
        "piano",
        base_url=service.address,
        token="acces_secret",
        sites=[9],
        page_filter="gendarmerie",
        **MARCH,
    )
    rows, tally = landed["visits"]
    assert picked(rows, "site_id", "site_level2", "date", "visit_hour", "m_visits") == [
        ("9", "tchat", date(2026, 3, 1), "9", 41),
        ("9", "tchat", date(2026, 3, 1), "N/A", 2),
    ]
    assert tally.rejects["colonne"].to_pylist() == ["m_visits"]
    # A metric of another name is the same one; an address typed in a page's name is not kept.
    rows, _ = landed["pages"]
    assert picked(rows, "page_full_name", "m_page_loads") == [
        ("gendarmerie::tchat", 77),
        ("gendarmerie::retour?courriel=[courriel]", 1),
    ]
    rows, _ = landed["geo"]
    assert picked(rows, "month", "geo_region", "m_visits") == [
        ("2026-03", "Auvergne-rhone-alpes", 30),
        ("2026-03", "N/A", 13),
    ]
    rows, _ = landed["means"]
    assert picked(rows, "month", "src", "device_type", "m_visits") == [
        ("2026-03", "Search engines", "Mobile Phone", 31),
        ("2026-03", "N/A", "Desktop", 12),
    ]
    assert {asked["headers"]["x-api-key"] for asked in service.asked} == {"acces_secret"}
    assert all(json.loads(asked["params"]["sort"]) for asked in service.asked)
    starts = {
        asked["params"]["columns"]: json.loads(asked["params"]["period"])["p1"][0]["start"]
        for asked in service.asked
    }
    # A month is asked whole, days are not.
    assert sorted(starts.values()) == ["2026-03-01"] * 2 + ["2026-03-02"] * 2


def test_piano_is_read_in_halves_past_its_limit(
    played: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = {"since": date(2026, 2, 1), "until": date(2026, 3, 1)}
    whole = admitted("piano", **sandbox.settings("piano", played), **days)["visits"][0]
    assert len(whole) > 1_300
    monkeypatch.setattr(piano, "ROWS_A_PAGE", 100)
    monkeypatch.setattr(piano, "ROWS_A_QUERY", 400)
    settings = sandbox.settings("piano", played)
    source = piano.piano(**settings, **days)
    pages = [page["records"] for page in source.resources["visits"]]
    assert max(map(len, pages)) == 100
    keys = ("date", "visit_hour", "site_level2", "m_visits")
    told = {tuple(str(row[key]) for key in keys) for page in pages for row in page}
    assert told == {tuple(str(row[key]) for key in keys) for row in whole}


def test_the_invented_piano_keeps_its_contract(played: str) -> None:
    root = sandbox.settings("piano", played)["base_url"]
    good = {
        "space": {"s": sandbox.settings("piano", played)["sites"]},
        "columns": ["date", "visit_hour", "site_level2", "m_visits"],
        "period": {"p1": [{"type": "D", "start": "2026-02-01", "end": "2026-02-28"}]},
        "sort": ["-m_visits"],
        "max-results": 10_000,
        "page-num": 1,
    }

    def ask(key: str = sandbox.TOKEN, **other: Any) -> requests.Response:
        headers = {"x-api-key": key}
        return requests.post(f"{root}/getData", json=good | other, headers=headers, timeout=30)

    rows = ask().json()["DataFeed"]["Rows"]
    assert "N/A" in {row["visit_hour"] for row in rows}
    assert ask("faux").status_code == 401
    for refused in ({"sort": []}, {"max-results": 10_001}, {"page-num": 21}):
        assert ask(**refused).status_code == 400


def test_piano_lands_once(data: Path) -> None:
    doubles_nothing("piano")
    assert query(
        "select count(distinct geo_region) - 1, count(*) filter (visit_hour = 'N/A') > 0"
        " from raw_piano.geo, (select any_value(visit_hour) as visit_hour from raw_piano.visits"
        " where visit_hour = 'N/A') group by visit_hour"
    ) == [(18, True)]


# --- Matomo ---------------------------------------------------------------------------------------


def test_matomo_reads_days_with_rows_one_row_or_nothing(frozen: Serve) -> None:
    service = frozen("matomo")
    settings = {"base_url": service.address, "token": "jeton", "sites": [1]}
    landed = admitted("matomo", **settings, **MARCH)
    rows, tally = landed["sites"]
    assert picked(rows, "idsite", "name", "timezone") == [(1, "Site inventé", "America/Cayenne")]
    assert not tally.unknown
    rows, tally = landed["visits"]
    assert picked(rows, "date", "nb_visits", "nb_uniq_visitors") == [(date(2026, 3, 1), 100, 90)]
    assert tally.rejects["colonne"].to_pylist() == ["nb_visits"]
    rows, tally = landed["pages"]
    assert picked(rows, "date", "label", "nb_hits", "entry_nb_visits") == [
        (date(2026, 3, 1), "/crues", 75, 20),
        (date(2026, 3, 1), "/retour?tel=[telephone]", 1, None),
    ]
    assert not tally.unknown
    assert "url" not in rows[0]
    # The key travels in the body, and nowhere else.
    assert {asked["query"] for asked in service.asked} == {""}
    assert {asked["params"]["token_auth"] for asked in service.asked} == {"jeton"}
    assert {asked["params"].get("date") for asked in service.asked} == {
        None,
        "2026-03-02,2026-03-03",
    }


def test_matomo_without_any_data_answers_a_list(frozen: Serve) -> None:
    service = frozen("matomo", [{"path": "/index.php", "answer": []}])
    settings = {"base_url": service.address, "token": "jeton", "sites": [1]}
    source = matomo.matomo(**settings, **MARCH)
    assert [page["records"] for page in source.resources["visits"]] == [[]]


def test_the_invented_matomo_keeps_its_contract(played: str) -> None:
    address = sandbox.settings("matomo", played)["base_url"] + "/index.php"
    form = {"module": "API", "format": "json", "idSite": "1", "period": "day"}
    form |= {"method": "Actions.getPageUrls", "flat": "1", "date": "2026-02-01,2026-02-02"}
    key = {"token_auth": sandbox.TOKEN}
    first = requests.post(address, data=form | key, timeout=30).json()
    assert [len(rows) for rows in first.values()] == [100, 5]
    whole = requests.post(address, data=form | key | {"filter_limit": "-1"}, timeout=30).json()
    assert [len(rows) for rows in whole.values()] == [106, 5]
    for refused in (
        requests.post(address, data=form | {"token_auth": "faux"}, timeout=30),
        requests.post(address, data=form, params=key, timeout=30),
        requests.post(address, data=form | key | {"idSite": "9"}, timeout=30),
    ):
        assert (refused.status_code, refused.json()["result"]) == (200, "error")


def test_matomo_lands_once(data: Path) -> None:
    doubles_nothing("matomo")
    # Days that the second site lost are absent, and no day is cut at a hundred pages.
    assert query(
        "select idsite, count(*) < (select count(distinct date) from raw_matomo.visits)"
        " from raw_matomo.visits group by 1 order by 1"
    ) == [(1, False), (2, True)]
    assert query(
        "select max(pages) from (select count(*) as pages from raw_matomo.pages"
        " group by idsite, date)"
    ) == [(106,)]


# --- together -------------------------------------------------------------------------------------


def test_an_event_is_felt_wherever_people_look() -> None:
    flood = next(event for event in sandbox.ledger(YEAR) if event.kind == "inondation")
    breakdown = next(event for event in sandbox.ledger(YEAR) if event.kind == "panne")

    def seen(path: str, day: date) -> int:
        (page,) = (page for page in audience.PAGES if page.path == path)
        return audience.views(YEAR.seed, YEAR.size, page, day)

    before, during = (flood.start + timedelta(days=n) for n in (-4, 2))
    assert seen("/crues", during.date()) > 5 * seen("/crues", before.date())
    day = (breakdown.start + timedelta(days=1)).date()
    assert seen("declaration", day) < 0.75 * seen("declaration", day - timedelta(days=7))
