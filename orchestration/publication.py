"""Publish the marts: write beside, audit, attack, describe, swap.

A reader that holds the old file keeps it, a new reader gets the new one, and neither meets the
writer: on one live file 158 of 162 writer batches failed under four readers.
"""

import os
import shutil
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from dbt_project.udfs import tableaux
from dlt_pipelines import stores

# The oldest storage that keeps our types: older readers (Node, JDBC, DBeaver) open it too.
STORAGE_VERSION = "v1.2.0"

DUCKDB, PARQUET, CSV = "cyberimpact.duckdb", "parquet", "csv"  # in the staging folder


# Mart -> (description, column -> description).
Descriptions = Mapping[str, tuple[str, Mapping[str, str]]]

# What the publication says of itself, so that nobody writes a catalogue that drifts.
OF_ITSELF: Descriptions = {
    "ref_tables": (
        "Une ligne par table publiée, celle-ci comprise : ce qu'elle contient et combien.",
        {
            "table_name": "Nom de la table.",
            "description": "Ce que vaut une ligne, et ce que la table ne dit pas.",
            "lignes_count": "Nombre de lignes.",
            "octets_count": "Taille du fichier Parquet, en octets ; vide pour cette table-ci.",
            "publie_at": "Instant de la publication, en UTC.",
        },
    ),
    "ref_colonnes": (
        "Une ligne par table publiée et colonne.",
        {
            "table_name": "Nom de la table.",
            "rang": "Rang de la colonne dans la table.",
            "colonne": "Nom de la colonne.",
            "type": "Type DuckDB.",
            "description": "Ce que dit la colonne.",
        },
    ),
    "fct_controles": (
        "Une ligne par contrôle passé avant la publication. Un contrôle bloquant en défaut empêche "
        "de publier : ceux qui sont en défaut ici avertissent.",
        {
            "controle": "Nom du contrôle.",
            "table_name": "Table contrôlée, dans sa couche ; vide s'il en compare plusieurs.",
            "nature": "Ce que le contrôle vérifie.",
            "is_bloquant": "Vrai s'il empêche de publier.",
            "is_reussi": "Vrai s'il n'a rien trouvé.",
            "defauts_count": "Nombre de lignes en défaut.",
        },
    ),
}


@dataclass(frozen=True)
class Verdict:
    """What a check said before the publication: the columns of fct_controles."""

    controle: str
    table_name: str | None
    nature: str
    is_bloquant: bool
    is_reussi: bool
    defauts_count: int


class PublicationError(RuntimeError):
    """The staged publication failed its audit; the message says why, and what to do, in French."""


def publish(
    warehouse: Path,
    published: Path,
    parquet: Path,
    descriptions: Descriptions | None = None,
    may_be_empty: Collection[str] = (),
    verdicts: Iterable[Verdict] = (),
    only: Collection[str] = (),
) -> dict[str, int]:
    """Copy schema `marts` of `warehouse` to `published` and `parquet`, and return mart -> rows.

    `parquet` and the folder `csv` beside it become symbolic links, the only folders that can be
    swapped in one step. The tables of `OF_ITSELF` are added to the marts.

    Args:
        warehouse: the file dbt builds; read only.
        published: the file analysts open, replaced atomically.
        parquet: folder of one Parquet file per mart, replaced atomically.
        descriptions: what analysts read beside each table and column in their tool.
        may_be_empty: marts whose own source holds no row; any other mart that had rows and has
            none any more stops the publication.
        verdicts: what the checks of the warehouse said.
        only: the marts that changed since the previous publication, where the others are taken
            from, unread; all of them by default.

    Raises:
        PublicationError: the audit failed. The previous publication is untouched.
    """
    staging = published.parent / ".staged"
    shutil.rmtree(staging, ignore_errors=True)  # with the log of a copy that was killed
    staging.mkdir(parents=True)
    try:
        if only:
            _carry_over(staging, published, parquet, only)
        rows = _copy(warehouse, staging, descriptions or {}, only)
        _audit(staging, rows)
        _refuse_emptied(rows, published, may_be_empty)
        _refuse_leaks(warehouse, staging, only)
        if only:
            with _staged(staging) as connection:
                _list_tables(connection, staging)
        else:
            _describe(staging, verdicts)
        stores.share(staging / PARQUET, staging / CSV, staging / DUCKDB)
        _swap_folder(staging / CSV, parquet.with_name(CSV))
        _swap_folder(staging / PARQUET, parquet)
        os.replace(staging / DUCKDB, published)
    finally:
        shutil.rmtree(staging)
    return rows


