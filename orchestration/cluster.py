"""What a cluster needs around a build: raw tables before it, a window on its own after it.

`CYBERIMPACT_ENGINE=spark` is the one setting; nothing else here or elsewhere knows the engine.
"""

import os
import socket
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from dlt_pipelines import lake, stores
from orchestration import marks

ENGINE = os.environ.get("CYBERIMPACT_ENGINE") or "duckdb"


class ClusterError(RuntimeError):
    """Spark does not answer; cause and remedy, in French."""


def prepare() -> Any:
    """Return the module through which dbt speaks to Spark, once it knows Python models."""
    # Absent where nobody asked for a cluster.
    spark = import_module("dbt_project.udfs.spark")
    os.environ["CYBERIMPACT_LAKE"] = stores.lake()
    spark.install()
    return spark


def begin(states: Iterable[tuple[str, str, Any]], report: Callable[[str], None]) -> None:
    """Bring the lake to what the raw store holds, and tell Spark of it.

    Args:
        states: schema, table and what tells one state of a raw table from another.
        report: called with a line of progress, in French.
    """
    if stores.key():
        raise ClusterError(
            "les données sont chiffrées au repos, et le lac ne le serait pas\n"
            "Remède : chiffrer le disque ou l’espace du lac, et retirer CYBERIMPACT_STORE_KEY"
        )
    _reach()
    found = {f"{schema}.{table}": marks.fingerprint(told) for schema, table, told in states}
    local = [] if "://" in stores.lake() else [Path(stores.lake(), "raw")]
    held = marks.get("lake", stores.lake(), *local) or {}
    marks.forget("lake")
    # Of the ledger of landings a state says the days alone.
    stale = [
        name
        for name, told in found.items()
        if held.get(name) != told or not name.startswith("raw_")
    ]
    report(f"lac : {len(stale)} des {len(found)} tables brutes à déposer")
    lake.fill(_by_schema(stale))
    prepare().declare(_by_schema(found))
    marks.put("lake", stores.lake(), found, *local)


def end(known: Collection[tuple[str, str]], layers: Iterable[str]) -> None:
    """Show in the warehouse what Spark built, for those who read it; `known` are dbt's tables."""
    _reach()
    prepare().mirror(known, layers)


def _reach() -> None:
    """Refuse to go on without a driver: each statement would wait for it in vain."""
    host = os.environ.get("CYBERIMPACT_SPARK_HOST") or "127.0.0.1"
    port = int(os.environ.get("CYBERIMPACT_SPARK_PORT") or 11000)
    try:
        socket.create_connection((host, port), timeout=20).close()
    except OSError as error:
        raise ClusterError(
            f"le pilote de Spark ne répond plus ({host}:{port} : {error.strerror or error})\n"
            "Remède : le relancer, puis relancer la même commande ; ce qui était à moitié écrit "
            "n’est lu par personne, et sera remplacé"
        ) from error


def _by_schema(names: Iterable[str]) -> dict[str, list[str]]:
    schemas = defaultdict(list)
    for name in names:
        schema, table = name.split(".")
        schemas[schema].append(table)
    return schemas
