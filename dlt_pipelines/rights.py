"""What leaves the raw store: rows past their retention, and those of whoever asks to be erased.

What left does not come back when its source tells it again: see `forgotten`.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from dlt_pipelines import depot, landings, registre, stores
from dlt_pipelines.catalog import CATALOG, KEPT_DAYS, NOBODY, Source
from dlt_pipelines.door import PARIS, Door

REAL = "reel"


@dataclass
class Gone:
    """What a purge or an erasure took away.

    Attributes:
        rows: (source, table, column) → rows deleted, or texts emptied where a column is named.
        files: what was deleted of the data folder, by name, relative to it.
    """

    rows: dict[tuple[str, str, str], int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(self.rows.values()) or bool(self.files)


# ---- purge ----------------------------------------------------------------------------------


def purge(today: date | None = None) -> Gone:
    """Delete from the raw store, the depot and dlt's folders what is past its retention.

    The days are those of Paris and the bounds half-open: what is dated `today` minus the retention
    is kept, what is dated the day before is not. Running it twice changes nothing.
    """
    today = today or datetime.now(ZoneInfo(PARIS)).date()
    gone = Gone()
    for source in CATALOG.values():
        with registre.alone(source.name), registre.ledger() as ledger:
            for door in _doors(ledger, source):
                _purge_table(ledger, source, door, today, gone)
            _purge_ledger(ledger, source, today, gone)
            taken = _taken(ledger, source, before=_past(today, "depot"))
        if source.persons != NOBODY:
            _drop(_files_of(source, taken), gone)
        _drop(_done(source), gone)
    if any(gone.rows.values()):
        compact()
    return gone


def _purge_table(
    ledger: duckdb.DuckDBPyConnection, source: Source, door: Door, today: date, gone: Gone
) -> None:
    retention = source.retention.get(door.table)
    if retention is None:
        return
    table = f"raw_{source.name}.{door.table}"
    kind = next(column.data_type for column in door.columns if column.name == retention.by)
    day = f"timezone('{PARIS}', {retention.by})::date" if kind == "timestamp" else retention.by
    before = {
        column: today - timedelta(days=days)
        for column, days in {"": retention.days, **retention.texts}.items()
    }
    late = f"delete from {table} where {day} < ?"  # noqa: S608
    counts = {"": _changed(ledger, late, [before[""]])}
    for column in retention.texts:
        # The hash of the row would else still tell what the text was, and the same row, when its
        # source tells it again without its text, would pass for another one.
        emptied = f"{column} = null, _empreinte = {door.digest({column: 'null'})}"
        late = f"update {table} set {emptied} where {day} < ? and {column} is not null"  # noqa: S608
        counts[column] = _changed(ledger, late, [before[column]])
    for column, count in counts.items():
        gone.rows[source.name, door.table, column] = count
        ledger.execute(
            "insert into registre.purges values (?, ?, ?, ?, ?, now()) on conflict do update set"
            # A clock that went wrong once must not bring back what was purged.
            " avant = greatest(avant, excluded.avant), lignes = lignes + excluded.lignes,"
            " purge_at = excluded.purge_at",
            [source.name, door.table, column, before[column], count],
        )


def _purge_ledger(
    ledger: duckdb.DuckDBPyConnection, source: Source, today: date, gone: Gone
) -> None:
    """Forget the details of landings; what says what was taken stays, and holds counts alone."""
    for table, kept, statement in (
        (
            "quarantaine.lignes",
            "quarantaine",
            "delete from quarantaine.lignes where source = ? and prise_at < ?",
        ),
        (
            "registre.prises",
            "echecs",
            "delete from registre.prises where statut = 'echec' and source = ? and debut_at < ?",
        ),
        (
            "registre.fichiers",
            "fichiers",
            "update registre.fichiers set fichier = left(empreinte, 12), avertissements = null"
            " where source = ? and prise_at < ? and fichier <> left(empreinte, 12)",
        ),
    ):
        count = _changed(ledger, statement, [source.name, _past(today, kept)])
        key = ("", table, "fichier" if kept == "fichiers" else "")
        gone.rows[key] = gone.rows.get(key, 0) + count


def _past(today: date, kept: str) -> datetime:
    """Return the first instant that is kept."""
    day = today - timedelta(days=KEPT_DAYS[kept])
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(PARIS))


def _taken(
    ledger: duckdb.DuckDBPyConnection, source: Source, before: datetime | None = None
) -> set[str]:
    return {
        digest
        for (digest,) in ledger.execute(
            "select empreinte from registre.fichiers where source = ? and origine = ?"
            " and statut = 'pris' and prise_at < coalesce(?, 'infinity'::timestamptz)",
            [source.name, REAL, before],
        ).fetchall()
    }


def _files_of(source: Source, taken: set[str]) -> Iterator[Path]:
    """Yield the files of the depot whose rows are in the store; they lie there as they came."""
    folder = stores.depot() / source.name
    for path in sorted(folder.iterdir()) if taken and folder.is_dir() else ():
        with suppress(depot.RefusedFileError):
            if depot.File.identify(path).digest in taken:
                yield path


def _done(source: Source) -> Iterator[Path]:
    """Yield what dlt keeps of loads that ended; a load to be finished stays."""
    folder = stores.data() / "dlt" / source.name
    yield from sorted(folder.glob("load/loaded/*"))
    yield from folder.glob("trace.pickle")


def _drop(paths: Iterable[Path], gone: Gone) -> None:
    for path in paths:
        gone.files.append(str(path.relative_to(stores.data())))
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _changed(ledger: duckdb.DuckDBPyConnection, statement: str, bound: list[Any]) -> int:
    return int(ledger.execute(statement, bound).fetchall()[0][0])


def _doors(ledger: duckdb.DuckDBPyConnection, source: Source) -> Iterator[Door]:
    """Yield the doors of the tables of `source` that are in the store."""
    landed = ledger.execute(
        "select table_name from duckdb_tables() where schema_name = ?", [f"raw_{source.name}"]
    ).fetchall()
    for table, door in landings.doors_of(source, REAL, landed=False).items():
        if (table,) in landed:
            yield door
        door.close()


def compact() -> None:
    """Write the raw store anew: DuckDB leaves in its file the bytes of what was deleted."""
    with registre.WRITER:
        stores.rewrite(stores.raw(), registre.STORAGE)
