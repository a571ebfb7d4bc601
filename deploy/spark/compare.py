"""Whether two warehouses say the same, row by row: `python -m deploy.spark.compare A B`.

Exact, but for what is a float, equal to 1e-9: engines do not add in the same order.
"""

import argparse
import sys
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from dlt_pipelines import stores

CLOSE = 1e-9


def differences(
    left: Path,
    right: Path,
    schemas: tuple[str, ...] = ("marts",),
    only: Collection[str] | None = None,
) -> dict[str, str]:
    """Return table → what differs, for each table (of those named in `only`) that does."""
    with closing(duckdb.connect()) as connection:
        stores.attach(connection, left, "a", read_only=True)
        stores.attach(connection, right, "b", read_only=True)
        found = {side: _tables(connection, side, schemas) for side in "ab"}
        told = {}
        for table in sorted(found["a"] | found["b"]):
            is_asked = only is None or table.partition(".")[2] in only
            if is_asked and (said := _difference(connection, table)):
                told[table] = said
    return told


def _tables(connection: duckdb.DuckDBPyConnection, side: str, schemas: tuple[str, ...]) -> set[str]:
    rows = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_catalog = ? and list_contains(?, table_schema)",
        [side, list(schemas)],
    ).fetchall()
    return {table for (table,) in rows}


def _difference(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    try:
        kinds = [
            {
                name: kind
                for name, kind, *_ in connection.execute(f"describe {side}.{table}").fetchall()
            }
            for side in "ab"
        ]
    except duckdb.CatalogException as error:
        return str(error).splitlines()[0]
    if kinds[0] != kinds[1]:
        differ = set(kinds[0].items()) ^ set(kinds[1].items())
        return f"colonnes : {sorted(differ)}"
    floats = [name for name, kind in kinds[0].items() if kind in ("DOUBLE", "FLOAT")]
    exact = [name for name in kinds[0] if name not in floats]
    order = ", ".join(f'"{name}"' for name in (*exact, *floats))
    # Of two rows alike but for a float, the same comes first on both sides.
    rounded = [f'round("{name}", 6)' for name in floats]
    sort = ", ".join([*(f'"{name}"' for name in exact), *rounded])
    rows = f"select {order} from {{}}.{table} order by {sort}"  # noqa: S608
    a, b = (connection.execute(rows.format(side)).to_arrow_table() for side in "ab")
    if len(a) != len(b):
        return f"{len(a)} lignes ≠ {len(b)}"
    wrong = {name: n for name in exact if (n := _unequal(a[name], b[name]))}
    for name in floats:
        x, y = (np.array(side[name].to_pylist(), float) for side in (a, b))
        if n := int((~np.isclose(x, y, rtol=CLOSE, atol=CLOSE, equal_nan=True)).sum()):
            wrong[name] = n
    return ", ".join(f"{name} : {n} des {len(a)} lignes" for name, n in wrong.items())


def _unequal(a: pa.ChunkedArray, b: pa.ChunkedArray) -> int:
    if a.equals(b):
        return 0
    return sum(x != y for x, y in zip(a.to_pylist(), b.to_pylist(), strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy.spark.compare", description=__doc__)
    parser.add_argument("warehouses", nargs=2, type=Path)
    parser.add_argument("--schemas", default="marts")
    asked = parser.parse_args()
    told = differences(*asked.warehouses, tuple(asked.schemas.split(",")))
    for table, said in told.items():
        print(f"{table} : {said}")
    print("identiques" if not told else f"{len(told)} tables diffèrent")
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
