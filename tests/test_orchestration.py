"""The orchestration: lineage, publication under readers, one writer, sensor, command line."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import duckdb
import pytest
from test_alerts import World, free_port

from dlt_pipelines import stores
from orchestration import marks, publication, runs, site
from orchestration.faults import explain

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable


# ---- lineage --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = str(tmp_path_factory.mktemp("data"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYBERIMPACT_DATA", folder)
        from orchestration import definitions

        yield definitions


@pytest.fixture(scope="module")
def graph(definitions: ModuleType) -> Any:
    return definitions.defs.resolve_asset_graph()


def downstream(graph: Any, key: dg.AssetKey) -> set[dg.AssetKey]:
    reached: set[dg.AssetKey] = set()
    ahead = {key}
    while ahead:
        reached |= ahead
        ahead = {child for parent in ahead for child in graph.get(parent).child_keys} - reached
    return reached


@pytest.mark.parametrize(
    "key",
    [
        "exterieur/perceval",
        "perceval/nb_report_day",
        "services_publics_plus/experiences",
        "x/users",
        "staging/stg_perceval__signalements_quotidiens",
        "intermediate/int_avis__unioned",
        "marts/fct_avis",
        "marts/ref_structures",
        "seeds/taxo_menaces",
        "published/cyberimpact",
        "reports/index",
    ],
)
def test_asset_is_there_under_its_name(graph: Any, key: str) -> None:
    assert graph.has(dg.AssetKey(key.split("/")))


def test_one_graph_leads_from_every_outside_system_to_the_pages(graph: Any) -> None:
    outside = [key for key in graph.get_all_asset_keys() if key.path[0] == "exterieur"]
    pages = {key for key in graph.get_all_asset_keys() if key.path[0] == "reports"}
    assert outside and pages
    for system in outside:
        assert dg.AssetKey(["published", "cyberimpact"]) in downstream(graph, system)
        assert pages <= downstream(graph, system)


def test_every_raw_table_is_a_dbt_source_and_the_reverse(graph: Any) -> None:
    from orchestration.assets import MANIFEST

    landed = {
        tuple(key.path) for key in graph.get_all_asset_keys() if graph.get(key).group_name == "raw"
    }
    read = {(source["source_name"], source["name"]) for source in MANIFEST["sources"].values()}
    assert landed == read


def test_everything_that_writes_waits_in_a_pool(definitions: ModuleType) -> None:
    for asset in definitions.defs.resolve_asset_graph().assets_defs:
        if asset.is_executable:
            apart = {"site": "site_builder", "alertes": "alerts_sender"}
            wanted = apart.get(asset.op.name, "duckdb_writer")
            assert asset.op.pools == {wanted}, asset.op.name


def test_alerts_come_after_the_publication_and_nothing_waits_for_them(graph: Any) -> None:
    sent = dg.AssetKey(["alertes", "envois"])
    assert sent in downstream(graph, dg.AssetKey(["published", "cyberimpact"]))
    assert downstream(graph, sent) == {sent}


def test_a_faulty_subscription_or_a_dead_channel_warns_and_fails_no_run(
    definitions: ModuleType, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration import alerts
    from orchestration.assets import alerts_asset

    def run() -> dict[str, bool]:
        living = dg.ResourceDefinition.none_resource()
        result = dg.materialize([alerts_asset], resources={"living_run": living})
        assert result.success
        checks = result.get_asset_check_evaluations()
        assert {check.severity for check in checks} == {dg.AssetCheckSeverity.WARN}
        return {check.check_name: check.passed for check in checks}

    assert run() == {"alert_channels_are_up": True, "subscriptions_are_right": True}
    world = World(data, datetime.now(UTC))
    monkeypatch.setenv("SALON", f"json://127.0.0.1:{free_port()}/secret")
    world.subscribe('nom = "Salon"', 'canaux = ["SALON"]')
    world.signal("s1")
    world.subscribe('nom = "Fausse"', 'canaux = ["SALON"]', 'sujets = ["inconnu"]')
    assert not run()["subscriptions_are_right"]
    world.signal("s2")
    assert run() == {"alert_channels_are_up": False, "subscriptions_are_right": False}
    alerts.path().write_bytes(b"ceci n'est pas un journal" * 100)
    assert not run()["alert_channels_are_up"]


def test_jobs_and_schedule(definitions: ModuleType) -> None:
    for name in ("refresh_all", "land_all", "rebuild", "build_site", "purge", "send_alerts"):
        assert definitions.defs.resolve_job_def(name).executor_def.name == "in_process"
    schedule = definitions.defs.resolve_schedule_def("daily_refresh_all")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 5 * * *", "Europe/Paris")
    # What is purged is made again by the refresh that follows, and by no refresh asked by hand.
    schedule = definitions.defs.resolve_schedule_def("daily_purge")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 5 * * *", "Europe/Paris")
    steps = definitions.defs.resolve_job_def("refresh_all").graph.node_dict
    assert "registre__purges" not in steps
    assert "publication" in steps


def test_a_source_grows_stale_after_its_own_delay(graph: Any) -> None:
    from dlt_pipelines.catalog import CATALOG

    policy = graph.get(dg.AssetKey(["x", "users"])).freshness_policy
    assert policy.warn_window.to_timedelta() == CATALOG["x"].max_age


# ---- publication ----------------------------------------------------------------------------


class Stores:
    def __init__(self, folder: Path) -> None:
        self.warehouse = folder / "warehouse.duckdb"
        self.published = folder / "published" / "cyberimpact.duckdb"
        self.parquet = folder / "published" / "parquet"

    def build(self, generation: int, rows: int = 1000) -> None:
        """Write two marts that must always be read with one and the same generation."""
        with duckdb.connect(str(self.warehouse)) as connection:
            connection.execute("create schema if not exists marts")
            for mart in ("fct_avis", "fct_comptes"):
                connection.execute(
                    f"create or replace table marts.{mart} as"
                    f" select {generation} as generation, date '2026-01-01' as jour, i as avis_id"
                    f" from range({rows}) as numbers(i)"
                )

    def publish(self, **options: Any) -> dict[str, int]:
        return publication.publish(self.warehouse, self.published, self.parquet, **options)

    def seen_by_a_new_reader(self) -> list[Any]:
        query = "select distinct generation from marts.fct_avis"
        code = (
            "import duckdb, json, sys;"
            "print(json.dumps(duckdb.connect(sys.argv[1], read_only=True)"
            ".execute(sys.argv[2]).fetchall()))"
        )
        command = [PYTHON, "-c", code, str(self.published), query]
        return list(json.loads(subprocess.check_output(command)))


@pytest.fixture
def shelf(tmp_path: Path) -> Stores:
    made = Stores(tmp_path)
    made.build(1)
    return made


def test_publication_holds_the_marts_alone_with_types_and_descriptions(shelf: Stores) -> None:
    with duckdb.connect(str(shelf.warehouse)) as connection:
        connection.execute("create schema staging")
        connection.execute("create table staging.stg_secret as select 1 as a")
    described = {"fct_avis": ("Une ligne par avis, dit l'usager.", {"jour": "Jour de l'avis."})}
    assert shelf.publish(descriptions=described) == {"fct_avis": 1000, "fct_comptes": 1000}
    with duckdb.connect(str(shelf.published), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name, table_name, comment from duckdb_tables() order by all"
        ).fetchall()
        columns = connection.execute(
            "select data_type, comment from duckdb_columns()"
            " where table_name = 'fct_avis' and column_name = 'jour'"
        ).fetchall()
        storage = connection.execute(
            "select tags['storage_version'] from duckdb_databases()"
            " where database_name = current_database()"
        ).fetchall()
    assert [table for table in tables if table[1] not in publication.OF_ITSELF] == [
        ("marts", "fct_avis", "Une ligne par avis, dit l'usager."),
        ("marts", "fct_comptes", ""),
    ]
    assert columns == [("DATE", "Jour de l'avis.")]
    assert "v1.2" in storage[0][0]
    for mart in ("fct_avis", "fct_comptes"):
        assert duckdb.read_parquet(str(shelf.parquet / f"{mart}.parquet")).shape == (1000, 3)


def test_the_publication_lists_itself_whole_from_its_own_comments(shelf: Stores) -> None:
    described = {"fct_avis": ("Une ligne par avis, dit l'usager.", {"jour": "Jour de l'avis."})}
    failed = publication.Verdict("unique_avis", "marts.fct_avis", "Unique", True, False, 3)
    shelf.publish(descriptions=described, verdicts=[failed])
    with duckdb.connect(str(shelf.published), read_only=True) as connection:
        there = connection.execute("select table_name from duckdb_tables() order by 1").fetchall()
        listed = dict(
            connection.execute("select table_name, lignes_count from marts.ref_tables").fetchall()
        )
        counted = {
            table: connection.execute(f"select count(*) from marts.{table}").fetchone()[0]
            for (table,) in there
        }
        told = connection.execute(
            "select type, description from marts.ref_colonnes"
            " where table_name = 'fct_avis' and colonne = 'jour'"
        ).fetchall()
        undescribed = connection.execute(
            "select colonne from marts.ref_colonnes where description = ''"
            " and table_name not in ('fct_avis', 'fct_comptes')"
        ).fetchall()
        checks = connection.execute("from marts.fct_controles").fetchall()
    assert listed == counted
    assert told == [("DATE", "Jour de l'avis.")]
    assert undescribed == []
    assert checks == [("unique_avis", "marts.fct_avis", "Unique", True, False, 3)]
    for format in ("parquet", "csv"):
        folder = shelf.parquet.with_name(format)
        assert {file.stem for file in folder.iterdir()} == set(listed)
        for file in folder.iterdir():
            rows = duckdb.sql(f"select count(*) from '{file}'").fetchone()
            assert rows == (listed[file.stem],), file.name


def test_a_text_that_a_spreadsheet_would_compute_is_inert_in_csv(shelf: Stores) -> None:
    with duckdb.connect(str(shelf.warehouse)) as connection:
        connection.execute(
            "create or replace table marts.fct_avis as"
            " select '=1+1' as titre, -3 as note union all select 'sans danger', 4"
        )
    shelf.publish()
    written = (shelf.parquet.with_name("csv") / "fct_avis.csv").read_text("utf-8")
    assert sorted(written.splitlines()) == ["'=1+1,-3", "sans danger,4", "titre,note"]
    kept = duckdb.read_parquet(str(shelf.parquet / "fct_avis.parquet")).fetchall()
    assert ("=1+1", -3) in kept


def test_a_reader_keeps_the_file_it_opened_and_the_next_gets_the_new_one(shelf: Stores) -> None:
    shelf.publish()
    with duckdb.connect(str(shelf.published), read_only=True) as reader:
        shelf.build(2)
        shelf.publish()
        seen = reader.execute("select distinct generation from marts.fct_avis").fetchall()
    assert seen == [(1,)]
    assert shelf.seen_by_a_new_reader() == [[2]]


READER = """
import duckdb, pathlib, sys
published, parquet, stop = sys.argv[1:]
reads = 0
while not pathlib.Path(stop).exists():
    with duckdb.connect(published, read_only=True) as connection:
        seen = connection.execute(
            "select distinct generation from marts.fct_avis union select distinct generation"
            " from marts.fct_comptes"
        ).fetchall()
    assert len(seen) == 1, seen
    files = duckdb.execute(f"select count(*) from '{parquet}/fct_avis.parquet'").fetchall()
    assert files == [(1000,)], files
    reads += 1
