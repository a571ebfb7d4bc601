"""Backup and restore: nothing lost, nothing damaged taken for whole, nobody erased brought back."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from dagster._core.instance.ref import InstanceRef

from dlt_pipelines import registre, stores
from orchestration import backup, marks, publication

ROOT = Path(__file__).resolve().parents[1]


def write(path: Path, rows: int) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema if not exists marts")
        connection.execute(f"create or replace table marts.fct_avis as from range({rows}) as a(n)")


def count(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        return int(connection.execute("select count(*) from marts.fct_avis").fetchall()[0][0])


def runs() -> set[str]:
    home = InstanceRef.from_dir(str(stores.dagster_home()))
    with dg.DagsterInstance.from_ref(home) as instance:
        return {run.run_id for run in instance.get_runs()}


@pytest.fixture
def world(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small data folder of every kind of store."""
    monkeypatch.setenv("CYBERIMPACT_READERS", "groupe")
    write(stores.raw(), 10)
    write(stores.warehouse(), 20)
    publication.publish(stores.warehouse(), stores.published(), stores.published_parquet())
    marks.put("warehouse", "abc", [1], stores.warehouse())
    (data / "pseudonymes.cle").write_text("clé")
    (data / "effacements.jsonl").write_text('{"a": 1}\n')
    for folder in ("depot/perceval", "dlt/perceval", "site-1", "logs", "dagster"):
        (data / folder).mkdir(parents=True)
        (data / folder / "fichier").write_text("à refaire")
    shutil.copy(ROOT / "orchestration/dagster.yaml", data / "dagster")
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(data / "dagster"))) as instance:
        instance.add_run(dg.DagsterRun("refresh_all", "a" * 8))
    return data


def test_what_was_saved_comes_back_and_what_it_replaces_is_kept(
    world: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = backup.save(tmp_path_factory.mktemp("copies"))
    names = {path.name for path in copy.iterdir()}
    assert names == {
        *("raw.duckdb", "warehouse.duckdb", "published", "dagster", "etat", "pseudonymes.cle"),
        *("effacements.jsonl", "manifeste.json"),
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in copy.rglob("*") if path.is_file())

    write(stores.raw(), 11)
    write(stores.warehouse(), 21)
    stores.published().unlink()
    (world / "raw.duckdb.wal").write_text("les écritures d'un autre fichier")
    with (world / "effacements.jsonl").open("a") as erased:
        erased.write('{"b": 2}\n')
    with pytest.raises(backup.BackupError, match=r"déjà un entrepôt.*Remède"):
        backup.restore(copy)
    aside = backup.restore(copy, replace=True)

    assert (count(stores.raw()), count(stores.warehouse())) == (10, 20)
    assert count(stores.published()) == 20
    assert duckdb.read_parquet(f"{stores.published_parquet()}/fct_avis.parquet").shape[0] == 20
    assert marks.get("warehouse", "abc", stores.warehouse()) == [1], "the build would start again"
    assert runs() == {"a" * 8}
    assert (world / "effacements.jsonl").read_text() == '{"a": 1}\n{"b": 2}\n'
    assert not (world / "raw.duckdb.wal").exists() and not (world / "dlt").exists()
    assert (world / "depot/perceval/fichier").exists()
    assert aside is not None and count(aside / "raw.duckdb") == 11
    assert stores.raw().stat().st_mode & 0o077 == 0
    assert stores.published().stat().st_mode & 0o077 == 0o040, "its readers are other accounts"
    write(stores.warehouse(), 22)
    publication.publish(stores.warehouse(), stores.published(), stores.published_parquet())
    assert count(stores.published()) == 22


def test_a_copy_comes_back_to_an_empty_machine(
    world: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = backup.save(tmp_path_factory.mktemp("copies"))
    monkeypatch.setenv("CYBERIMPACT_DATA", str(tmp_path_factory.mktemp("other") / "data"))
    assert backup.restore(copy) is None
    assert (count(stores.raw()), count(stores.published())) == (10, 20)
    assert runs() == {"a" * 8}


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing", "added", "link", "manifest"])
def test_a_damaged_copy_is_refused_and_touches_nothing(
    world: Path, tmp_path_factory: pytest.TempPathFactory, damage: str
) -> None:
    copy = backup.save(tmp_path_factory.mktemp("copies"))
    target = copy / "warehouse.duckdb"
    match damage:
        case "cut":
            os.truncate(target, target.stat().st_size - 1)
        case "flipped":
            content = bytearray(target.read_bytes())
            content[5000] ^= 1
            target.write_bytes(content)
        case "missing":
            target.unlink()
        case "added":
            (copy / "dagster/autre.db").write_text("a")
        case "link":
            (copy / "lien").symlink_to("/")
        case "manifest":
            (copy / "manifeste.json").write_text('{"files": [')
    write(stores.raw(), 11)
    before = {path: path.stat().st_mtime_ns for path in world.iterdir()}
    with pytest.raises(backup.BackupError, match="Remède"):
        backup.restore(copy, replace=True)
    assert {path: path.stat().st_mtime_ns for path in world.iterdir()} == before


def test_a_store_is_not_copied_while_it_is_written(
    world: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    saved: list[Path] = []
    folder = tmp_path_factory.mktemp("copies")
    with registre.WRITER:
        waiting = threading.Thread(target=lambda: saved.append(backup.save(folder)))
        waiting.start()
        time.sleep(0.3)
        assert saved == []
        write(stores.raw(), 12)
    waiting.join(20)
    assert count(saved[0] / "raw.duckdb") == 12


@pytest.mark.parametrize("name", ["dagster/vive.db", "alertes.sqlite"])
def test_a_sqlite_file_is_copied_whole_while_it_is_written(
    world: Path, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    with sqlite3.connect(world / name) as live:
        live.execute("pragma journal_mode = wal")
        live.execute("create table t (n)")
        live.execute("insert into t values (1)")
        live.commit()
        live.execute("insert into t values (2)")
        copy = backup.save(tmp_path_factory.mktemp("copies"))
    with sqlite3.connect(copy / name) as copied:
        assert copied.execute("select n from t").fetchall() == [(1,)]
        assert copied.execute("pragma integrity_check").fetchall() == [("ok",)]


def test_a_run_that_goes_on_is_not_robbed_of_its_stores(
    world: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = backup.save(tmp_path_factory.mktemp("copies"))
    (world / "dagster/en_cours").mkdir()
    with (world / "dagster/en_cours/a.lock").open("w") as lock:
        assert registre.taken(lock)
        with pytest.raises(backup.BackupError, match=r"run est en cours.*Remède"):
            backup.restore(copy, replace=True)
    backup.restore(copy, replace=True)


def test_only_so_many_copies_are_kept_and_a_killed_one_is_swept(
    world: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("copies")
    for old in ("20240101-000000", "20240102-000000", "20240103-000000"):
        (folder / f"cyberimpact-{old}").mkdir()
    (folder / ".cyberimpact-20240101-000000.part").mkdir()
    copy = backup.save(folder, keep=2)
    assert {path.name for path in folder.iterdir()} == {"cyberimpact-20240103-000000", copy.name}


def test_the_command_says_what_to_do(world: Path, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("copies")

    def command(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orchestration", *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    assert command("sauvegarde", folder).returncode == 0
    (copy,) = folder.iterdir()
    (copy / "raw.duckdb").unlink()
    refused = command("restauration", copy, "--remplacer")
    assert refused.returncode == 1
    assert "endommagée" in refused.stdout and "Traceback" not in refused.stdout + refused.stderr
