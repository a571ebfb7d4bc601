"""Run the Python models of dbt over the tables of Spark.

A model is the same text on both engines. What it reads comes as a relation of DuckDB over the
Parquet files of the table, in this process: series, signals and counts are small whatever the
number of messages. What it reads a page at a time (`pages.read`) is read by the workers.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pyarrow as pa
from dbt.adapters.base import PythonJobHelper
from dbt.adapters.spark.impl import SparkAdapter
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from dbt_project.udfs import pages
from dlt_pipelines import stores


class Relation:
    """A table of Spark as DuckDB reads it; `on_workers`, as its workers do."""

    def __init__(self, frame: DataFrame, relation: duckdb.DuckDBPyRelation) -> None:
        self._frame, self._relation = frame, relation

    def __getattr__(self, name: str) -> Any:
        return getattr(self._relation, name)

    def filter(self, condition: str) -> "Relation":
        return Relation(self._frame.filter(condition), self._relation.filter(condition))

    def aggregate(self, columns: str, keys: str = "") -> "Relation":
        query = f"select {columns} from {{frame}} group by {keys or 'all'}"  # noqa: S608
        grouped = self._frame.sparkSession.sql(query, frame=self._frame)
        return Relation(grouped, self._relation.aggregate(columns, keys))

    def on_workers(self, columns: list[str], of_page: pages.Read, schema: pa.Schema) -> DataFrame:
        made = partial(pages.batches, of_page)
        return self._frame.select(*columns).mapInArrow(made, from_arrow_schema(schema))


class Job(PythonJobHelper):
    """What dbt submits a Python model to."""

    def __init__(self, parsed_model: dict[str, Any], credentials: Any) -> None:
        self._incremental = parsed_model["config"]["materialized"] == "incremental"

    def submit(self, compiled_code: str) -> None:
        words: dict[str, Any] = {}
        exec(compile(compiled_code, "<dbt>", "exec"), words)  # noqa: S102 – the model itself
        with connected() as spark, duckdb.connect() as session:
            session.execute("set timezone = 'UTC'")
            session.execute("set memory_limit = ?", [os.environ.get("CYBERIMPACT_MEMORY", "2GB")])
            dbt = words["dbtObj"](partial(table, spark, session))
            kept = str(dbt.this) if self._incremental and dbt.is_incremental else None
            if kept:
                schema, _ = kept.split(".")
                session.execute(f"create schema {schema}")
                table(spark, session, kept).to_table(kept)
            made = words["model"](dbt, session)
            location = words["location"]
            if isinstance(made, DataFrame):
                made.write.mode("overwrite").parquet(location)
            else:
                write(session, made, f"{location}/made.parquet")
            if kept:
                write(session, session.table(kept), f"{location}/kept.parquet")


def connected() -> SparkSession:
    """Return a session of Spark Connect, to be closed.

    A new one each time: a session goes on seeing the files of a table that another has replaced.
    """
    return SparkSession.builder.remote(
        os.environ.get("CYBERIMPACT_SPARK_CONNECT", "sc://127.0.0.1:15002")
    ).create()


def declare(schemas: dict[str, list[str]]) -> None:
    """Tell Spark the raw tables, with the columns of the store and the files of the lake."""
    with connected() as spark, closing(stores.connect(stores.raw(), read_only=True)) as raw:
        for schema, tables in schemas.items():
            spark.sql(f"create schema if not exists {schema}")
            for name in tables:
                columns = ", ".join(
                    f"`{column}` {_known(kind)}"
                    for column, kind, *_ in raw.execute(f"describe {schema}.{name}").fetchall()
                )
                folder = f"{stores.lake()}/raw/{schema}/{name}"
                spark.sql(f"drop table if exists {schema}.{name}")
                spark.sql(
                    f"create table {schema}.{name} ({columns}) using parquet location '{folder}'"
                )


def _known(kind: str) -> str:
    """Return how Spark calls a type of DuckDB."""
    names = {"VARCHAR": "STRING", "JSON": "STRING", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP"}
    return names.get(kind, kind)


def table(spark: SparkSession, session: duckdb.DuckDBPyConnection, name: str) -> Any:
    """Return a table of Spark as `session` reads it."""
    frame = spark.table(name)
    if spark.catalog.getTable(name).tableType == "VIEW":
        relation = session.from_arrow(frame.toArrow())
    else:
        relation = session.read_parquet(sorted(map(_path, frame.inputFiles())))
    return Relation(frame, relation.project(", ".join(_naive(relation))))


def mirror(known: Collection[tuple[str, str]], layers: Iterable[str]) -> None:
    """Make the warehouse a window on the tables of Spark, so that whoever reads it sees no engine.

    The marts and the seeds are copied, the rest is read where it lies; a table that is not `known`,
    and what no table points to any more, are deleted.
    """
    fresh = stores.warehouse().with_suffix(".fresh")
    fresh.unlink(missing_ok=True)
    used = set()
    with connected() as spark, closing(stores.connect(fresh)) as session:
        session.execute("set timezone = 'UTC'")
        for schema in layers:
            session.execute(f"create schema {schema}")
            copied = "table" if schema in ("marts", "seeds") else "view"
            for found in spark.catalog.listTables(schema):
                name = f"{schema}.{found.name}"
                if (schema, found.name) not in known:
                    spark.sql(f"drop {'view' if found.tableType == 'VIEW' else 'table'} {name}")
                elif found.tableType != "VIEW":
                    files = list(map(_path, spark.table(name).inputFiles()))
                    used.update(file.rpartition("/")[0] for file in files)
                    columns = ", ".join(_naive(session.read_parquet(files)))
                    session.execute(
                        f"create {copied} {name} as select {columns} from read_parquet({files})"  # noqa: S608
                    )
    os.replace(fresh, stores.warehouse())
    lake, root = fsspec.url_to_fs(stores.lake())
    for folder in lake.glob(f"{root}/warehouse/*/*/*"):
        if folder not in used:
            lake.rm(folder, recursive=True)


def write(session: duckdb.DuckDBPyConnection, made: Any, location: str) -> None:
    """Write what a model made as a file of its table."""
    path = _path(location)
    if "://" not in path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(made, duckdb.DuckDBPyRelation):
        # Apart: rows that the session still streams would wait for their own writing.
        apart = session.cursor()
        apart.execute("set timezone = 'UTC'")
        made = apart.from_arrow(made)
    made.project(", ".join(_aware(made))).write_parquet(path)


def _naive(relation: Any) -> Iterator[str]:
    """Yield each column with the types of DuckDB: instants of Spark are UTC ones."""
    for name, kind in zip(relation.columns, map(str, relation.types), strict=True):
        plain = kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMP")
        yield f'"{name}"' if plain == kind else f'cast("{name}" as {plain}) as "{name}"'


def _aware(relation: Any) -> Iterator[str]:
    """Yield each column with the types that Spark knows."""
    for name, kind in zip(relation.columns, map(str, relation.types), strict=True):
        known = re.sub(r"TIMESTAMP(_S|_MS|_NS)?\b(?! WITH)", "TIMESTAMP WITH TIME ZONE", kind)
        known = known.replace("HUGEINT", "BIGINT")
        yield f'"{name}"' if known == kind else f'cast("{name}" as {known}) as "{name}"'


def _path(url: str) -> str:
    """Return where DuckDB finds what Spark names."""
    return url.removeprefix("file://").replace("s3a://", "s3://")


def install() -> None:
    """Let dbt-spark run Python models, which it sends to Databricks alone."""
    SparkAdapter.default_python_submission_method = "here"  # type: ignore[assignment]
    SparkAdapter.python_submission_helpers = {"here": Job}  # type: ignore[assignment]
