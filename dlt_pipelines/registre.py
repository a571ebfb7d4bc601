"""The ledger of landings, beside the raw data: what came in, when, what was refused or set aside.

It lies in `raw.duckdb` and is written in one transaction once the data is in, so that it is the one
truth about what was taken: a landing killed before that is simply done again, and merges.
"""

import fcntl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import IO, Any

import duckdb
import pyarrow as pa

from dlt_pipelines import stores

_TABLES = """
create schema if not exists registre;
create schema if not exists quarantaine;
create table if not exists registre.sources (
    source text primary key, libelle text, pilier text, fraicheur_max_heures bigint,
    licence text, url text
);
create table if not exists registre.prises (
    prise_id text primary key, source text, origine text, debut_at timestamptz, secondes double,
    lignes_lues bigint, lignes_nouvelles bigint, lignes_modifiees bigint, lignes_ecartees bigint,
    fichiers_pris bigint, fichiers_refuses bigint, curseur_de text, curseur_a text,
    statut text, message text
);
create table if not exists registre.fichiers (
    source text, empreinte text, fichier text, statut text, motif text, octets bigint,
    lignes_lues bigint, lignes_retenues bigint, lignes_ecartees bigint, avertissements text,
    origine text, prise_at timestamptz, primary key (source, empreinte)
);
create table if not exists quarantaine.lignes (
    source text, table_name text, fichier text, ligne bigint, colonne text, classe_valeur text,
    motif text, origine text, prise_at timestamptz
);
create table if not exists registre.purges (
    source text, table_name text, colonne text, avant date, lignes bigint, purge_at timestamptz,
    primary key (source, table_name, colonne)
);
create table if not exists registre.traitements (
    source text, table_name text, colonne text, traitement text, finalite text, base_legale text,
    personnes text, destinataires text, categorie text, conservation_jours bigint,
    conservation text, primary key (source, table_name, colonne)
);
create table if not exists registre.cles (rang bigint primary key, nom text, depuis timestamptz);
"""


STORAGE = "v1.4.0"  # oldest DuckDB that reads the raw store: half the size of what older ones read


@contextmanager
def alone(name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock `name` of the data folder, against every other thread and process.

    The system gives it back whatever ends the process. `waiting` is called once if it is taken.
    """
    path = stores.data() / "verrous" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        # Not one blocking call: an interruption could not end it.
        while not taken(file):
            waiting()
            waiting = lambda: None  # noqa: E731 – said once
            time.sleep(0.1)
        yield


def taken(file: IO[Any]) -> bool:
    """Try to lock an open file, until it is closed; say whether it was free."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(name: str) -> bool:
    """Say whether somebody holds the lock `name` of the data folder."""
    try:
        with (stores.data() / "verrous" / f"{name}.lock").open() as file:
            return not taken(file)
    except FileNotFoundError:
        return False


class _Writer(threading.local):
    """Held while the raw store is open; a thread may enter again what it holds."""

    def __init__(self) -> None:
        self._depth = 0
        self._held = ExitStack()

    def __enter__(self) -> None:
        if self._depth == 0:
            self._held.enter_context(alone("raw"))
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._held.close()


WRITER = _Writer()
"""Sources are read side by side, and written one by one: DuckDB takes one process at a time."""


class LockedError(RuntimeError):
    """Another process holds the raw store."""


@contextmanager
def ledger() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the raw store for one transaction on the ledger; nothing is kept if it fails."""
    with WRITER, closing(_connected()) as connection:
        # A missing table must be an error, not a Python variable of the same name.
        connection.execute("set python_enable_replacements = false")
        connection.execute("set timezone = 'UTC'")
        connection.execute("begin")
        connection.execute(_TABLES)
        yield connection
        connection.execute("commit")


def _connected() -> duckdb.DuckDBPyConnection:
    try:
        return stores.connect(stores.raw(), storage=STORAGE)
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise LockedError(f"{stores.raw().name} est tenu par un autre processus") from error
        raise


def write(
    connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]], verb: str
) -> None:
    """Write `rows` into a table of the ledger; `verb` is `insert` or `insert or replace`."""
    if rows:
        # Not from_pylist(): it keeps the columns of the first row alone.
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {name: [row.get(name) for row in rows] for name in names}
        connection.register("written", pa.table(columns))
        connection.execute(f"{verb} into {table} by name from written")
        connection.unregister("written")
