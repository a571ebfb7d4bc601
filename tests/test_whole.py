"""The whole way on real files that nobody here wrote, as `make build` does it."""

import shutil
from datetime import UTC, timedelta
from pathlib import Path

import duckdb
import pytest
from conftest import REAL_DATA, build, drop_real_files

from dlt_pipelines.sandbox import story

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder built from the real files, and from the sandbox where there is none."""
    folder = tmp_path_factory.mktemp("real")
    drop_real_files(folder)
    wrong = folder / "depot/ssmsi/experiences.csv"
    wrong.write_bytes((REAL_DATA / "services_publics_plus_experiences.csv").read_bytes())
    outcome = build(folder, months=6, size=0.1)  # of what the real files do not hold
    assert outcome.returncode == 0, outcome.stdout[-4000:] + outcome.stderr[-4000:]
    return folder


def query(data: Path, sql: str) -> list[tuple]:
    with duckdb.connect(data / "published/cyberimpact.duckdb", read_only=True) as connection:
        return connection.execute(sql).fetchall()


def counts(data: Path) -> dict[str, int]:
    tables = query(data, "select table_name from duckdb_tables() where schema_name = 'marts'")
    return {table: query(data, f"select count(*) from marts.{table}")[0][0] for (table,) in tables}


@pytest.mark.rare
def test_the_published_file_holds_the_real_figures(real: Path) -> None:
    assert dict(
        query(
            real,
            "select ressenti, count(*) from marts.fct_avis"
            " where source = 'services_publics_plus' group by 1",
        )
    ) == {"positif": 204, "neutre": 198, "negatif": 197}
    assert query(real, "select count(*) from marts.fct_delinquance") == [(16_362,)]
    assert query(
        real, "select count(*), count(*) filter (is_gendarmerie) from marts.ref_structures"
    ) == [(14_763, 127)]
    assert query(
        real,
        "select jours_count, departements_count, ages_count from marts.fct_signalements__totaux"
        " where not is_concordant",
    ) == [(9, 10, 10)]


@pytest.mark.rare
def test_a_source_fed_by_real_files_takes_nothing_from_the_sandbox(real: Path) -> None:
    played = query(real, "select source from marts.ref_sources where origine <> 'reel' order by 1")
    fed = {"services_publics_plus", "ssmsi", "structures", "perceval", "geographie"}
    assert fed.isdisjoint(source for (source,) in played)
    assert ("x",) in played


@pytest.mark.rare
def test_a_refused_file_is_told_on_the_published_file_and_left_in_place(real: Path) -> None:
    ((reason,),) = query(real, "select motif from marts.fct_fichiers where statut = 'refuse'")
    assert "indispensables absentes" in reason
    assert (real / "depot/ssmsi/experiences.csv").exists()


def test_everything_lies_under_one_folder_for_its_owner_to_find(built: Path) -> None:
    for store in ("raw.duckdb", "warehouse.duckdb", "site/index.html", "published/parquet"):
        assert (built / store).exists()
    published = {path.stem for path in (built / "published/parquet").glob("*.parquet")}
    assert published == set(counts(built))


def test_running_again_changes_no_count_and_builds_nothing_again(
    built: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    shutil.copytree(built, again, symlinks=True)
    before, site = counts(again), (again / "site/index.html").stat().st_mtime_ns
    outcome = build(again)
    assert outcome.returncode == 0, outcome.stdout[-4000:]
    assert counts(again) == before
    assert (again / "site/index.html").stat().st_mtime_ns == site
    assert "inchangé" in outcome.stdout


def test_no_published_count_of_persons_is_small_nor_had_back_from_a_total(built: Path) -> None:
    """Written apart from the audit that let this publication through, and simpler."""
    parts = {
        "fct_signalements": ("signalements_count", "jours_count"),
        "fct_signalements__departements": ("signalements_count", "departements_count"),
        "fct_signalements__ages": ("signalements_count", "ages_count"),
        "fct_pre_plaintes": ("declarations_count", "jours_count"),
    }
    counts = {mart: count for mart, (count, _) in parts.items()} | {
        "fct_contacts": "contacts_count",
        "fct_contacts__horaires": "contacts_count",
        "fct_contacts__quotidiens": "contacts_count",
        "fct_signalements__services": "signalements_count",
    }
    for mart, count in counts.items():
        assert query(built, f"from marts.{mart} where {count} between 1 and 4") == [], mart
        assert query(built, f"from marts.{mart} where is_masque != ({count} is null)") == [], mart
    assert query(built, "select count(*) from marts.fct_signalements__departements where is_masque")
    for mart, (count, total) in parts.items():
        month = "date_trunc('month', jour)" if mart == "fct_signalements" else "mois"
        assert (
            query(
                built,
                f"with parts as (select source, menace, {month} as mois, sum({count}) as dits,"
                f" count(*) filter (is_masque) as masques from marts.{mart} group by all)"
                " from parts inner join marts.fct_signalements__totaux using (source, menace, mois)"
                f" where {total} - dits != 0 and (masques < 2 or {total} - dits < masques + 5)",
            )
            == []
        ), mart


def test_sources_of_a_run_land_side_by_side(built: Path) -> None:
    with duckdb.connect(built / "raw.duckdb", read_only=True) as connection:
        ((at_once,),) = connection.execute(
            "select count(*) from registre.prises as one inner join registre.prises as other"
            " on one.source < other.source"
            " and other.debut_at < one.debut_at + to_seconds(one.secondes)"
            " and one.debut_at < other.debut_at + to_seconds(other.secondes)"
        ).fetchall()
    assert at_once > 0


LEARNING = timedelta(days=70)  # what happens before is not judged: too little past


def test_what_the_sandbox_planted_is_found_in_time_and_place(built: Path) -> None:
    found = query(
        built,
        "select sujet, ouvert_at, maj_at, coalesce(departements_codes, ''), confirme_at is not null"
        " from marts.fct_signaux",
    )
    world = story.world()
    first = story.noon(world.start) + LEARNING
    planted = [event for event in story.ledger(world) if event.start >= first]
    seen = {}
    for event in planted:
        # A slow wave is told within days, the others within hours.
        late = timedelta(days=5) if event.kind == "fraude" else timedelta(hours=24)
        seen[event.key] = [
            (set(filter(None, codes.split(","))), confirmed)
            for subject, opened, last, codes, confirmed in found
            if subject == event.subject
            and opened.replace(tzinfo=UTC) <= event.start + late
            and last.replace(tzinfo=UTC) >= event.start
        ]
    sudden = [e for e in planted if e.kind in ("inondation", "rumeur", "panne", "fraude")]
    missed = [event.key for event in sudden if not seen[event.key]]
    assert len(missed) <= len(sudden) // 10, missed
    floods = [event for event in sudden if event.kind == "inondation" and seen[event.key]]
    placed = [
        event
        for event in floods
        if any(
            len(codes & set(event.departements)) >= 2 and len(codes - set(event.departements)) <= 3
            for codes, _ in seen[event.key]
        )
    ]
    assert 4 * len(placed) >= 3 * len(floods)


def test_quiet_days_open_few_signals_and_nothing_is_nan(built: Path) -> None:
    events = story.ledger(story.world())
    opened = query(built, "select ouvert_at, sujet from marts.fct_signaux")
    aside = [
        (at, subject)
        for at, subject in opened
        if not any(
            event.start <= at.replace(tzinfo=UTC) <= event.end + timedelta(days=4)
            for event in events
            if event.kind != "prevention"
        )
    ]
    assert len(aside) <= 25  # one a month
    for mart in ("fct_signaux", "fct_signaux__series", "fct_signaux_preuves"):
        columns = query(
            built,
            "select column_name from duckdb_columns() where schema_name = 'marts'"
            f" and table_name = '{mart}' and data_type = 'DOUBLE'",
        )
        for (column,) in columns:
            assert query(built, f"from marts.{mart} where isnan({column})") == []
    assert (
        query(
            built,
            "from marts.fct_signaux where est_arrondi and (observe_count % 10 != 0"
            " or attendu_count % 10 != 0)",
        )
        == []
    )
