"""The raw store as Parquet, which the workers of a cluster read: docs/spark.md.

The store stays the memory of the door, and what is deleted, purged or erased there leaves the lake
the next time that it is filled: a table that has changed is written whole.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import dlt
import duckdb

from dlt_pipelines import stores

ROWS = 100_000  # of a file


def fill(schemas: dict[str, list[str]]) -> None:
    """Write tables of the raw store, by schema, in the place of what the lake holds of them."""
    with closing(stores.connect(stores.raw(), read_only=True)) as connection:
        for schema, tables in schemas.items():
            name = f"lac_{schema}"
            # A row keeps the load that brought it through the door.
            dlt.config[f"{name}.normalize.parquet_normalizer.add_dlt_load_id"] = False
            pipeline = dlt.pipeline(
                name,
                pipelines_dir=str(stores.data() / "dlt"),
                destination=dlt.destinations.filesystem(
                    f"{stores.lake()}/raw", layout="{table_name}/{load_id}.{file_id}.{ext}"
                ),
                dataset_name=schema,
            )
            pipeline.run(
                [_resource(connection, schema, table) for table in tables],
                loader_file_format="parquet",
            )


def _resource(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> Any:
    def rows() -> Iterator[Any]:
        # dlt asks tables in turns: a connection that they shared would forget the one before.
        with closing(connection.cursor()) as own:
            own.execute("set timezone = 'UTC'")
            yield from own.execute(f'from "{schema}"."{table}"').to_arrow_reader(ROWS)

    return dlt.resource(rows, name=table, write_disposition="replace")
