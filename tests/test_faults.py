"""Every service has bad days: none of them loses a row, doubles one, or stops without a word."""

import gzip
import json
import signal
import subprocess
import sys
import textwrap
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import duckdb
import pytest
import requests
from conftest import ROOT
from tenacity import wait_random

from dlt_pipelines import landings, polite, sandbox, stores
from dlt_pipelines.catalog import CATALOG
from dlt_pipelines.landings import Landing, LandingError, land
from dlt_pipelines.sandbox import TOKEN, Faults, World, serve
from orchestration.faults import behind, known
from orchestration.publication import publish

pytestmark = pytest.mark.slow

SERVICES = [name for name, source in CATALOG.items() if source.has_api]
# One of each way to ask: by pages, by days, by counted hours, by reports.
USUAL = ("services_publics_plus", "jedonnemonavis", "x", "matomo")
WORLD = World(date(2026, 2, 20), date(2026, 3, 15))
# Each fault by itself and each place to die are tried on these; all services meet the storm.
CLOSELY = pytest.mark.parametrize("quiet", ["services_publics_plus", "x"], indirect=True)
# Source → a renaming that its synonyms absorb, and one that nobody foresaw.
RENAMED = {
    "services_publics_plus": (
        {"statut_de_l_experience": "statut_experience"},
        {"titre": "intitule_libre"},
    ),
    "x": ({"tweet_count": "post_count"}, {"listed_count": "lists_total"}),
}

Contents = dict[str, list[str]]


def contents(source: str) -> Contents:
    """What each table holds, whatever the order, the answer or the load that brought it."""
    with duckdb.connect(stores.raw(), read_only=True) as connection:
        return {
            table: [
                row
                for (row,) in connection.execute(
                    "select cast(landed as varchar) from (select * exclude"
                    " (_fichier, _ligne, _rang, _dlt_load_id, _origine)"
                    f" from raw_{source}.{table}) as landed order by all"
                ).fetchall()
            ]
            for table in CATALOG[source].tables
        }


@pytest.fixture(autouse=True)
def a_small_world_and_quick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "world", lambda: WORLD)
    monkeypatch.setattr(polite, "_BACK_OFF", wait_random(0, 0.05))
    monkeypatch.setenv("CYBERIMPACT_PSEUDONYM_KEY", "la même partout")


