"""Retention, erasure and the record of processing (all persons are invented)."""

import csv
import gzip
import json
import os
import re
import shutil
import traceback
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import ROOT

from dlt_pipelines import landings, polite, privacy, registre, rights, sandbox, stores, traitements
from dlt_pipelines.catalog import CATALOG, NOBODY, Retention, Source
from dlt_pipelines.sandbox import World
from orchestration import publication, site
from orchestration import rights as whole

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


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Posts of six weeks, landed from the sandbox."""
    folder = tmp_path_factory.mktemp("once")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYBERIMPACT_DATA", str(folder))
        patch.setenv("CYBERIMPACT_PSEUDONYM_KEY", "une clé")
        patch.setattr(sandbox, "world", lambda: WORLD)
        landings.land("mastodon")
    return folder


@pytest.fixture
def landed(once: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to be changed."""
    monkeypatch.setattr(sandbox, "world", lambda: WORLD)
    monkeypatch.setenv("CYBERIMPACT_PSEUDONYM_KEY", "une clé")
    shutil.copytree(once, data, dirs_exist_ok=True)
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


@pytest.mark.slow
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


# ---- record of processing -------------------------------------------------------------------


def test_the_record_names_every_source_and_every_personal_column() -> None:
    doors = {
        source.name: landings.doors_of(source, landings.REAL, landed=False)
        for source in CATALOG.values()
    }
    record = json.loads(json.dumps(traitements.record(doors), ensure_ascii=False))
    told = {
        (source["source"], datum["table_name"], datum["colonne"]): datum
        for processing in record["traitements"]
        for source in processing["sources"]
        for datum in source["donnees"]
    }
    names = [s["source"] for processing in record["traitements"] for s in processing["sources"]]
    assert sorted(names) == sorted(CATALOG)
    for name, tables in doors.items():
        for table, door in tables.items():
            for column in door.columns:
                if column.personal in ("pseudonymise", "drop") or (
                    column.personal == "redact" and column.data_type == "text"
                ):
                    datum = told[name, table, column.name]
                    assert (datum["conservation"] == "jamais gardé") == (column.personal == "drop")
    assert told["mastodon", "statuses", "text"]["conservation"] == "30 jours"
    assert told["mastodon", "statuses", "uri"]["conservation"] == "3 ans"
    assert (
        told["services_publics_plus", "experiences", "experience_id"]["conservation_jours"] == 1825
    )
    for processing in record["traitements"]:
        assert processing["finalite"]
        assert processing["base_legale"]


def test_a_landing_writes_its_part_of_the_record(landed: Path) -> None:
    rows = raw("select table_name, colonne, conservation_jours from registre.traitements")
    assert ("statuses", "text", 30) in rows
    assert ("trending_tags", "name", 365) in rows


# ---- erasure --------------------------------------------------------------------------------


def everything(data: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file())


@pytest.mark.slow
def test_a_pseudonym_is_erased_and_kept_out(landed: Path) -> None:
    total = raw("select count(*) from raw_mastodon.statuses")[0][0]
    ((pseudonym, count),) = raw(
        "select uri, count(*) from raw_mastodon.statuses group by 1 order by 2 desc, 1 limit 1"
    )
    others = raw("from raw_mastodon.statuses where uri <> ? order by all", pseudonym)
    erased = rights.erase(pseudonym=pseudonym)
    assert erased.rows["mastodon", "statuses", ""] == count
    assert "dlt/mastodon" in erased.files
    assert raw("from raw_mastodon.statuses order by all") == others
    assert pseudonym.encode() not in everything(landed)
    with registre.ledger() as ledger:
        ledger.execute("update registre.prises set curseur_a = '2026-02-01'")
    assert landings.land("mastodon").total("new") == 0
    # Neither a rotation nor a raw store that is lost brings them back.
    rights.compact()
    assert raw("select count(*) from raw_mastodon.statuses") == [(total - count,)]
    with pytest.raises(LookupError, match="aucune ligne"):
        rights.erase(pseudonym="0" * 32)


