"""Social networks: a frozen answer of each, over HTTP and through the door, and the sandbox's."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import pytest

from dlt_pipelines import stores
from dlt_pipelines.landings import LandingError, land

pytestmark = pytest.mark.slow

FROZEN = Path(__file__).parent / "frozen"
TODAY = f"{datetime.now(UTC):%Y-%m-%d}"  # services that tell of now are asked for yesterday on


class Frozen:
    """A service that knows a few answers by heart: the first whose path and query agree.

    Attributes:
        answers: each with `path`, and at will `method`, `query`, `status`, `headers`, `body`.
        asked: what was asked, in order: path, parameters, headers (lower case).
    """

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.url = ""

    def answer(self, method: str, target: str, headers: dict[str, str]) -> dict[str, Any]:
        parts = urlsplit(target)
        query = {name: ",".join(values) for name, values in parse_qs(parts.query).items()}
        self.asked.append((parts.path, query, headers))
        return next(
            (
                answer
                for answer in self.answers
                if answer["path"] == parts.path
                and answer.get("method", "GET") == method
                and query.items() >= answer.get("query", {}).items()
            ),
            {"status": 404, "body": {"error": "Record not found"}},
        )

    def parameters(self, path: str, name: str) -> list[str | None]:
        return [query.get(name) for asked, query, _ in self.asked if asked == path]

    @contextmanager
    def serve(self) -> Iterator[None]:
        frozen = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                found = frozen.answer(
                    self.command, self.path, {k.lower(): v for k, v in self.headers.items()}
                )
                text = json.dumps(found["body"]).replace("{today}", TODAY)
                body = text.replace("{url}", frozen.url).encode()
                self.send_response(found.get("status", 200))
                self.send_header("Content-Length", str(len(body)))
                for name, value in found.get("headers", {}).items():
                    self.send_header(name, value.replace("{url}", frozen.url))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 – the name that http.server calls

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield
            server.shutdown()


Live = Callable[..., Frozen]


@pytest.fixture
def live(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """Switch a source to its frozen service: `live("x", base_url="{url}/2", token="clé")`."""
    open_servers = []

    def switch(source: str, **settings: Any) -> Frozen:
        frozen = Frozen(json.loads((FROZEN / f"{source}.json").read_text(encoding="utf-8")))
        server = frozen.serve()
        server.__enter__()
        open_servers.append(server)
        for name, value in {"live": "true", **settings}.items():
            text = value if isinstance(value, str) else json.dumps(value)
            text = text.replace("{url}", frozen.url).replace("{port}", frozen.url.rsplit(":")[-1])
            monkeypatch.setenv(f"SOURCES__{source.upper()}__{name.upper()}", text)
        return frozen

    yield switch
    for server in open_servers:
        server.__exit__(None, None, None)


def query(sql: str) -> list[tuple]:
    with duckdb.connect(stores.raw(), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql).fetchall()


def set_aside() -> list[tuple]:
    return query("select table_name, colonne, motif from quarantaine.lignes order by all")


def everything(source: str) -> str:
    """Return all that landed from a source, as text."""
    tables = query(f"select table_name from duckdb_tables() where schema_name = 'raw_{source}'")
    return " ".join(str(query(f"from raw_{source}.{table}")) for (table,) in tables)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["x", "mastodon", "bluesky", "youtube"])
def test_the_sandbox_lands_once_and_whole(data: Path, source: str) -> None:
    first, second = land(source), land(source)
    assert first.origin == "bac_a_sable"
    assert all(table.new > 50 for table in first.tables.values())
    assert first.total("quarantined") == 0
    assert first.warnings == []
    assert not second.changed
    # What names an author, in the invented answers of each network.
    landed = everything(source)
    assert not [sign for sign in ("demo_0", "did:plc:", "/users/") if sign in landed]


# --- x --------------------------------------------------------------------------------------------

X = {
    "base_url": "{url}/2",
    "token": "clé",
    "accounts": [{"id": "11", "departement_code": "29"}, {"id": "12"}],
    "subjects": {"crue": "crue", "calme": "calme"},
}


def test_x(live: Live) -> None:
    service = live("x", posts_per_subject="1000", **X)
    landing = land("x")
    assert landing.origin == "reel"
    assert landing.warnings == ["tweets : colonne inconnue, non reprise : « author_id »"]
    assert query(
        "select id, username, departement_code, followers_count, post_count from raw_x.users"
        " order by 1"
    ) == [
        ("11", "demo_gend_29", "29", 1200, 340),
        ("12", "demo_gend_fr", None, 90000, 5000),
    ]
    assert query("select sujet, hour(start_at), post_count from raw_x.tweet_counts order by 2") == [
        ("crue", 0, 12),
        ("crue", 1, 0),
    ]
    assert query(
        "select id, created_at at time zone 'UTC', text, repost_count, like_count, impression_count"
        " from raw_x.tweets order by 1"
    ) == [
        ("1460323737035677600", datetime(2026, 3, 1, 7), "La crue baisse", 2, 9, 310),
        (
            "1460323737035677698",
            datetime(2026, 3, 1, 8, 0, 5),
            "L'eau monte, appelez le [telephone] ou [compte], merci @Gendarmerie",
            7,
            38,
            2510,
        ),
    ]
    assert set_aside() == [
        ("tweets", "like_count", "n’est pas un nombre entier"),
        ("tweets", "repost_count", "valeur obligatoire absente"),
    ]
    assert "2244994945" not in everything("x")
    # Who wrote is not even asked; what is too old for X neither.
    search = "/2/tweets/search/recent"
    assert set(service.parameters(search, "tweet.fields")) == {"created_at,lang,public_metrics"}
    assert set(service.parameters(search, "expansions")) == {None}
    oldest = datetime.now(UTC) - timedelta(days=7)
    for since in service.parameters(search, "since_id"):
        assert since is not None
        assert (int(since) >> 22) + 1_288_834_974_657 > oldest.timestamp() * 1000
    assert {headers["authorization"] for _, _, headers in service.asked} == {"Bearer clé"}
    again = land("x")
    assert again.total("new") == 0
    assert not again.tables["tweets"].changed


def test_x_stops_paying_at_the_bound(live: Live) -> None:
    service = live("x", posts_per_subject="100", **X)
    land("x")
    assert service.parameters("/2/tweets/search/recent", "next_token") == [None, None]


# --- mastodon -------------------------------------------------------------------------------------

MASTODON = {
    "instances": ["{url}", "http://localhost:{port}/b"],
    "accounts": [
        {"acct": "gendarmerie@demo.example", "departement_code": "29"},
        {"acct": "ferme@demo.example"},
    ],
    "subjects": {"inondation": ["crue", "inondation", "submersion"], "rumeur": ["jamaisvu"]},
}


def test_mastodon(live: Live) -> None:
    service = live("mastodon", tokens={"127.0.0.1:{port}": "clé"}, **MASTODON)
    landing = land("mastodon")
    assert landing.origin == "reel"
    assert landing.warnings == ["statuses : colonne inconnue, non reprise : « a_new_field »"]
    assert query(
        "select acct, display_name, departement_code, followers_count, statuses_count"
        " from raw_mastodon.accounts"
    ) == [("gendarmerie@demo.example", "Gendarmerie (inventée)", "29", 322930, 61323)]
    day = datetime.fromisoformat(TODAY)
    assert query(
        "select sujet, created_at at time zone 'UTC', language, text, replies_count,"
        " reblogs_count, favourites_count, quotes_count from raw_mastodon.statuses order by 2"
    ) == [
        ("inondation", day + timedelta(minutes=10), None, "Sans paragraphe", 0, 1, 0, None),
        (
            "inondation",
            day + timedelta(minutes=20, seconds=33, milliseconds=901),
            "fr",
            "L'eau monte & [compte] reste\nau [telephone]\n\n#crue",
            5,
            6,
            11,
            2,
        ),
    ]
    assert set_aside() == [
        ("statuses", "reblogs_count", "n’est pas un nombre entier"),
        ("statuses", "reblogs_count", "valeur obligatoire absente"),
    ]
    assert query(
        "select instance, name, cast(day as text), uses, accounts from raw_mastodon.trending_tags"
        " order by day"
    ) == [
        ("demo.example", "crue", "2026-02-28", 0, 0),
        ("demo.example", "crue", "2026-03-01", 13, 10),
    ]
    # The link forgets the other hashtags, and the page that goes back before yesterday is the last.
    timeline = "/api/v1/timelines/tag/crue"
    assert service.parameters(timeline, "any[]") == ["inondation,submersion"] * 2
    assert service.parameters(timeline, "max_id")[1] == "103270115826048975"
    # Neither author, nor address, nor token where it is not its own.
    assert "invente" not in everything("mastodon").replace("(inventée)", "")
    sent = {
        (path.startswith("/b/"), headers.get("authorization")) for path, _, headers in service.asked
    }
    assert sent == {(False, "Bearer clé"), (True, None)}
    assert land("mastodon").total("new") == 0


# --- bluesky --------------------------------------------------------------------------------------

BLUESKY = {
    "base_url": "{url}",
    "identifier": "veille.example",
    "app_password": "clé",
    "accounts": [{"actor": "gend-29.example", "departement_code": "29"}],
    "subjects": {"inondation": ["crue", "submersion"], "rumeur": ["ancien", "calme"]},
}


def test_bluesky(live: Live) -> None:
    service = live("bluesky", **BLUESKY)
    landing = land("bluesky")
    assert landing.origin == "reel"
    assert landing.warnings == ["posts : colonne inconnue, non reprise : « pinned_by »"]
    assert query(
        "select did, handle, display_name, departement_code, followers_count, posts_count"
        " from raw_bluesky.profiles"
    ) == [
        (
            "did:plc:gend29",
            "gend-29.example",
            "Gendarmerie du Finistère (inventée)",
            "29",
            1500,
            210,
        )
    ]
    assert query(
        "select sujet, indexed_at at time zone 'UTC', created_at, langs, text, repost_count,"
        " like_count, quote_count from raw_bluesky.posts order by 2"
    ) == [
        (
            "rumeur",
            datetime(2026, 3, 1, 9, 0, 1),
            "2026-03-01T09:00:00.000Z",
            None,
            "Par la première version",
            0,
            1,
            None,
        ),
        # The clock of its author is two thousand years late: the post is dated all the same.
        (
            "inondation",
            datetime(2026, 3, 1, 10, 0, 1),
            "0001-01-01T00:00:00.000Z",
            "fr,br",
            "L'eau monte, [compte], écrire à [courriel]",
            1,
            2,
            0,
        ),
    ]
    assert set_aside() == [
        ("posts", "repost_count", "n’est pas un nombre entier"),
        ("posts", "repost_count", "valeur obligatoire absente"),
    ]
    assert "invente" not in everything("bluesky").replace("(inventée)", "")
    # One session for both tables; the second version of the search is tried once, then left.
    paths = [path.rpartition(".")[2] for path, _, _ in service.asked]
    assert paths.count("createSession") == 1
    assert paths.count("searchPostsV2") == 4
    assert {
        headers.get("authorization") for path, _, headers in service.asked if "app.bsky" in path
    } == {"Bearer jeton"}
    assert land("bluesky").total("new") == 0


# --- youtube --------------------------------------------------------------------------------------

YOUTUBE = {
    "base_url": "{url}/v3",
    "key": "clé",
    "accounts": [{"id": "UC1"}, {"id": "UC2", "departement_code": "29"}, {"id": "UC3"}],
}


def test_youtube(live: Live) -> None:
    service = live("youtube", **YOUTUBE)
    landing = land("youtube")
    assert (landing.origin, landing.warnings) == ("reel", [])
    assert query(
        "select id, title, custom_url, departement_code, subscriber_count,"
        " hidden_subscriber_count, view_count, video_count from raw_youtube.channels order by 1"
    ) == [
        ("UC1", "Gendarmerie (inventée)", "@gend_inventee", None, 45600, "false", 1234567, 312),
        ("UC2", "Gendarmerie du Finistère (inventée)", None, "29", None, "true", 98, 1),
    ]
    assert query(
        "select id, channel_id, published_at at time zone 'UTC', title, view_count, like_count,"
        " comment_count from raw_youtube.videos order by 1"
    ) == [
        ("v1", "UC1", datetime(2026, 3, 1, 10), "Arnaques : les réflexes", 1500, 40, 12),
        ("v51", "UC1", datetime(2026, 2, 1, 10), "Commentaires fermés", 7, 2, None),
    ]
    assert set_aside() == [
        ("videos", "view_count", "n’est pas un nombre entier"),
        ("videos", "view_count", "valeur obligatoire absente"),
    ]
    # Fifty ids a call, a few units in all, no search, and the key in no URL.
    batches = service.parameters("/v3/videos", "id")
    assert [batch.count(",") + 1 for batch in batches if batch] == [50, 3]
    assert len(service.asked) == 7
    assert not any("key" in parameters for _, parameters, _ in service.asked)
    assert {headers["x-goog-api-key"] for _, _, headers in service.asked} == {"clé"}
    assert land("youtube").total("new") == 0


def test_youtube_calls_a_wrong_key_a_bad_request_and_a_spent_quota_forbidden(live: Live) -> None:
    service = live("youtube", **YOUTUBE)
    said = {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}
    service.answers = [{"path": "/v3/channels", "status": 400, "body": said}]
    with pytest.raises(LandingError, match="clé refusée") as caught:
        land("youtube")
    assert not caught.value.transient
    spent = {"error": {"code": 403, "errors": [{"reason": "quotaExceeded"}]}}
    service.answers = [{"path": "/v3/channels", "status": 403, "body": spent}]
    asked = len(service.asked)
    with pytest.raises(LandingError, match="relancer plus tard") as caught:
        land("youtube")
    assert caught.value.transient
    assert len(service.asked) == asked + 1


# --- what they share ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "settings"),
    [("x", X | {"posts_per_subject": "1"}), ("mastodon", MASTODON), ("bluesky", BLUESKY)],
)
def test_a_refused_key_is_said_in_plain_words(
    live: Live, source: str, settings: dict[str, Any]
) -> None:
    service = live(source, **settings)
    service.answers = [{**answer, "status": 401} for answer in service.answers]
    with pytest.raises(LandingError, match="clé refusée") as caught:
        land(source)
    assert not caught.value.transient


def test_a_wait_asked_in_words_of_the_clock_is_waited(live: Live) -> None:
    service = live("mastodon", **MASTODON)
    reset = datetime.now(UTC) + timedelta(seconds=2)
    calm = service.answers
    refusal = {
        "path": "/api/v1/timelines/tag/crue",
        "status": 429,
        "headers": {"X-RateLimit-Reset": f"{reset:%Y-%m-%dT%H:%M:%S.%fZ}"},
        "body": {"error": "Too many requests"},
    }

    def hurried(method: str, target: str, headers: dict[str, str]) -> dict[str, Any]:
        service.answers = calm if datetime.now(UTC) > reset else [refusal, *calm]
        return answer(method, target, headers)

    answer, service.answer = service.answer, hurried  # type: ignore[method-assign]
    assert land("mastodon").tables["statuses"].new == 2
    refused = service.parameters("/api/v1/timelines/tag/crue", "max_id")
    assert len(refused) == 3  # refused once, then two pages


# --- the real services ----------------------------------------------------------------------------


@pytest.mark.live
@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("x", "SOURCES__X__TOKEN"),
        ("mastodon", "SOURCES__MASTODON__TOKENS"),
        ("bluesky", "SOURCES__BLUESKY__APP_PASSWORD"),
        ("youtube", "SOURCES__YOUTUBE__KEY"),
    ],
)
def test_the_real_service(data: Path, source: str, key: str, monkeypatch: Any) -> None:
    if not os.environ.get(key):
        pytest.skip(f"{key} is not in the environment")
    monkeypatch.setenv(f"SOURCES__{source.upper()}__LIVE", "true")
    landing = land(source)
    assert landing.origin == "reel"
    assert landing.total("read") > 0
    assert landing.total("quarantined") == 0
