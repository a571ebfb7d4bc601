"""What does not come back, though its source tells it again.

A purge leaves the day before which it emptied a table; an erasure leaves a keyed hash in a list
that lies beside the raw store and outlives it. Neither says anything of anybody.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from dlt_pipelines import privacy, registre, stores
from dlt_pipelines.catalog import Source
from dlt_pipelines.door import Forgotten


class KeysError(RuntimeError):
    """The pseudonyms of the store were made with other keys; cause and remedy, in French."""


def erasures() -> Path:
    """Return the list of erasures: one JSON object a line, without personal data."""
    return stores.data() / "effacements.jsonl"


def oppose(lines: Iterable[dict[str, Any]]) -> None:
    """Add to the list of erasures, and have it on the disk before anything is deleted."""
    descriptor = os.open(erasures(), os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())


def opposed(source: Source, table: str) -> Forgotten:
    """Return what must not come in because somebody asked so."""
    listed: dict[str, set[str]] = defaultdict(set)
    for line in _listed():
        if (line["source"], line["table"]) == (source.name, table):
            listed[line["colonne"]].add(line["empreinte"])
    return Forgotten(opposed={column: frozenset(found) for column, found in listed.items()})


def forgotten(source: Source, table: str) -> Forgotten:
    """Return what must not come in, purged or erased."""
    listed = opposed(source, table)
    retention = source.retention.get(table)
    if retention is None:
        return listed
    with registre.ledger() as ledger:
        purged = ledger.execute(
            "select colonne, avant from registre.purges where source = ? and table_name = ?",
            [source.name, table],
        ).fetchall()
    return Forgotten(retention.by, dict(purged), listed.opposed)


def _listed() -> Iterator[dict[str, Any]]:
    with suppress(FileNotFoundError), erasures().open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def check_keys(ledger: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Refuse keys that are not those of the pseudonyms in the store: rows would come in twice.

    Raises:
        KeysError: a key was added that the store does not bear yet, or one is lost.
    """
    ours, known = privacy.key_names(privacy.pseudonym_keys()), known_keys(ledger)
    if not known:
        write_keys(ledger, ours)
    elif ours[: len(known)] != known:
        raise KeysError(
            f"{source.label} : la clé des pseudonymes n’est pas celle des données déjà prises\n"
            "Remède : rendre la clé d’avant ; si elle est perdue, "
            "lancer `python -m orchestration rotate-key --perdue`"
        )
    elif ours != known:
        raise KeysError(
            f"{source.label} : une clé de pseudonymes attend d’être appliquée\n"
            "Remède : lancer `python -m orchestration rotate-key`"
        )


def known_keys(ledger: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the names of the keys under which the pseudonyms of the store were made."""
    rows = ledger.execute("select nom from registre.cles order by rang").fetchall()
    return [name for (name,) in rows]


def write_keys(ledger: duckdb.DuckDBPyConnection, names: list[str]) -> None:
    ledger.execute("delete from registre.cles where not list_contains(?, nom)", [names])
    for rank, name in enumerate(names):
        ledger.execute(
            "insert into registre.cles values (?, ?, now()) on conflict do nothing", [rank, name]
        )