@pytest.mark.slow
def test_a_reference_is_erased_from_a_store_made_anew_too(landed: Path, monkeypatch) -> None:
    ((pseudonym,),) = raw("select min(uri) from raw_mastodon.statuses")
    erased = rights.erase(source="mastodon", reference=pseudonym)
    total = raw("select count(*) from raw_mastodon.statuses")[0][0]
    monkeypatch.setenv("CYBERIMPACT_PSEUDONYM_KEY", "une clé, une autre")
    with pytest.raises(landings.LandingError, match="rotate-key"):
        landings.land("mastodon")
    rights.rotate()
    stores.raw().unlink()
    assert (
        landings.land("mastodon").total("new")
        == total
        + raw("select count(*) from raw_mastodon.accounts")[0][0]
        + raw("select count(*) from raw_mastodon.trending_tags")[0][0]
    )
    assert raw("select count(*) from raw_mastodon.statuses") == [(total,)]
    assert erased.names == {pseudonym}


@pytest.mark.slow
def test_a_row_of_a_file_is_erased_by_its_reference(data: Path) -> None:
    folder = data / "depot/pre_plainte"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "tests/frozen/pre_plainte.csv", folder / "a.csv")
    landings.land("pre_plainte")
    total = raw("select count(*) from raw_pre_plainte.declarations")[0][0]
    ((reference,),) = raw("select min(stats_id) from raw_pre_plainte.declarations")
    erased = rights.erase(source="pre_plainte", reference=reference)
    assert erased.rows == {("pre_plainte", "declarations", ""): 1}
    assert "depot/pre_plainte/a.csv" in erased.files
    listed = (data / "effacements.jsonl").read_text()
    assert reference not in listed
    shutil.copy(ROOT / "tests/frozen/pre_plainte.csv", folder / "b.csv")
    landings.land("pre_plainte", retake=True)
    assert raw("select count(*) from raw_pre_plainte.declarations") == [(total - 1,)]


CANARY = "Le canari du phare chante à marée basse, et personne d'autre."


def made_again() -> None:
    """Make the warehouse and the publication from the raw store, as a refresh does."""
    with stores.connect(stores.warehouse()) as connection:
        stores.attach(connection, stores.raw(), "raw", read_only=True)
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.fct_essai as select uri, text, [text] as textes"
            " from raw.raw_mastodon.statuses"
        )
    publication.publish(stores.warehouse(), stores.published(), stores.published_parquet())


@pytest.mark.slow
def test_an_erasure_is_proven_in_every_file(landed: Path) -> None:
    ((pseudonym, count),) = raw(
        "select uri, count(*) from raw_mastodon.statuses group by 1 order by 2, 1 limit 1"
    )
    with registre.ledger() as ledger:
        ledger.execute(
            "update raw_mastodon.statuses set text = ? where uri = ?", [CANARY, pseudonym]
        )
    made_again()
    stores.warehouse().unlink()
    made_again()  # the previous publication stays for who reads it
    total = len(raw("from raw_mastodon.statuses"))
    for path, content in {
        "logs/build-1.log": f"erreur près de {CANARY}".encode(),
        "site-1/page.json.gz": gzip.compress(json.dumps({"texte": CANARY}).encode()),
        "sandbox/invention.csv": CANARY.encode(),
    }.items():
        (landed / path).parent.mkdir(exist_ok=True)
        (landed / path).write_bytes(content)
    wanted = rights.Erased(names={pseudonym}, texts={CANARY})
    held = {str(path.relative_to(landed)) for path in whole.traces(wanted)}
    assert {"raw.duckdb", "warehouse.duckdb", "published/cyberimpact.duckdb"} <= held
    assert {"logs/build-1.log", "site-1/page.json.gz"} <= held
    for kind in (".parquet", "fct_essai.csv"):  # today's and the previous one
        assert len([name for name in held if name.endswith(kind)]) == 2
    assert len(held) == 9
    (landed / "copie.txt").write_text(CANARY)
    with pytest.raises(whole.ErasureError, match=r"copie\.txt"):
        whole.erase(made_again, pseudonym=pseudonym)
    (landed / "copie.txt").unlink()
    assert whole.traces(wanted) == []
    again = whole.erase(made_again, pseudonym=pseudonym)
    assert (again.names, sum(again.rows.values())) == ({pseudonym}, 0)
    with duckdb.connect(stores.published(), read_only=True) as connection:
        rows = connection.execute("select count(*) from marts.fct_essai").fetchall()
    assert rows == [(total - count,)]


