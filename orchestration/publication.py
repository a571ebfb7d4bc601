"""Publish the marts: write beside, audit, attack, swap.

A reader that holds the old file keeps it, a new reader gets the new one, and neither meets the
writer: on one live file 158 of 162 writer batches failed under four readers.
"""

import os
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb

from dbt_project.udfs import tableaux
from dlt_pipelines import stores

# The oldest storage that keeps our types: older readers (Node, JDBC, DBeaver) open it too.
STORAGE_VERSION = "v1.2.0"

DUCKDB, PARQUET = "cyberimpact.duckdb", "parquet"  # in the staging folder


# Mart -> (description, column -> description).
Descriptions = Mapping[str, tuple[str, Mapping[str, str]]]


class PublicationError(RuntimeError):
    """The staged publication failed its audit; the message says why, and what to do, in French."""


def publish(
    warehouse: Path,
    published: Path,
    parquet: Path,
    descriptions: Descriptions | None = None,
    may_be_empty: Collection[str] = (),
) -> dict[str, int]:
    """Copy schema `marts` of `warehouse` to `published` and `parquet`, and return mart -> rows.

    `parquet` becomes a symbolic link, the only folder that can be swapped in one step.

    Args:
        warehouse: the file dbt builds; read only.
        published: the file analysts open, replaced atomically.
        parquet: folder of one Parquet file per mart, replaced atomically.
        descriptions: what analysts read beside each table and column in their tool.
        may_be_empty: marts whose own source holds no row; any other mart that had rows and has
            none any more stops the publication.

    Raises:
        PublicationError: the audit failed. The previous publication is untouched.
    """
    staging = published.parent / ".staged"
    shutil.rmtree(staging, ignore_errors=True)  # with the log of a copy that was killed
    staging.mkdir(parents=True)
    try:
        rows = _copy(warehouse, staging, descriptions or {})
        _audit(staging, rows)
        _refuse_emptied(rows, published, may_be_empty)
        _refuse_leaks(warehouse, staging)
        stores.share(staging / PARQUET, staging / DUCKDB)
        _swap_folder(staging / PARQUET, parquet)
        os.replace(staging / DUCKDB, published)
    finally:
        shutil.rmtree(staging)
    return rows


def content(published: Path) -> str:
    """Return a text that changes when a published name, type, comment or value changes."""
    with duckdb.connect(str(published), read_only=True) as connection:
        columns = connection.execute(
            "select table_name, column_name, data_type, comment from duckdb_columns()"
            " where schema_name = 'marts' order by all"
        ).fetchall()
        tables = connection.execute(
            "select table_name, comment from duckdb_tables() where schema_name = 'marts'"
            " order by all"
        ).fetchall()
        marts = [name for name, _ in tables]
        digests = [f"select sum(hash({mart})) from marts.{mart}" for mart in marts]  # noqa: S608
        rows = [connection.execute(digest).fetchone() for digest in digests]
    return repr((tables, columns, rows))


def _copy(warehouse: Path, staging: Path, descriptions: Descriptions) -> dict[str, int]:
    rows = {}
    (staging / PARQUET).mkdir()
    with duckdb.connect() as connection:
        stores.attach(connection, warehouse, "warehouse", read_only=True)
        connection.execute(
            f"attach '{_quoted(staging / DUCKDB)}' as staged (storage_version '{STORAGE_VERSION}')"
        )
        connection.execute("create schema staged.marts")
        for mart in _marts(connection, "warehouse"):
            source, target = f'warehouse.marts."{mart}"', f'staged.marts."{mart}"'
            connection.execute(f"create table {target} as from {source}")
            connection.execute(f"copy {target} to '{_quoted(staging / PARQUET / mart)}.parquet'")
            rows[mart] = _count(connection, source)
            described, columns = descriptions.get(mart, ("", {}))
            connection.execute(f"comment on table {target} is '{_quoted(described)}'")
            for column, said in columns.items():
                connection.execute(f"comment on column {target}.\"{column}\" is '{_quoted(said)}'")
    return rows


def _audit(staging: Path, expected: dict[str, int]) -> None:
    if not expected:
        raise PublicationError(
            "L'entrepôt ne contient aucune table dans le schéma marts. "
            "Remède : relancer `make build` ; si l'entrepôt reste vide, lire le journal de dbt."
        )
    with duckdb.connect(str(staging / DUCKDB), read_only=True) as connection:
        found = {
            mart: (
                _count(connection, f'marts."{mart}"'),
                _count(connection, f"read_parquet('{_quoted(staging / PARQUET / mart)}.parquet')"),
            )
            for mart in _marts(connection)
        }
    wrong = {mart for mart in expected | found if found.get(mart) != (expected.get(mart),) * 2}
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


def _refuse_leaks(warehouse: Path, staging: Path) -> None:
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
