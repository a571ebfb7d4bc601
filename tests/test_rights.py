"""Retention, erasure and the record of processing (all persons are invented)."""

import shutil
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import ROOT

from dlt_pipelines import landings, registre, rights, sandbox, stores
from dlt_pipelines.catalog import CATALOG, NOBODY, Retention, Source
from dlt_pipelines.sandbox import World

TODAY = date(2026, 3, 15)
WORLD = World(date(2026, 2, 1), TODAY)
KEPT = [
    (source, table, retention)
    for source in CATALOG.values()
    for table, retention in source.retention.items()
]


def raw(sql: str, *bound: Any) -> list[tuple]:
    with duckdb.connect(stores.raw(), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql, list(bound)).fetchall()


@pytest.fixture
def landed(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Posts of six weeks, landed from the sandbox."""
    monkeypatch.setattr(sandbox, "world", lambda: WORLD)
    monkeypatch.setenv("CYBERIMPACT_PSEUDONYM_KEY", "une clé")
    landings.land("mastodon")
    return data


# ---- retention ------------------------------------------------------------------------------


def test_every_table_that_tells_of_persons_says_how_long() -> None:
    for source in CATALOG.values():
        assert source.persons, f"{source.name} : persons manque"
        for table, door in landings.doors_of(source, landings.REAL, landed=False).items():
            treatments = {column.personal for column in door.kept if column.data_type == "text"}
            if source.persons == NOBODY:
                assert "pseudonymise" not in treatments, (source.name, table)
            elif treatments & {"pseudonymise", "redact"}:
                assert table in source.retention, (source.name, table)


@pytest.mark.parametrize(("source", "table", "retention"), KEPT)
def test_retention_names_what_the_table_has(
    source: Source, table: str, retention: Retention
) -> None:
    door = landings.doors_of(source, landings.REAL, landed=False)[table]
    columns = {column.name: column for column in door.kept}
    assert columns[retention.by].data_type in ("date", "timestamp")
    assert all(not columns[text].required for text in retention.texts)
    assert all(0 < days < retention.days for days in retention.texts.values())
    assert retention.reference is None or retention.reference in door.key


def test_a_purge_takes_what_is_due_and_nothing_else(landed: Path) -> None:
    day = "timezone('Europe/Paris', created_at)::date"
    last = TODAY - timedelta(days=30)  # the last day whose texts are kept
    before = dict(raw(f"select {day}, count(text) from raw_mastodon.statuses group by 1"))
    assert before[last]
    assert before[last - timedelta(days=1)]
    rows = raw("select count(*), sum(replies_count) from raw_mastodon.statuses")
    gone = rights.purge(TODAY)
    due = sum(count for written, count in before.items() if written < last)
    assert gone.rows["mastodon", "statuses", "text"] == due > 0
    assert gone.rows["mastodon", "statuses", ""] == 0
    after = dict(raw(f"select {day}, count(text) from raw_mastodon.statuses group by 1"))
    assert after == {written: count if written >= last else 0 for written, count in before.items()}
    assert raw("select count(*), sum(replies_count) from raw_mastodon.statuses") == rows
    assert "dlt/mastodon/trace.pickle" in gone.files
    assert not rights.purge(TODAY)


def test_what_is_purged_does_not_come_back(landed: Path) -> None:
    total = raw("select count(*) from raw_mastodon.statuses")[0][0]
    late = TODAY + timedelta(days=3 * 365 - 20)  # rows of before the 4th of February are due
    gone = rights.purge(late)
    due = gone.rows["mastodon", "statuses", ""]
    assert 0 < due < total
    held = raw("select * exclude (_dlt_load_id) from raw_mastodon.statuses order by all")
    assert len(held) == total - due
    with registre.ledger() as ledger:  # the service is asked for all of it again
        ledger.execute("update registre.prises set curseur_a = '2026-02-01'")
    again = landings.land("mastodon")
    assert again.tables["statuses"].read > 0
    assert (again.tables["statuses"].new, again.tables["statuses"].changed) == (0, 0)
    assert held == raw("select * exclude (_dlt_load_id) from raw_mastodon.statuses order by all")
    assert any("non reprises" in warning for warning in again.warnings)


def test_purged_bytes_leave_the_file(landed: Path) -> None:
    canary = "Le canari du phare chante à marée basse."
    with registre.ledger() as ledger:
        ledger.execute("set force_compression = 'uncompressed'")
        ledger.execute(
            "update raw_mastodon.statuses set text = ? where created_at < ?",
            [canary, datetime.combine(TODAY - timedelta(days=35), time(), UTC)],
        )
    with duckdb.connect(stores.raw()) as connection:
        connection.execute("checkpoint")
    assert canary.encode() in stores.raw().read_bytes()
    rights.purge(TODAY)
    assert canary.encode() not in stores.raw().read_bytes()


def test_files_taken_leave_the_depot_and_are_not_missed(data: Path) -> None:
    folder = data / "depot/ma_gendarmerie"
    folder.mkdir(parents=True)
    frozen = next((ROOT / "tests/frozen").glob("ma_gendarmerie*.csv"))
    shutil.copy(frozen, folder / "taken.csv")
    landings.land("ma_gendarmerie")
    shutil.copy(frozen, folder / "again.csv")
    (folder / "waiting.csv").write_text("pas encore pris")
    today = datetime.now(UTC).date()
    assert not any(name.startswith("depot") for name in rights.purge(today).files)
    gone = rights.purge(today + timedelta(days=32))
    assert sorted(path.name for path in folder.iterdir()) == ["waiting.csv"]
    assert {"depot/ma_gendarmerie/taken.csv", "depot/ma_gendarmerie/again.csv"} == set(gone.files)
    shutil.copy(frozen, folder / "back.csv")
    assert landings.land("ma_gendarmerie").total("read") == 0