def content(published: Path) -> dict[str, str]:
    """Return mart -> a text that changes when a name, type, comment or value of it changes.

    Left out: what follows from the others, and the time of the publication.
    """
    with duckdb.connect(str(published), read_only=True) as connection:
        columns = connection.execute(
            "select table_name, column_name, data_type, comment from duckdb_columns()"
            " where schema_name = 'marts' order by all"
        ).fetchall()
        tables = connection.execute(
            "select table_name, comment from duckdb_tables() where schema_name = 'marts'"
            " order by all"
        ).fetchall()
        digests = {
            mart: connection.execute(f"select sum(hash({mart})) from marts.{mart}").fetchone()  # noqa: S608
            for mart, _ in tables
            if mart not in ("ref_tables", "ref_colonnes")
        }
    return {
        mart: repr((dict(tables)[mart], [told for told in columns if told[0] == mart], digest))
        for mart, digest in digests.items()
    }


def _carry_over(staging: Path, published: Path, parquet: Path, changed: Collection[str]) -> None:
    """Stage the previous publication, but for the files of what changed.

    Files of one mart are shared with it, not copied: neither is ever written to again.
    """
    shutil.copyfile(published, staging / DUCKDB)
    for folder in (PARQUET, CSV):
        (staging / folder).mkdir()
        for file in sorted(parquet.with_name(folder).iterdir()):
            if file.stem not in (*changed, "ref_tables"):
                (staging / folder / file.name).hardlink_to(file)


def _copy(
    warehouse: Path, staging: Path, descriptions: Descriptions, only: Collection[str]
) -> dict[str, int]:
    rows = {}
    for folder in (PARQUET, CSV):
        (staging / folder).mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        stores.attach(connection, warehouse, "warehouse", read_only=True)
        connection.execute(
            f"attach '{_quoted(staging / DUCKDB)}' as staged (storage_version '{STORAGE_VERSION}')"
        )
        connection.execute("create schema if not exists staged.marts")
        for mart in only or _marts(connection, "warehouse"):
            source, target = f'warehouse.marts."{mart}"', f'staged.marts."{mart}"'
            connection.execute(f"create or replace table {target} as from {source}")
            rows[mart] = _count(connection, source)
            _write(connection, target, staging, mart)
            _comment(connection, target, descriptions.get(mart, ("", {})))
    return rows


def _write(connection: duckdb.DuckDBPyConnection, relation: str, staging: Path, mart: str) -> None:
    columns = connection.execute(f"describe {relation}").fetchall()
    # A spreadsheet computes a text that begins so, and a formula can send the others away.
    inert = ", ".join(
        rf"""regexp_replace("{name}", '^(\s*[=+\-@])', '''\1') as "{name}" """
        for name, kind, *_ in columns
        if kind == "VARCHAR"
    )
    safe = f"(select * {f'replace ({inert})' if inert else ''} from {relation})"  # noqa: S608
    for folder, rows in ((PARQUET, relation), (CSV, safe)):
        file = staging / folder / f"{mart}.{folder}"
        connection.execute(f"copy {rows} to '{_quoted(file)}' (format {folder})")


def _comment(
    connection: duckdb.DuckDBPyConnection, relation: str, told: tuple[str, Mapping[str, str]]
) -> None:
    described, columns = told
    connection.execute(f"comment on table {relation} is '{_quoted(described)}'")
    for column, said in columns.items():
        connection.execute(f"comment on column {relation}.\"{column}\" is '{_quoted(said)}'")


def _staged(staging: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(staging / DUCKDB))


def _describe(staging: Path, verdicts: Iterable[Verdict]) -> None:
    """Add the tables of `OF_ITSELF`, read from what is staged and from its comments."""
    with _staged(staging) as connection:
        connection.execute(
            "create table marts.fct_controles (controle varchar, table_name varchar,"
            " nature varchar, is_bloquant boolean, is_reussi boolean, defauts_count bigint)"
        )
        if rows := [astuple(verdict) for verdict in verdicts]:
            connection.executemany(
                "insert into marts.fct_controles values (?, ?, ?, ?, ?, ?)", rows
            )
        connection.execute(
            "create table marts.ref_tables (table_name varchar, description varchar,"
            " lignes_count bigint, octets_count bigint, publie_at timestamp)"
        )
        connection.execute(
            "create table marts.ref_colonnes (table_name varchar, rang integer, colonne varchar,"
            " type varchar, description varchar)"
        )
        for mart, told in OF_ITSELF.items():
            _comment(connection, f"marts.{mart}", told)
        connection.execute(
            "insert into marts.ref_colonnes select table_name, column_index, column_name,"
            " data_type, coalesce(comment, '') from duckdb_columns() where schema_name = 'marts'"
            " order by all"
        )
        for mart in ("fct_controles", "ref_colonnes"):
            _write(connection, f"marts.{mart}", staging, mart)
        _list_tables(connection, staging)