print(reads)
"""


@pytest.mark.slow
def test_readers_meet_no_error_while_publications_follow_each_other(
    shelf: Stores, tmp_path: Path
) -> None:
    shelf.publish()
    stop = tmp_path / "stop"
    command = [PYTHON, "-c", READER, str(shelf.published), str(shelf.parquet), str(stop)]
    readers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for generation in range(2, 22):
        shelf.build(generation)
        shelf.publish()
        time.sleep(0.05)
    stop.touch()
    outcomes = [reader.communicate(timeout=30) for reader in readers]
    assert [error for _, error in outcomes] == [""] * 4
    assert all(int(reads) > 5 for reads, _ in outcomes)


def test_only_the_marts_that_changed_are_written_again(shelf: Stores) -> None:
    described = {"fct_avis": ("Une ligne par avis.", {}), "fct_comptes": ("Une par compte.", {})}
    shelf.publish(descriptions=described)
    files = {path.name: path.stat().st_ino for path in shelf.parquet.iterdir()}
    shelf.build(2, rows=500)
    with duckdb.connect(str(shelf.published), read_only=True) as reader:
        assert shelf.publish(descriptions=described, only=["fct_avis"]) == {"fct_avis": 500}
        old = reader.execute("select max(generation), count(*) from marts.fct_avis").fetchall()
    assert old == [(1, 1000)]
    with duckdb.connect(str(shelf.published), read_only=True) as connection:
        assert connection.execute(
            "select (select max(generation) from marts.fct_avis),"
            " (select max(generation) from marts.fct_comptes)"
        ).fetchall() == [(2, 1)]
        told = connection.execute(
            "select table_name, description, lignes_count from marts.ref_tables"
            " where table_name like 'fct_a%' or table_name like 'fct_com%' order by 1"
        ).fetchall()
    assert told == [
        ("fct_avis", "Une ligne par avis.", 500),
        ("fct_comptes", "Une par compte.", 1000),
    ]
    assert duckdb.read_parquet(str(shelf.parquet / "fct_avis.parquet")).shape == (500, 3)
    now = {path.name: path.stat().st_ino for path in shelf.parquet.iterdir()}
    shared = {name for name, inode in files.items() if now[name] == inode}
    assert shared == {"fct_comptes.parquet", "fct_controles.parquet", "ref_colonnes.parquet"}
    # The next whole one takes all from the warehouse.
    assert shelf.publish(descriptions=described) == {"fct_avis": 500, "fct_comptes": 500}


def test_an_emptied_mart_stops_the_publication_unless_its_source_is_empty(shelf: Stores) -> None:
    shelf.publish()
    before = publication.content(shelf.published)
    shelf.build(2, rows=0)
    with pytest.raises(publication.PublicationError, match=r"fct_avis, fct_comptes.*Remède"):
        shelf.publish()
    assert publication.content(shelf.published) == before
    assert (shelf.parquet / "fct_avis.parquet").exists()
    assert shelf.publish(may_be_empty={"fct_avis", "fct_comptes"}) == {
        "fct_avis": 0,
        "fct_comptes": 0,
    }


def test_a_copy_that_differs_is_never_published(
    shelf: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.publish()
    shelf.build(2)
    copy = publication._copy

    def lossy(warehouse: Path, staging: Path, *rest: Any) -> dict[str, int]:
        rows = copy(warehouse, staging, *rest)
        with duckdb.connect(str(staging / publication.DUCKDB)) as connection:
            connection.execute("delete from marts.fct_comptes where avis_id = 0")
        return rows

    monkeypatch.setattr(publication, "_copy", lossy)
    with pytest.raises(publication.PublicationError, match="fct_comptes"):
        shelf.publish()
    assert shelf.seen_by_a_new_reader() == [[1]]
    assert not (shelf.published.parent / ".staged").exists()


def test_an_empty_warehouse_is_not_published(shelf: Stores) -> None:
    with duckdb.connect(str(shelf.warehouse)) as connection:
        connection.execute("drop schema marts cascade")
    with pytest.raises(publication.PublicationError, match="aucune table"):
        shelf.publish()
    assert not shelf.published.exists()


def test_content_changes_with_a_value_and_with_nothing_else(shelf: Stores) -> None:
    shelf.publish()
    first = publication.content(shelf.published)
    shelf.publish()
    assert publication.content(shelf.published) == first
    shelf.build(2)
    shelf.publish()
    assert publication.content(shelf.published) != first


# ---- only what changed ----------------------------------------------------------------------


def test_a_mark_stands_for_the_same_work_on_products_left_as_they_were(data: Path) -> None:
    product, folder = data / "cyberimpact.duckdb", data / "parquet"
    folder.mkdir()
    for path in (product, folder / "a.parquet", folder / "b.parquet"):
        path.write_text("entier")
    products = product, folder

    def note(made_from: str | None = "abc") -> Any:
        return marks.get("publication", made_from, *products)

    marks.put("publication", "abc", [1], *products)
    assert note() == [1]
    assert note("abd") is None
    product.write_text("ent")
    assert note() is None
    marks.put("publication", "abc", [1], *products)
    (folder / "b.parquet").unlink()
    assert note() is None
    marks.put("publication", "abc", [1], *products)
    product.unlink()
    assert note() is None
    marks.forget("publication")
    assert note(marks.made_from("publication")) is None


def test_an_unreadable_publication_is_replaced(shelf: Stores) -> None:
    shelf.publish()
    os.truncate(shelf.published, 5000)
    shelf.publish()
    assert shelf.seen_by_a_new_reader() == [[1]]


def test_files_are_known_by_name_and_content(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.sql").write_text("select 1")
    first = marks.files(tmp_path)
    (tmp_path / "models" / "a.sql").rename(tmp_path / "models" / "b.sql")
    renamed = marks.files(tmp_path)
    (tmp_path / "models" / "b.sql").write_text("select 2")
    assert len({first, renamed, marks.files(tmp_path)}) == 3


# ---- site ------------------------------------------------------------------------------------

SITE_STEP = """
import pathlib, sys
from orchestration import site
work = pathlib.Path(sys.argv[1])
(work / "node_modules/.bin").mkdir(parents=True)
site._run("pages", ["sh", "-c", "sleep 300 & echo $! > child; wait"], work, print)
"""


def test_a_swap_sweeps_what_a_killed_one_left(data: Path) -> None:
    for folder in ("built", "downloads", "site-killed", "reports"):
        (data / folder).mkdir()
    (data / "site-killed-link").symlink_to("site-killed")
    (data / "built/index.html").write_text("un site")
    for _ in range(2):
        site._swap(data / "built", stores.site(), data / "downloads")
        assert (stores.site() / "index.html").read_text() == "un site"
        assert [path.resolve() for path in data.glob("site-*")] == [stores.site().resolve()]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_tools_of_the_site_die_with_the_build(tmp_path: Path, number: signal.Signals) -> None:
    build = subprocess.Popen(
        [PYTHON, "-c", SITE_STEP, str(tmp_path)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    child = tmp_path / "child"
    while not child.exists() or not child.read_text():
        assert build.poll() is None
        time.sleep(0.1)
    build.send_signal(number)
    build.wait(timeout=120)
    state = Path("/proc", child.read_text().strip(), "stat")
    deadline = time.monotonic() + 60  # the guard is a Python that a busy machine starts late
    with suppress(FileNotFoundError, ProcessLookupError):
        while state.read_text().split()[2] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.1)


# ---- sensor ---------------------------------------------------------------------------------


def test_the_depot_asks_for_one_refresh_per_change(data: Path, definitions: ModuleType) -> None:
    sensor = definitions.depot_has_new_files

    def look(cursor: str | None) -> Any:
        return sensor(dg.build_sensor_context(cursor=cursor))

    def drop(name: str, content: str, seconds_ago: int) -> None:
        path = data / "depot" / "perceval" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (time.time() - seconds_ago,) * 2)

    assert not look(None).run_requests
    drop("janvier.json", "{}", seconds_ago=60)
    first = look(None)
    assert len(first.run_requests) == 1
    assert not look(first.cursor).run_requests
    drop("fevrier.json", "{", seconds_ago=0)  # half written
    drop(".janvier.json.part", "{", seconds_ago=60)
    assert not look(first.cursor).run_requests
    drop("fevrier.json", "{}", seconds_ago=60)
    second = look(first.cursor)
    assert len(second.run_requests) == 1
    assert second.run_requests[0].run_key != first.run_requests[0].run_key
    (data / "depot" / "perceval" / "janvier.json").unlink()
    assert not look(second.cursor).run_requests


# ---- runs -----------------------------------------------------------------------------------

LAND = """
import sys, dagster as dg
from dlt_pipelines.catalog import CATALOG
from orchestration.definitions import defs
from orchestration.runs import open_instance
with open_instance() as instance:
    result = defs.resolve_job_def("land_all").execute_in_process(
        instance=instance,
        asset_selection=[
            dg.AssetKey([name, table])
            for name in ("perceval", "ssmsi", "structures") for table in CATALOG[name].tables
        ],
        raise_on_error=False,
    )
