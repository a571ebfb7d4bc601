"""What leaves the raw store: rows past their retention, and those of whoever asks to be erased.

What left does not come back when its source tells it again: see `forgotten`.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dlt_pipelines import PARIS, depot, forgotten, landings, privacy, registre, stores
from dlt_pipelines.catalog import CATALOG, KEPT_DAYS, NOBODY, Source
from dlt_pipelines.door import Column, Door

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
    today = today or datetime.now(PARIS).date()
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
    return datetime(day.year, day.month, day.day, tzinfo=PARIS)


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


# ---- erasure --------------------------------------------------------------------------------


@dataclass
class Erased(Gone):
    """What an erasure took away, and what must be found nowhere any more.

    Attributes:
        names: pseudonyms, and references with their source, of the rows.
        texts: what those rows alone said.
    """

    names: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)


LONG_ENOUGH = 20  # characters of a text that are nobody else's by chance


def erase(pseudonym: str = "", source: str = "", reference: str = "") -> Erased:
    """Delete the rows that bear a pseudonym, or a reference of a source, and keep them out.

    The list of erasures is written first: a row half erased never comes back. The files of the
    depot whose rows are in the store go too, since they hold the rows as they came, and so does
    what dlt keeps: both of the sources concerned alone.

    Args:
        pseudonym: as the tables show it.
        source: key of CATALOG.
        reference: as the source writes it, or its pseudonym.

    What was erased already is told by its name alone, so that a proof that failed is run again.

    Raises:
        LookupError: no table bears such a thing; the message is French.
    """
    erased = Erased()
    for one in [CATALOG[source]] if source else CATALOG.values():
        with registre.alone(one.name), registre.ledger() as ledger:
            for door in _doors(ledger, one):
                for column in door.kept:
                    if source:
                        is_sought = column.name == one.reference(door.table)
                    else:
                        is_sought = column.personal == privacy.PSEUDONYMISE
                    if is_sought:
                        values = {pseudonym or reference}
                        if source and column.personal == privacy.PSEUDONYMISE:
                            values.add(privacy.renamed(reference, privacy.pseudonym_keys())[-1])
                        _erase_rows(ledger, one, door, column, sorted(values), erased)
            taken = _taken(ledger, one)
        if any(count for (name, *_), count in erased.rows.items() if name == one.name):
            _drop(_files_of(one, taken), erased)
            folder = stores.data() / "dlt" / one.name
            _drop([folder] if folder.exists() else [], erased)
    if not erased.names:
        raise LookupError(
            "aucune ligne ne porte ce pseudonyme ou cette référence\nRemède : donner le pseudonyme "
            "tel que les tables le montrent, la référence telle que sa source l’écrit"
        )
    compact()
    return erased


def _erase_rows(
    ledger: duckdb.DuckDBPyConnection,
    source: Source,
    door: Door,
    column: Column,
    values: list[str],
    erased: Erased,
) -> None:
    table = f"raw_{source.name}.{door.table}"
    theirs = f"list_contains($values, cast({column.name} as varchar))"
    bound = {"values": values}
    found = ledger.execute(f"select * from {table} where {theirs}", bound).to_arrow_table()  # noqa: S608
    erased.rows[source.name, door.table, ""] = found.num_rows
    keys = privacy.pseudonym_keys()
    listed = forgotten.opposed(source, door.table).opposed.get(column.name, frozenset())
    held = {value for value in values for k in keys if privacy.opposition(value, k) in listed}
    is_pseudonym = column.personal == privacy.PSEUDONYMISE
    held.update(found[column.name].cast(pa.string()).to_pylist())
    erased.names.update(held if is_pseudonym else (f"{source.name}:{value}" for value in held))
    if not found.num_rows:
        return
    forgotten.oppose(
        {
            "le": datetime.now(UTC).isoformat(timespec="seconds"),
            "source": source.name,
            "table": door.table,
            "colonne": column.name,
            "empreinte": privacy.opposition(value, keys[-1]),
            "lignes": found.num_rows,
        }
        for value in sorted(held)
    )
    ledger.register("found", found)
    ledger.execute(
        "delete from quarantaine.lignes as aside where source = ? and table_name = ? and exists ("
        "select 1 from found where aside.fichier = _fichier and aside.ligne = _ligne)",
        [source.name, door.table],
    )
    ledger.unregister("found")
    ledger.execute(f"delete from {table} where {theirs}", bound)  # noqa: S608
    for (staged,) in ledger.execute(
        "select table_name from duckdb_tables() where schema_name = ?",
        [f"raw_{source.name}_staging"],
    ).fetchall():
        ledger.execute(f"delete from raw_{source.name}_staging.{staged}")  # noqa: S608
    for text in (one.name for one in door.kept if one.personal == privacy.REDACT):
        for said in set(found[text].to_pylist()):
            if said and len(said) >= LONG_ENOUGH and not _said_by_others(ledger, table, text, said):
                erased.texts.add(said)


def _said_by_others(ledger: duckdb.DuckDBPyConnection, table: str, column: str, said: str) -> bool:
    query = f"select 1 from {table} where contains({column}, ?) limit 1"  # noqa: S608
    return bool(ledger.execute(query, [said]).fetchone())


# ---- keys -----------------------------------------------------------------------------------


def rotate(lost: bool = False) -> dict[tuple[str, str, str], int]:
    """Add a key, and rename under it every pseudonym of the store, in one transaction.

    Where the keys come from the environment, the new one is added there first. Killed half way, it
    is done again by running it again.

    Args:
        lost: accept keys that are not those of the store; what it holds keeps its pseudonyms, and
            nobody can link them to the new ones.

    Returns:
        (source, table, column) → pseudonyms renamed.

    Raises:
        LookupError: the keys are not those of the store, or no new one was given.
    """
    with registre.ledger() as ledger:
        known = forgotten.known_keys(ledger)
    keys = privacy.pseudonym_keys()
    names = privacy.key_names(keys)
    if known and names[: len(known)] != known and not lost:
        raise LookupError(
            "les clés des pseudonymes ne sont pas celles des données déjà prises\n"
            "Remède : les rendre ; si elles sont perdues, ajouter --perdue"
        )
    if lost:
        known = names
    elif names == known:
        keys = privacy.add_key()
    renamed: dict[tuple[str, str, str], int] = {}
    with ExitStack() as held:
        for source in CATALOG.values():
            held.enter_context(registre.alone(source.name))
        ledger = held.enter_context(registre.ledger())
        if known != privacy.key_names(keys):
            for source in CATALOG.values():
                for door in _doors(ledger, source):
                    for column in door.kept:
                        if column.personal == privacy.PSEUDONYMISE:
                            count = _rename(ledger, source, door, column, keys[len(known) :])
                            renamed[source.name, door.table, column.name] = count
        forgotten.write_keys(ledger, privacy.key_names(keys))
    compact()
    return renamed


def _rename(
    ledger: duckdb.DuckDBPyConnection,
    source: Source,
    door: Door,
    column: Column,
    added: tuple[bytes, ...],
) -> int:
    table = f"raw_{source.name}.{door.table}"
    query = f"select distinct {column.name} from {table} where {column.name} is not null"  # noqa: S608
    before = [name for (name,) in ledger.execute(query).fetchall()]
    after = [privacy.renamed(name, added)[-1] for name in before]
    columns = {"avant": pa.array(before, pa.string()), "apres": pa.array(after, pa.string())}
    ledger.register("names", pa.table(columns))
    digest = door.digest({column.name: "apres"})
    changes = f"{column.name} = apres, _empreinte = {digest}"
    ledger.execute(f"update {table} set {changes} from names where {column.name} = avant")  # noqa: S608
    ledger.unregister("names")
    return len(before)


def _doors(ledger: duckdb.DuckDBPyConnection, source: Source) -> Iterator[Door]:
    """Yield the doors of the tables of `source` that are in the store."""
    landed = ledger.execute(
        "select table_name from duckdb_tables() where schema_name = ?", [f"raw_{source.name}"]
    ).fetchall()
    doors = landings.doors_of(source, REAL, landed=False) if landed else {}
    for table, door in doors.items():
        if (table,) in landed:
            yield door


def compact() -> None:
    """Write the raw store anew: DuckDB leaves in its file the bytes of what was deleted."""
    with registre.WRITER:
        stores.rewrite(stores.raw(), registre.STORAGE)