def test_the_report_of_an_erasure_names_nobody(landed: Path) -> None:
    ((pseudonym,),) = raw("select max(uri) from raw_mastodon.statuses")
    erased = whole.erase(made_again, source="mastodon", reference=pseudonym)
    report = whole.told(erased, 7)
    assert "mastodon.statuses" in report
    assert "aucune trace" in report
    for said in (report, (landed / "effacements.jsonl").read_text()):
        assert pseudonym not in said
        assert not any(text in said for text in erased.texts)


# ---- keys -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_rotation_renames_everybody_and_doubles_nobody(data: Path, monkeypatch) -> None:
    monkeypatch.setattr(sandbox, "world", lambda: World(date(2026, 3, 1), TODAY))
    landings.land("mastodon")
    assert len((data / "pseudonymes.cle").read_bytes().split()) == 1
    before = raw("select uri, text, replies_count from raw_mastodon.statuses order by all")
    renamed = rights.rotate()
    after = raw("select uri, text, replies_count from raw_mastodon.statuses order by all")
    assert {uri for uri, *_ in before}.isdisjoint(uri for uri, *_ in after)
    assert renamed["mastodon", "statuses", "uri"] == len({uri for uri, *_ in before})
    assert sorted(row[1:] for row in before) == sorted(row[1:] for row in after)
    first, second = (data / "pseudonymes.cle").read_bytes().split()
    assert {privacy.renamed(uri, [second])[-1] for uri, *_ in before} == {u for u, *_ in after}
    assert (data / "pseudonymes.cle").stat().st_mode & 0o777 == 0o600
    with registre.ledger() as ledger:
        ledger.execute("update registre.prises set curseur_a = '2026-03-01'")
    again = landings.land("mastodon")
    assert (again.tables["statuses"].new, again.tables["statuses"].changed) == (0, 0)
    (data / "pseudonymes.cle").write_bytes(first)
    with pytest.raises(landings.LandingError, match="perdue"):
        landings.land("mastodon")


# ---- encryption and modes -------------------------------------------------------------------

KEY = "une clé d'entrepôt"