sys.exit(not result.success)
"""


def launch() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [PYTHON, "-c", LAND],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.rare
def test_two_runs_started_together_queue_and_both_succeed(data: Path) -> None:
    both = [launch(), launch()]
    outputs = [run.communicate(timeout=600)[0] for run in both]
    assert [run.returncode for run in both] == [0, 0], outputs
    spans = []
    with dg.DagsterInstance.get() as instance:
        assert len(instance.get_runs()) == 2
        for run in instance.get_runs():
            for step in instance.get_run_step_stats(run.run_id):
                spans.append((step.start_time, step.end_time))
    spans.sort()
    assert all(ended <= started for (_, ended), (started, _) in pairwise(spans))


@pytest.mark.slow
def test_a_killed_run_gives_its_place_back(data: Path) -> None:
    killed = launch()
    lock = data / "dagster" / "en_cours"
    for _ in range(3000):
        time.sleep(0.1)
        if list(lock.glob("*.lock")) and (data / "raw.duckdb").exists():
            break
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    with dg.DagsterInstance.get() as instance:
        (before,) = instance.get_runs()
        held = instance.event_log_storage.get_concurrency_info("duckdb_writer")
        assert held.active_run_ids == {before.run_id}
    after = launch()
    assert after.wait(timeout=600) == 0
    with dg.DagsterInstance.get() as instance:
        assert instance.get_run_by_id(before.run_id).status is dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]
        held = instance.event_log_storage.get_concurrency_info("duckdb_writer")
        assert held.active_run_ids == set()
    assert list(lock.iterdir()) == []


def claim(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.event_log_storage.initialize_concurrency_limit_to_default("duckdb_writer")
    slot = instance.event_log_storage.claim_concurrency_slot("duckdb_writer", run_id, "perceval")
    assert slot.is_claimed


def held_by(instance: dg.DagsterInstance) -> set[str]:
    return instance.event_log_storage.get_concurrency_info("duckdb_writer").active_run_ids


def test_a_run_without_a_lock_is_dead_even_if_its_file_is_gone(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "SECONDS_TO_BE_DEAD", 0.1)

    @dg.job
    def nothing() -> None: ...

    with runs.open_instance() as instance:
        run = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)
        for run_id in (run.run_id, "inconnu"):
            claim(instance, run_id)
            assert run_id in runs.close_dead_runs(instance)
            assert held_by(instance) == set()
        closed = instance.get_run_by_id(run.run_id)
        assert closed and closed.status is dg.DagsterRunStatus.FAILURE
        with runs._holding("vivant"):
            claim(instance, "vivant")
            assert runs.close_dead_runs(instance) == []
            assert held_by(instance) == {"vivant"}


def test_a_lock_outlives_slots_that_could_not_be_freed(data: Path) -> None:
    with pytest.raises(OSError), runs._holding("plein"):
        raise OSError("disk I/O error")
    assert (data / "dagster" / "en_cours" / "plein.lock").exists()
    assert not runs._is_held("plein")


@pytest.mark.slow
def test_a_waiting_build_names_the_run_it_waits_for_and_can_be_stopped(data: Path) -> None:
    with runs.open_instance() as instance, runs._holding("occupant"):
        claim(instance, "occupant")
        stopped = {
            number: subprocess.Popen(
                [PYTHON, "-m", "orchestration", "build"],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            for number, build in stopped.items():
                assert build.stdout
                said = next(line for line in build.stdout if "attend la fin" in line)
                assert "run occupant" in said
                build.send_signal(number)
                assert build.wait(timeout=20) == 130
        finally:
            for build in stopped.values():
                build.kill()
        assert held_by(instance) == {"occupant"}


HOME = """
import os, time
from orchestration.runs import open_instance
time.sleep(max(0, float(os.environ["START"]) - time.time()))
with open_instance() as instance:
    instance.get_runs()