@pytest.fixture
def retries(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits before each new try, as they come."""
    waits: list[float] = []
    wait = polite._wait

    def counted(state: polite.RetryCallState) -> float:
        waits.append(wait(state))
        return waits[-1]

    monkeypatch.setattr(polite, "_wait", counted)
    return waits


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(name, marks=() if name in USUAL else pytest.mark.rare) for name in SERVICES
    ],
)
def quiet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Landing, Contents]]:
    """A source, its landing on a day without faults, and what it left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYBERIMPACT_DATA", str(tmp_path_factory.mktemp(request.param)))
        patch.setenv("CYBERIMPACT_PSEUDONYM_KEY", "la même partout")
        patch.setattr(sandbox, "world", lambda: WORLD)
        landing = land(request.param)
        held = contents(request.param)
    assert landing.total("new") == sum(map(len, held.values()))
    if not landing.total("new"):
        pytest.skip("its editions are rarer than this world is long")
    return request.param, landing, held


def suffer(monkeypatch: pytest.MonkeyPatch, faults: Faults) -> None:
    monkeypatch.setattr(sandbox, "serve", partial(serve, faults=faults))


@CLOSELY
@pytest.mark.parametrize("fault", ["limited", "broken", "slow", "cut"])
def test_a_refusal_is_waited_out(quiet, fault: str, data: Path, monkeypatch, retries) -> None:
    source, expected, held = quiet
    # Twice what an answer takes on a machine that does much else.
    monkeypatch.setattr(polite, "TIMEOUT", (5, 1.5 if fault == "slow" else 60))
    suffer(monkeypatch, Faults(**{fault: 0.1}, wait=3.0))
    landing = land(source)
    assert retries
    assert contents(source) == held
    assert landing.tables == expected.tables


@CLOSELY
@pytest.mark.parametrize("fault", ["duplicated", "reordered"])
def test_disorder_changes_nothing(quiet, fault: str, data: Path, monkeypatch) -> None:
    source, expected, held = quiet
    suffer(monkeypatch, Faults(**{fault: 1.0}))
    landing = land(source)
    assert contents(source) == held
    assert landing.total("new") == expected.total("new")
    assert (landing.total("changed"), landing.total("quarantined")) == (0, 0)
    if fault == "duplicated":
        assert landing.total("read") > expected.total("read")


def test_all_at_once_and_again_the_next_day(quiet, data: Path, monkeypatch) -> None:
    source, _, held = quiet
    storm = Faults(
        seed=7, limited=0.05, broken=0.05, slow=0.05, cut=0.05, duplicated=0.5, reordered=0.5
    )
    suffer(monkeypatch, storm)
    monkeypatch.setattr(sandbox, "world", lambda: World(WORLD.start, date(2026, 3, 8)))
    first = land(source)
    monkeypatch.setattr(sandbox, "world", lambda: WORLD)
    second = land(source)
    if CATALOG[source].keeps_history:  # what is observed depends on the days when one looks
        assert contents(source) == held
    assert first.cursor_to == second.cursor_from == "2026-03-08"
    assert second.total("quarantined") == 0


@CLOSELY
def test_an_empty_answer_is_no_failure(quiet, data: Path, monkeypatch) -> None:
    source, expected, held = quiet
    suffer(monkeypatch, Faults(emptied=1.0))
    try:
        assert land(source).total("new") < expected.total("new")
    except LandingError as refusal:  # a key that reads nothing at all is a mistake to mend
        assert not refusal.transient
        assert "clé" in str(refusal)
    if CATALOG[source].look_back >= WORLD.end - WORLD.start:
        suffer(monkeypatch, Faults())
        land(source)
        assert contents(source) == held


@CLOSELY
def test_a_letter_of_another_encoding_sets_its_row_aside(quiet, data: Path, monkeypatch) -> None:
    source, _, held = quiet
    suffer(monkeypatch, Faults(garbled=1.0))
    landing = land(source)
    now = contents(source)
    for table, rows in held.items():
        # A row is landed as it was, or set aside: never with a false letter.
        assert set(now[table]) <= set(rows)
        assert len(now[table]) + landing.tables[table].quarantined >= len(rows)
    if CATALOG[source].look_back >= WORLD.end - WORLD.start:
        suffer(monkeypatch, Faults())
        assert land(source).total("quarantined") == 0
        assert contents(source) == held


@pytest.mark.parametrize("source", RENAMED)
def test_a_renamed_field_is_absorbed_or_reported(source: str, data: Path, monkeypatch) -> None:
    absorbed, unforeseen = RENAMED[source]
    suffer(monkeypatch, Faults(renamed=absorbed))
    first = land(source)
    assert not [warning for warning in first.warnings if next(iter(absorbed.values())) in warning]
    suffer(monkeypatch, Faults(renamed=absorbed | unforeseen))
    monkeypatch.setattr(sandbox, "world", lambda: World(WORLD.start, date(2026, 3, 22)))
    second = land(source)
    assert [warning for warning in second.warnings if next(iter(unforeseen.values())) in warning]
    assert second.total("quarantined") == 0


@CLOSELY
@pytest.mark.parametrize(
    ("fault", "said", "transient"),
    [
        ("unauthorized", "clé refusée .HTTP 401.", False),
        ("broken", "en erreur .HTTP 503.", True),
        ("limited", "HTTP 429", True),
        ("cut", "sans réponse", True),
    ],
)
def test_a_service_that_is_down_says_so_and_leaves_no_trace(
    quiet, fault: str, said: str, transient: bool, data: Path, monkeypatch
) -> None:
    source, _, held = quiet
    monkeypatch.setattr(polite, "ATTEMPTS", 3)
    suffer(monkeypatch, Faults(**{fault: 1.0}))
    with pytest.raises(LandingError, match=said) as caught:
        land(source)
    assert caught.value.transient is transient
    with duckdb.connect(stores.raw(), read_only=True) as ledger:
        assert ledger.execute("select statut, curseur_a from registre.prises").fetchall() == [
            ("echec", None)
        ]
        assert ledger.execute("select count(*) from quarantaine.lignes").fetchone() == (0,)
    suffer(monkeypatch, Faults())
    land(source)
    assert contents(source) == held


def test_one_service_down_does_not_stop_the_others(data: Path, monkeypatch) -> None:
    monkeypatch.setattr(polite, "ATTEMPTS", 2)
    suffer(monkeypatch, Faults(service="x", broken=1.0))
    with pytest.raises(LandingError, match="HTTP 503"):
        land("x")
    assert land("services_publics_plus").changed


def test_every_service_says_that_it_is_down(quiet, data: Path, monkeypatch) -> None:
    monkeypatch.setattr(polite, "ATTEMPTS", 2)
    suffer(monkeypatch, Faults(broken=1.0))
    with pytest.raises(LandingError, match="HTTP 503") as caught:
        land(quiet[0])
    assert caught.value.transient
    # Dagster keeps and shows the error with all that lies behind it.
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


@CLOSELY
def test_no_wait_goes_beyond_the_time_budget(quiet, data: Path, monkeypatch) -> None:
    source = quiet[0]
    monkeypatch.setattr(polite, "ATTEMPTS", 1_000)
    suffer(monkeypatch, Faults(limited=1.0))
    started = time.monotonic()
    with pytest.raises(LandingError, match="budget de temps") as caught:
        land(source, budget=timedelta(seconds=1.5))
    assert caught.value.transient
    assert time.monotonic() - started < 6


@pytest.mark.parametrize("source", ["services_publics_plus", "avis_google", "matomo"])
def test_the_budget_stops_between_slices_and_the_next_landing_resumes(
    source: str, data: Path, monkeypatch
) -> None:
    today = datetime.now(landings.PARIS).date()
    world = World(today - timedelta(days=30), today)
    monkeypatch.setattr(sandbox, "world", lambda: world)
    land(source)
    held = contents(source)
    monkeypatch.setattr(landings, "EPOCH", world.start)
    monkeypatch.setitem(
        CATALOG,
        source,
        replace(
            CATALOG[source],
            slice=timedelta(days=12),
            look_back=timedelta(days=1),
            reach=world.end - world.start,
        ),
    )
    monkeypatch.setenv(f"SOURCES__{source.upper()}__LIVE", "true")
    with serve(world) as url:
        for name, value in sandbox.settings(source, url).items():
            text = value if isinstance(value, str) else json.dumps(value)
            monkeypatch.setenv(f"SOURCES__{source.upper()}__{name.upper()}", text)
        cursors: list[str | None] = []
        tables: set[str] = set()  # the sandbox may also drop files, for tables of their own
        while not cursors or cursors[-1] < today.isoformat():
            landing = land(source, budget=timedelta(0) if len(cursors) < 2 else timedelta(hours=1))
            assert landing.cursor_from == (cursors[-1] if cursors else None)
            cursors.append(landing.cursor_to)
            tables |= {table for table, counts in landing.tables.items() if counts.read}
    assert cursors[0] == (world.start + timedelta(days=12)).isoformat()
    assert len(cursors) == 3
    now = contents(source)
    assert tables
    assert {table: now[table] for table in tables} == {table: held[table] for table in tables}


# --- killed ---------------------------------------------------------------------------------------

# Where the process dies → what it patches so as to die there.
PLACES = {
    "extract, while rows arrive": "after(ArrowExtractor, '_write_item')",
    "extract, once all is there": "Pipeline.normalize = die",
    "normalize": "Normalize.spool_schema_files = die",
    "normalize, once done": "Pipeline.load = die",
    "load, while tables fill": "after(DuckDbCopyJob, 'run')",
    "load, committed and not marked": "Load.complete_package = die",
    "load, marked": "after(Load, 'complete_package')",
    "before the ledger": "landings._record = die",
}
TELLING = ("extract, while rows arrive", "load, committed and not marked", "before the ledger")
CHILD = """
    import os, signal
    from datetime import date
    from dlt_pipelines import landings, sandbox
    from dlt_pipelines.sandbox import World
    from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob
    from dlt.extract.extractors import ArrowExtractor
    from dlt.load.load import Load
    from dlt.normalize.normalize import Normalize
    from dlt.pipeline.pipeline import Pipeline

    def die(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)

    def after(owner, name):
        done = getattr(owner, name)
        setattr(owner, name, lambda *args, **kwargs: die(done(*args, **kwargs)))

    sandbox.world = lambda: World(date({start}), date({end}))
    {patch}
    landings.land({source!r})
"""


@pytest.mark.slow
@pytest.mark.parametrize("quiet", ["services_publics_plus"], indirect=True)
@pytest.mark.parametrize(
    "place",
    [pytest.param(place, marks=() if place in TELLING else pytest.mark.rare) for place in PLACES],
)
def test_a_landing_killed_anywhere_is_done_again_without_loss_or_double(
    quiet, place: str, data: Path
) -> None:
    source, _, held = quiet

    def killed() -> int:
        code = textwrap.dedent(CHILD).format(
            start=f"{WORLD.start:%Y, %-m, %-d}",
            end=f"{WORLD.end:%Y, %-m, %-d}",
            patch=PLACES[place],
            source=source,
        )
        return subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False
        ).returncode

    assert killed() == -signal.SIGKILL
    land(source)
    assert contents(source) == held
    with duckdb.connect(stores.raw(), read_only=True) as ledger:
        assert ledger.execute("select statut from registre.prises").fetchall() == [("ok",)]
    left = [path.name for path in (data / "dlt" / source / "normalize").iterdir()]
    assert sorted(left) == [".version", "extracted"]  # no row that was written for nothing