@pytest.mark.slow
def test_the_raw_store_is_unreadable_without_its_key(data: Path, monkeypatch) -> None:
    folder = data / "depot/pre_plainte"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "tests/frozen/pre_plainte.csv", folder / "a.csv")
    monkeypatch.setenv("CYBERIMPACT_STORE_KEY", KEY)
    landed = landings.land("pre_plainte").total("new")
    assert landed
    with stores.connect(stores.raw(), read_only=True) as connection:
        query = "select count(*) from raw_pre_plainte.declarations"
        assert connection.execute(query).fetchall() == [(landed,)]
    assert landings.land("pre_plainte", retake=True).total("new") == 0
    assert rights.erase(source="pre_plainte", reference=raw_reference()).rows
    for wrong, said in (("une autre", "pas la bonne"), ("", "aucune clé")):
        monkeypatch.setenv("CYBERIMPACT_STORE_KEY", wrong)
        with pytest.raises(landings.LandingError, match=said):
            landings.land("pre_plainte")
    for path in (path for path in data.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert KEY.encode() not in content, path
        assert stores.derived(KEY).encode() not in content, path
        if path.name == "raw.duckdb":
            assert b"declarations" not in content


def raw_reference() -> str:
    with stores.connect(stores.raw(), read_only=True) as connection:
        query = "select min(stats_id) from raw_pre_plainte.declarations"
        return connection.execute(query).fetchall()[0][0]


def test_the_stores_are_opened_with_their_key_everywhere() -> None:
    for room in ("dlt_pipelines", "orchestration"):
        for module in (ROOT / room).rglob("*.py"):
            opened = re.findall(r"(?:duckdb[.]connect[(].*|attach '[{].*)", module.read_text())
            for line in opened if module.name != "stores.py" else ():
                assert not re.search(r"\b(?:raw|warehouse)\b", line), (module.name, line)


def test_a_plain_store_is_encrypted_by_asking(data: Path, monkeypatch) -> None:
    with registre.ledger():
        pass
    monkeypatch.setenv("CYBERIMPACT_STORE_KEY", KEY)
    with pytest.raises(stores.StoreKeyError, match="encrypt"), registre.ledger():
        pass
    stores.rewrite(stores.raw(), registre.STORAGE, before="")
    with registre.ledger() as ledger:
        assert ledger.execute("select count(*) from registre.prises").fetchall() == [(0,)]


def test_a_key_asks_for_the_cipher(data: Path, monkeypatch) -> None:
    monkeypatch.setenv("CYBERIMPACT_STORE_KEY", KEY)
    monkeypatch.setattr(stores, "find_spec", lambda name: None)
    with pytest.raises(landings.LandingError, match="make install") as told:
        landings.land("pre_plainte")
    assert KEY not in str(told.value)


def test_what_is_written_is_for_its_owner_and_what_is_published_for_readers(
    data: Path, monkeypatch
) -> None:
    mask = os.umask(0o022)
    try:
        stores.secure()
        folder = data / "published" / ".staged"
        folder.mkdir(parents=True)
        file = folder / "fct_avis.parquet"
        file.touch()
        stores.share(folder)
        modes = [path.stat().st_mode & 0o777 for path in (data, folder.parent, folder, file)]
        assert modes == [0o700, 0o700, 0o700, 0o600]
        monkeypatch.setenv("CYBERIMPACT_READERS", "groupe")
        if os.geteuid() == 0:  # who is nobody else can give away no file
            os.chown(data, -1, 4242)
        stores.secure()
        stores.share(folder)
        modes = [path.stat().st_mode & 0o777 for path in (data, folder.parent, folder, file)]
        assert modes == [0o710, 0o710, 0o750, 0o640]
        groups = {path.stat().st_gid for path in (data, folder.parent, folder, file)}
        assert groups == {data.stat().st_gid}
    finally:
        os.umask(mask)


def test_no_secret_is_written_nor_said(data: Path, monkeypatch) -> None:
    """A service that is down, with everything secret set: files and messages hold none of it."""
    secrets = {
        "SOURCES__X__TOKEN": "jeton-canari-31",
        "CYBERIMPACT_PSEUDONYM_KEY": "cle-canari-32",
    }
    for name, value in {**secrets, "SOURCES__X__LIVE": "true"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SOURCES__X__BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SOURCES__X__ACCOUNTS", '[{"id": "1"}]')
    monkeypatch.setattr(polite, "ATTEMPTS", 1)
    with pytest.raises(landings.LandingError) as failure:
        landings.land("x")
    chain = "".join(traceback.format_exception(failure.value))
    for secret in secrets.values():
        assert secret not in chain
        assert secret.encode() not in everything(data)


def test_node_is_given_no_secret(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SOURCES__X__TOKEN", "jeton-canari-33")
    monkeypatch.setenv("CYBERIMPACT_STORE_KEY", "cle-canari-34")
    site._run("essai", ["env"], tmp_path, lambda line: None)
    assert "canari" not in (tmp_path / "build.log").read_text()


WRITTEN = {"bigint": "1", "double": "1", "date": "2026-03-01", "timestamp": "2026-03-01T10:00:00Z"}


@pytest.mark.slow
def test_a_canary_in_every_column_of_every_file_is_written_nowhere(data: Path) -> None:
    """What is kept as it is bears no canary: its key would be one, which the door refuses."""
    canary = "je m'appelle Camille Canariov, camille.canariov@exemple.fr, 06 39 98 12 34"
    admitted = {}
    for source in CATALOG.values():
        if source.reads != "csv" or source.folder:
            continue
        door = next(iter(landings.doors_of(source, landings.REAL, landed=False).values()))
        row = {
            (column.names[1:] or column.names)[0]: canary
            if column.data_type == "text" and column.personal != privacy.KEEP
            else "Neutre"
            if "Neutre" in str(column.check)
            else {"departement": "29", "mois": "2026-03", "annee": "2026"}.get(
                column.format or "", WRITTEN.get(column.data_type, "a")
            )
            for column in door.columns
            if column.name not in ("cree_at", "demarche")  # drawn from the rest of the export
        } | {"colonne de trop": canary, canary: "1"}
        folder = data / "depot" / source.name
        folder.mkdir(parents=True)
        with (folder / "Camille Canariov 06 39 98 12 34.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, row, delimiter=";")
            writer.writeheader()
            writer.writerow(row)
            file.write(f"une ligne;{canary};brisée\n")
        admitted[source.name] = landings.land(source.name).total("new")
    for name in ("structures", "services_publics_plus", "jedonnemonavis", "ma_gendarmerie"):
        assert admitted[name] == 1, name
    given = {"Canariov", "canariov", "06 39 98", "063998"}
    found = whole.traces(rights.Erased(texts=given))
    assert {path.parent.parent.name for path in found} == {"depot"}
    assert len(found) == len(admitted)