def _list_tables(connection: duckdb.DuckDBPyConnection, staging: Path) -> None:
    """Fill ref_tables anew."""
    connection.execute("truncate marts.ref_tables")
    marts = connection.execute(
        "select table_name, coalesce(comment, '') from duckdb_tables()"
        " where schema_name = 'marts' order by all"
    ).fetchall()
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    rows = []
    for mart, described in marts:
        parquet = staging / PARQUET / f"{mart}.parquet"
        known = parquet.exists()
        count = _count(connection, f'marts."{mart}"') if known else len(marts)
        rows.append([mart, described, count, parquet.stat().st_size if known else None, now])
    connection.executemany("insert into marts.ref_tables values (?, ?, ?, ?, ?)", rows)
    _write(connection, "marts.ref_tables", staging, "ref_tables")


def _audit(staging: Path, expected: dict[str, int]) -> None:
    if not expected:
        raise PublicationError(
            "L'entrepôt ne contient aucune table dans le schéma marts. "
            "Remède : relancer `make build` ; si l'entrepôt reste vide, lire le journal de dbt."
        )
    with duckdb.connect(str(staging / DUCKDB), read_only=True) as connection:
        copied = set(_marts(connection)) & set(expected)
        found = {
            mart: (
                _count(connection, f'marts."{mart}"'),
                _count(connection, f"read_parquet('{_quoted(staging / PARQUET / mart)}.parquet')"),
            )
            for mart in copied
        }
    wrong = {mart for mart in expected if found.get(mart) != (expected[mart],) * 2}
    if wrong:
        raise PublicationError(
            f"La copie à publier diffère de l'entrepôt : {', '.join(sorted(wrong))}. "
            "Remède : vérifier la place sur le disque, puis relancer `make build`."
        )


def _refuse_emptied(rows: dict[str, int], published: Path, may_be_empty: Collection[str]) -> None:
    if not published.exists():
        return
    try:
        with duckdb.connect(str(published), read_only=True) as connection:
            emptied = [
                mart
                for mart in _marts(connection)
                if rows.get(mart) == 0
                and mart not in may_be_empty
                and _count(connection, f'marts."{mart}"') > 0
            ]
    except duckdb.Error:  # unreadable: nothing to compare with, and it is to be replaced
        return
    if emptied:
        raise PublicationError(
            f"{', '.join(emptied)} : vide, alors que sa source ne l'est pas et que la publication "
            "précédente ne l'était pas. Remède : corriger le modèle dbt, puis relancer "
            "`make build`."
        )


def _refuse_leaks(warehouse: Path, staging: Path, only: Collection[str]) -> None:
    """Attack the counts of persons as a reader could: ADR 11."""
    with duckdb.connect() as connection:
        stores.attach(connection, warehouse, "warehouse", read_only=True)
        connection.execute(f"attach '{_quoted(staging / DUCKDB)}' as staged (read_only)")
        try:
            rows = connection.execute("from warehouse.seeds.ref_tableaux").to_arrow_table()
            (threshold,) = connection.execute(
                "select valeur from warehouse.seeds.taxo_seuils where seuil = 'petites_cellules'"
            ).fetchall()[0]
        except duckdb.CatalogException:  # a warehouse that counts nobody
            return
        declared = tableaux.declared(rows.to_pylist())
        if only and not {one.mart for one in declared} & set(only):
            return  # what was attacked when it was published stands as it was

        def read(relation: str, one: tableaux.Tableau, is_exact: bool) -> tableaux.Counts:
            query = one.query(relation, is_exact=is_exact)
            return tableaux.Counts.read(one, connection.execute(query).to_arrow_table())

        leaks = tableaux.audit(
            declared,
            [read(f"warehouse.intermediate.{one.tableau}", one, True) for one in declared],
            [read(f"staged.marts.{one.mart}", one, False) for one in declared],
            threshold,
        )
    if leaks:
        raise PublicationError(
            "De petits comptes de personnes se liraient dans la publication :\n- "
            + "\n- ".join(map(str, leaks))
            + "\nRemède : déclarer dans le référentiel ref_tableaux ce qui se recoupe, ou publier "
            "un grain plus grossier, puis relancer `make build`."
        )


def _swap_folder(fresh: Path, link: Path) -> None:
    previous = link.readlink().name if link.is_symlink() else None
    new = fresh.rename(link.with_name(f".{link.name}-{time.time_ns()}"))
    new_link = fresh.with_name("link")
    new_link.symlink_to(new.name)
    os.replace(new_link, link)
    # The previous files stay until the next publication: a reader may have listed them already.
    for old in link.parent.glob(f".{link.name}-*"):
        if old.name not in (new.name, previous):
            shutil.rmtree(old)


def _marts(connection: duckdb.DuckDBPyConnection, database: str | None = None) -> list[str]:
    rows = connection.execute(
        "select table_name from information_schema.tables where table_schema = 'marts'"
        " and table_catalog = coalesce(?, current_database()) order by 1",
        [database],
    ).fetchall()
    return [name for (name,) in rows]


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = connection.execute(f"select count(*) from {relation}").fetchone()  # noqa: S608
    assert row is not None  # noqa: S101 – an aggregate always returns one row
    return int(row[0])


def _quoted(text: object) -> str:
    return str(text).replace("'", "''")