# --- the clock ------------------------------------------------------------------------------------


@CLOSELY
def test_a_clock_that_jumps_back_and_forth_loses_and_doubles_nothing(
    quiet, data: Path, monkeypatch
) -> None:
    source, _, held = quiet
    for day in (date(2026, 3, 8), date(2026, 3, 1), WORLD.end):
        monkeypatch.setattr(sandbox, "world", lambda day=day: World(WORLD.start, day))
        assert land(source).total("quarantined") == 0
    if CATALOG[source].keeps_history:
        assert contents(source) == held


@pytest.mark.parametrize(
    ("source", "night"), [("x", date(2026, 3, 29)), ("services_publics_plus", date(2025, 10, 26))]
)
def test_nights_of_23_and_25_hours_are_whole(source: str, night: date, data: Path, monkeypatch):
    start, end = night - timedelta(1), night + timedelta(2)
    monkeypatch.setattr(sandbox, "world", lambda: World(start, end))
    land(source)
    at_once = contents(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYBERIMPACT_DATA", str(data / "jour après jour"))
        for day in range((end - start).days):
            patch.setattr(
                sandbox, "world", lambda day=day: World(start, start + timedelta(day + 1))
            )
            land(source)
        if CATALOG[source].keeps_history:
            assert contents(source) == at_once


# --- the disk -------------------------------------------------------------------------------------


@contextmanager
def disk(folder: Path, options: str) -> Iterator[None]:
    """Mount a small disk on `folder`; skip where that is not allowed."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a disk is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_said_wherever_it_fills_and_room_is_enough(
    tmp_path: Path, monkeypatch
) -> None:
    source = "services_publics_plus"
    monkeypatch.setenv("CYBERIMPACT_DATA", str(tmp_path / "vaste"))
    land(source)
    held = contents(source)
    folder = tmp_path / "disque"
    said = []
    with disk(folder, "size=128k"):
        monkeypatch.setenv("CYBERIMPACT_DATA", str(folder))
        for kilobytes in (128, 512, 1024, 1536, 2048, 3072, 65536):
            subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", folder], check=True)
            try:
                land(source)
            except (LandingError, OSError, duckdb.Error) as error:
                said.append(behind(error))
        assert contents(source) == held
    assert 2 <= len(said) < 7
    assert all("disque est plein" in line or "vérifier la place" in line for line in said), said


@pytest.mark.parametrize("fault", ["full", "read only"])
def test_a_publication_that_the_disk_refuses_leaves_the_one_before(
    tmp_path: Path, fault: str
) -> None:
    warehouse, folder = tmp_path / "warehouse.duckdb", tmp_path / "disque"
    published, parquet = folder / "cyberimpact.duckdb", folder / "parquet"

    def build(generation: int) -> None:
        with duckdb.connect(warehouse) as connection:
            connection.execute("create schema if not exists marts")
            connection.execute(
                f"create or replace table marts.fct_essai as select {generation} as generation,"
                " md5(range::varchar) as texte from range(20_000)"
            )

    with disk(folder, "size=16m"):
        build(1)
        publish(warehouse, published, parquet)
        build(2)
        options = "remount,size=5m" if fault == "full" else "remount,ro"
        subprocess.run(["mount", "-o", options, folder], check=True)
        with pytest.raises((OSError, duckdb.Error)) as refused:
            publish(warehouse, published, parquet)
        assert known(str(refused.value)) is not None
        subprocess.run(["mount", "-o", "remount,rw,size=16m", folder], check=True)
        for relation in (f"'{parquet}/fct_essai.parquet'", "published.marts.fct_essai"):
            with duckdb.connect() as reader:
                reader.execute(f"attach '{published}' as published (read_only)")
                seen = reader.execute(f"select distinct generation from {relation}").fetchall()
            assert seen == [(1,)]
        publish(warehouse, published, parquet)
        with duckdb.connect(published, read_only=True) as reader:
            assert reader.execute("select max(generation) from marts.fct_essai").fetchall() == [
                (2,)
            ]


# --- the polite client ----------------------------------------------------------------------------

NOW = datetime(2026, 3, 15, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": "Sun, 15 Mar 2026 12:00:45 GMT"}, 45),
        ({"Retry-After": "Sun, 15 Mar 2026 11:00:00 GMT"}, 0),
        ({"Retry-After": "later"}, None),
        ({"x-rate-limit-reset": str(int(NOW.timestamp()) + 60)}, 60),
        ({"x-rate-limit-reset": str(int(NOW.timestamp()) - 60)}, 0),
        ({"X-RateLimit-Reset": "2026-03-15 12:01:00+00:00"}, 60),
        ({"X-RateLimit-Reset": "2026-03-15T12:01:00.500Z"}, 60.5),
        ({"X-RateLimit-Reset": "2026-03-15T13:01:00"}, 3660),
        ({"ratelimit-reset": "12"}, 12),
        ({"ratelimit-reset": "soon"}, None),
        ({"Retry-After": "5", "x-rate-limit-reset": "99"}, 5),
    ],
)
def test_the_wait_is_what_the_server_asks(headers: dict[str, str], seconds: float | None) -> None:
    said = requests.structures.CaseInsensitiveDict(headers)
    assert polite.asked_wait(said, NOW) == seconds


def test_a_client_error_is_not_asked_again(data: Path, retries) -> None:
    with serve(WORLD) as url:
        session = polite.Session(time.monotonic() + 10)
        assert session.get(f"{url}/x/2/users?ids=1").status_code == 401
        assert session.get(f"{url}/nowhere").status_code == 404
    assert not retries


def test_the_last_answer_is_given_to_who_asked(data: Path, monkeypatch, retries) -> None:
    monkeypatch.setattr(polite, "ATTEMPTS", 3)
    with serve(WORLD, Faults(broken=1.0)) as url:
        session = polite.Session(time.monotonic() + 30)
        assert session.get(f"{url}/x/2/users?ids=1").status_code == 503
    assert len(retries) >= 2


def test_a_wait_longer_than_the_budget_is_refused_at_once() -> None:
    session = polite.Session(time.monotonic() + 1)
    with serve(WORLD, Faults(limited=1.0)) as url:
        session.deadline = time.monotonic() - 1
        started = time.monotonic()
        with pytest.raises(polite.TimeBudgetError):
            session.get(f"{url}/x/2/users?ids=1")
        assert time.monotonic() - started < 0.5


@contextmanager
def answering(headers: dict[str, str], pieces: Callable[[], Iterator[bytes]]) -> Iterator[str]:
    """A service with one answer, sent piece by piece."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # the client has heard enough
                for piece in pieces():
                    self.wfile.write(piece)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_an_answer_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polite, "MAX_BYTES", 2**20)
    bomb = gzip.compress(bytes(2**26))
    assert len(bomb) < 2**17
    with (
        answering({"Content-Encoding": "gzip"}, lambda: iter([bomb])) as url,
        pytest.raises(polite.AnswerTooLargeError, match="plus de 1 Mo"),
    ):
        polite.Session(time.monotonic() + 10).get(url)


def test_an_answer_that_trickles_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polite, "LONGEST", 0.3)

    def drops() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 2**16
            time.sleep(0.05)

    started = time.monotonic()
    with answering({}, drops) as url, pytest.raises(polite.TimeBudgetError, match="dure plus"):
        polite.Session(started + 60).get(url)
    assert time.monotonic() - started < 4


def test_the_same_seed_gives_the_same_faults() -> None:
    def statuses(seed: int) -> list[int]:
        with serve(WORLD, Faults(seed=seed, broken=0.5)) as url:
            return [requests.get(f"{url}/nowhere", timeout=10).status_code for _ in range(20)]

    assert statuses(1) == statuses(1) != statuses(2)
    assert set(statuses(1)) == {404, 503}
