"""Sources that people or services hand over as files, each from a frozen export to the store."""

from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from dlt_pipelines import stores
from dlt_pipelines.catalog import land

FROZEN = Path(__file__).parent / "frozen"


def drop(data: Path, source: str, name: str, content: str | bytes | None = None) -> None:
    """Put a file into the depot: `content`, else the frozen file of that name."""
    folder = data / "depot" / source
    folder.mkdir(parents=True, exist_ok=True)
    if content is None:
        content = (FROZEN / name).read_bytes()
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def query(sql: str) -> list[tuple]:
    with duckdb.connect(stores.raw(), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql).fetchall()


def set_aside(source: str) -> list[tuple]:
    """Return (line, column, reason) of what the quarantine holds."""
    return query(
        "select ligne, colonne, motif from quarantaine.lignes"
        f" where source = '{source}' order by all"
    )


@pytest.mark.parametrize("source", ["pre_plainte"])
def test_the_sandbox_lands_once_and_whole(data: Path, source: str) -> None:
    first, second = land(source), land(source)
    assert first.origin == "bac_a_sable"
    assert first.total("new") > 100
    assert first.total("quarantined") == 0
    assert first.warnings == []
    assert not second.changed


# --- pre_plainte ----------------------------------------------------------------------------------


def test_pre_plainte(data: Path) -> None:
    drop(data, "pre_plainte", "pre_plainte.csv")
    landing = land("pre_plainte")
    assert (landing.total("read"), landing.total("new"), landing.warnings) == (8, 4, [])
    assert query(
        "select stats_id, stats_debut_declaration at time zone 'UTC',"
        " stats_fin_declaration at time zone 'UTC', stats_dpt_unite, stats_pers_physique,"
        " stats_pers_morale from raw_pre_plainte.declarations order by 1"
    ) == [
        ("1001", datetime(2022, 1, 3, 9, 0), datetime(2022, 1, 3, 9, 12, 30), "01", 1, 0),
        ("1002", datetime(2022, 7, 14, 20, 50), datetime(2022, 7, 14, 22, 5), "2A", 0, 1),
        ("1003", datetime(2022, 1, 5, 10, 0), None, "971", 0, 0),
        ("1004", datetime(2022, 1, 6, 10, 0), datetime(2022, 1, 6, 10, 0), None, 1, None),
    ]
    assert set_aside("pre_plainte") == [
        (6, "stats_fin_declaration", "antérieur au début de la déclaration"),
        (7, "stats_debut_declaration", "n’est pas une date lisible entre 1900 et 2100"),
        (8, "stats_pers_physique", "ni 0 ni 1"),
        (9, "stats_id", "valeur obligatoire absente"),
    ]
    # The next export tells the past again, and a little more.
    later = (FROZEN / "pre_plainte.csv").read_text(encoding="utf-8").splitlines()
    later[3] = later[3].replace(",,", ",2022-01-05 11:04:00,", 1)
    later.append("1005,2022-02-01 09:00:00,2022-02-01 09:10:00,75,1,0")
    drop(data, "pre_plainte", "ppel-fevrier.csv", "\n".join(later))
    landing = land("pre_plainte")
    assert (landing.total("new"), landing.total("changed")) == (1, 1)
    assert query("select count(*) from raw_pre_plainte.declarations") == [(5,)]