"""


@pytest.mark.slow
def test_processes_that_create_dagster_home_together_do_not_spoil_it(data: Path) -> None:
    start = {**os.environ, "START": str(time.time() + 6)}
    openers = [
        subprocess.Popen([PYTHON, "-c", HOME], cwd=ROOT, env=start, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    assert [opener.communicate()[1] for opener in openers] == [b""] * 4
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs() == []


# ---- command line ---------------------------------------------------------------------------


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PYTHON, "-m", "orchestration", *arguments], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize("name", ["sql", "serve", "status"])
def test_without_a_publication_a_command_says_what_to_do(data: Path, name: str) -> None:
    ended = command(name)
    assert ended.returncode == 1
    assert "Remède : lancer `make build`" in ended.stdout + ended.stderr


def test_sql_reads_the_marts_and_cannot_write(data: Path) -> None:
    shelf = Stores(data)
    shelf.build(1)
    shelf.publish()
    assert "1000" in command("sql", "-c", "select count(*) from fct_avis").stdout
    assert command("sql", "-c", "delete from fct_avis").returncode != 0
    assert "1000" in command("sql", "-c", "select count(*) from fct_avis").stdout


@pytest.mark.slow
def test_a_failure_is_one_screen_with_step_cause_remedy_and_log(data: Path) -> None:
    with duckdb.connect(str(data / "raw.duckdb")):
        ended = command("build")
    assert ended.returncode == 1
    screen = ended.stdout[ended.stdout.index("Échec") :]
    for word in ("Étape", "Cause", "tenu par un autre processus", "fermer", "Journal"):
        assert word in " ".join(screen.replace("│", " ").split())
    assert "Traceback" not in ended.stdout + ended.stderr
    (log,) = (data / "logs").glob("build-*.log")
    assert "Stack Trace" in log.read_text()


@pytest.mark.parametrize("name", ["run", "serve"])
def test_a_port_already_taken_is_said_first(data: Path, name: str) -> None:
    (data / "site").mkdir()
    (data / "site" / "index.html").touch()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = command(name, "--port", str(port))
    assert ended.returncode == 1
    assert f"Le port {port} n'est pas libre" in ended.stderr
    assert "--port" in ended.stderr
    assert "http://" not in ended.stdout and not (data / "logs").exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CYBERIMPACT_ENGINE", "rien"),
        ("CYBERIMPACT_ENGINE", "spark"),
        ("CYBERIMPACT_MEMORY", "banane"),
        ("CYBERIMPACT_THREADS", "0"),
    ],
)
def test_a_setting_of_which_nothing_can_be_made_is_said_first(
    data: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    said = screen(command("build"))
    assert f"{variable} vaut « {value} »" in said
    assert f"retirer {'la variable' if value != 'spark' else variable}" in said
    assert not (data / "raw.duckdb").exists()


def screen(ended: "subprocess.CompletedProcess[str]") -> str:
    """Return the failure of a command in one line, after checking that it is one screen."""
    assert ended.returncode == 1, ended
    assert "Traceback" not in ended.stdout + ended.stderr
    said = " ".join(ended.stdout[ended.stdout.index("Échec") :].replace("│", " ").split())
    assert all(word in said for word in ("Étape", "Cause", "Remède", "Journal"))
    return said


@pytest.mark.parametrize("name", ["build", "run", "status"])
def test_data_that_are_a_file_are_one_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "fichier"
    path.touch()
    monkeypatch.setenv("CYBERIMPACT_DATA", str(path))
    assert "nommer un autre dossier" in screen(command(name))


@pytest.mark.parametrize("name", ["build", "status"])
def test_data_that_cannot_be_written_are_one_screen(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CYBERIMPACT_DATA", "/proc/cyberimpact")  # not even root writes there
    screen(command(name))


def test_status_of_a_truncated_publication_is_one_screen(data: Path) -> None:
    (data / "published").mkdir()
    (data / "published" / "cyberimpact.duckdb").write_text("tronqué")
    assert "tronqué ou illisible" in screen(command("status"))


@pytest.mark.slow
def test_a_truncated_raw_store_is_one_screen(data: Path) -> None:
    (data / "raw.duckdb").write_text("tronqué")
    assert "tronqué ou illisible" in screen(command("build"))


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("OSError : [Errno 28] No space left on device", "libérer de la place"),
        ("(sqlite3.OperationalError) disk I/O error", "libérer de la place"),
        ("OSError : [Errno 30] Read-only file system: 'x'", "donner le droit"),
        ("Sans rien. Remède : celui-là.", "celui-là."),
        ("KeyError : 'a'", "signaler l'anomalie"),
    ],
)
def test_an_error_is_explained_by_its_message(said: str, remedy: str) -> None:
    assert remedy in explain(said)[1]
