"""What leaves the whole data folder: what is past its retention, and whoever asks to be erased.

The raw store is emptied first; what was made from it is made again from what is left, and what
older makings left behind is deleted.
"""

import gzip
import json
import mmap
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb

from dlt_pipelines import forgotten, registre, rights, stores
from dlt_pipelines.catalog import CATALOG, KEPT_DAYS
from orchestration import marks
from orchestration.backup import ASIDE

# A reader or a build may hold what is younger than that.
AT_REST = timedelta(hours=1)
# What was counted, or read in texts that leave long before their rows → what quotes these.
MEMORY = {
    "int_series__daily": None,
    "int_series__hourly": None,
    "int_series__jours_juges": None,
    "int_series__heures_jugees": None,
    "int_lieux__cites": "lieux",
    "int_messages__analyses": "mots",
}
INVENTED = "sandbox"  # the outside world, when it is played: nobody lives there


class ErasureError(RuntimeError):
    """Something of who asked to be erased is still there; where, and what to do, in French."""


def purge(instance: dg.DagsterInstance) -> rights.Gone:
    """Delete what is past its retention, but what a publication made since then will replace.

    The warehouse goes with the first row, because DuckDB would leave it in its file, but for what
    it remembers: the next refresh makes the rest again from the purged raw store.
    """
    gone = rights.purge()
    if any(gone.rows.values()):
        _unmake("warehouse")
    gone.files += sweep(AT_REST)
    gone.files += _drop(_old_logs())
    past = datetime.now(UTC) - timedelta(days=KEPT_DAYS["runs"])
    for run in instance.get_runs(dg.RunsFilter(created_before=past)):
        if run.is_finished:
            instance.delete_run(run.run_id)
            gone.files.append(f"dagster/{run.run_id}")
    return gone


def sweep(at_rest: timedelta = timedelta(0)) -> list[str]:
    """Delete what earlier publications and sites left, and return their names."""
    latest = datetime.now().timestamp() - at_rest.total_seconds()
    return _drop(path for path in _left_behind() if path.lstat().st_mtime <= latest)


def erase(
    rebuild: Callable[[], None], pseudonym: str = "", source: str = "", reference: str = ""
) -> rights.Erased:
    """Erase whoever bears `pseudonym`, or the row `reference` of `source`, from every file.

    `rebuild` makes the warehouse, the publication and the site again from the raw store.

    Raises:
        LookupError: nothing bears that; the message is French.
        ErasureError: something of it is still there.
    """
    erased = rights.erase(pseudonym, source, reference)
    _unmake("warehouse", "publication", "site")
    rebuild()
    erased.files += sweep()
    found = traces(erased)
    # A log that quotes a row is worth less than the right to be forgotten.
    erased.files += _drop(path for path in found if _is_log(path))
    if left := [str(path.relative_to(stores.data())) for path in found if path.exists()]:
        raise ErasureError(
            f"il en reste trace dans : {', '.join(left)}\n"
            "Remède : fermer les programmes qui tiennent ces fichiers et relancer ; s’ils ne "
            "viennent pas de CyberImpact, les supprimer."
        )
    return erased


def told(erased: rights.Erased, files_count: int) -> str:
    """Return the report of an erasure, in French and without personal data."""
    rows = [
        f"  {count} ligne(s) de {source}.{table}"
        for (source, table, _), count in erased.rows.items()
        if count
    ]
    return "\n".join(
        (
            "Effacement fait et vérifié.",
            *rows,
            f"  {len(erased.files)} fichier(s) ou dossier(s) supprimé(s), dont les fichiers déjà "
            "pris au dépôt de ces sources",
            "  entrepôt, publication et site refaits ; publications précédentes supprimées",
            f"Cherché ensuite dans {files_count} fichiers, tables comprises : {len(erased.names)} "
            f"identifiant(s) et {len(erased.texts)} texte(s), aucune trace.",
            f"Inscrit, sous forme d’empreinte, à {forgotten.erasures().name} : ces lignes "
            "ne reviendront pas. Joindre ce fichier aux sauvegardes ; détruire celles d’avant.",
        )
    )


def _unmake(*steps: str) -> None:
    """Have `steps` done again by whoever comes next; keep of the warehouse what it remembers."""
    with registre.WRITER:  # not while dbt builds it
        for step in steps:
            marks.forget(step)
        warehouse = stores.warehouse()
        fresh = warehouse.with_suffix(".fresh")
        fresh.unlink(missing_ok=True)
        if warehouse.exists():
            try:
                _remember(warehouse, fresh)
                os.replace(fresh, warehouse)
            except (duckdb.Error, stores.StoreKeyError):
                # One that cannot be read holds up no purge: it is made again from nothing.
                for path in (fresh, warehouse, warehouse.with_suffix(".duckdb.wal")):
                    path.unlink(missing_ok=True)


def _remember(warehouse: Path, fresh: Path) -> None:
    """Write to `fresh` what a warehouse remembers, of the posts alone that the raw store holds."""
    with closing(duckdb.connect()) as connection:
        stores.attach(connection, stores.raw(), "raw", read_only=True)
        stores.attach(connection, warehouse, "old")
        stores.attach(connection, fresh, "fresh")
        connection.execute("create schema fresh.intermediate")
        there = set(
            connection.execute(
                "select schema_name, table_name from duckdb_tables()"
                " where database_name in ('raw', 'old')"
            ).fetchall()
        )
        posts = " union all ".join(
            f"select '{source.name}:' || {kept.reference} as message_id, {text} as texte"  # noqa: S608
            f" from raw.raw_{source.name}.{table}"
            for source in CATALOG.values()
            for table, kept in source.retention.items()
            for text in kept.texts
            if (f"raw_{source.name}", table) in there
        )
        for name, quoted in MEMORY.items():
            if ("intermediate", name) in there:
                copied = f"from old.intermediate.{name}"
                if quoted:
                    copied = (
                        f"select read.* replace (if(is_there, {quoted}, null) as {quoted})"  # noqa: S608
                        f" {copied} as read inner join (select message_id,"
                        f" bool_or(texte is not null) as is_there from ({posts}) group by all)"
                        " as post on read.message_id = post.message_id"
                    )
                connection.execute(f"create table fresh.intermediate.{name} as {copied}")


def traces(erased: rights.Erased) -> list[Path]:
    """Return the files that tell of the erased rows: by their bytes, or by what they compress."""
    said = {json.dumps(text)[1:-1] for text in erased.texts} | erased.texts
    words = [rf"\b{re.escape(name)}\b" for name in sorted(erased.names)]
    wanted = "|".join(words + [re.escape(text) for text in sorted(said)])
    sought = re.compile(wanted.encode())
    literals = [text.encode() for text in sorted(erased.names | said)]
    return [path for path in searched() if _holds(path, literals, sought) or _tells(path, wanted)]


def searched() -> Iterator[Path]:
    """Yield every file of the data folder but those of the sandbox."""
    for path in sorted(stores.data().rglob("*")):
        is_invented = path.relative_to(stores.data()).parts[0] == INVENTED
        if path.is_file() and not path.is_symlink() and not is_invented:
            yield path


def _holds(path: Path, literals: Iterable[bytes], sought: re.Pattern[bytes]) -> bool:
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        content = gzip.decompress(mapped) if path.suffix == ".gz" else mapped
        # The expression knows where a word ends; what comes before it is a hundred times as fast.
        return any(content.find(text) >= 0 for text in literals) and bool(sought.search(content))


def _tells(path: Path, wanted: str) -> bool:
    if path.suffix == ".parquet":
        with duckdb.connect() as connection:
            connection.read_parquet(str(path)).create_view("one")
            return _any_value(connection, "one", wanted)
    if path.suffix == ".duckdb":
        with stores.connect(path, read_only=True) as connection:
            tables = connection.execute(
                "select schema_name, table_name from duckdb_tables()"
                " where database_name = current_database()"
            ).fetchall()
            return any(_any_value(connection, f'"{s}"."{t}"', wanted) for s, t in tables)
    return False


def _any_value(connection: duckdb.DuckDBPyConnection, table: str, wanted: str) -> bool:
    # A row as text: its lists and records too.
    query = f"select 1 from {table} as one where regexp_matches(one::text, ?) limit 1"  # noqa: S608
    return connection.execute(query, [wanted]).fetchone() is not None


def _is_log(path: Path) -> bool:
    first, second, *_ = (*path.relative_to(stores.data()).parts, "")
    return first == "logs" or (first, second) == ("dagster", "storage")


def _left_behind() -> Iterator[Path]:
    """Yield what nothing points to any more: publications, sites, what a restoration replaced."""
    published = stores.published_parquet(), stores.published_csv()
    current = {link.resolve() for link in (*published, stores.site()) if link.exists()}
    found = [
        *(old for link in published for old in link.parent.glob(f".{link.name}-*")),
        *stores.published().parent.glob(".staged"),
        *stores.data().glob(f"{stores.site().name}-*"),
        *stores.data().glob(f"{ASIDE}*"),
    ]
    yield from (path for path in found if path.resolve() not in current)
    work = stores.data() / "reports"
    if work.exists():
        yield work


def _old_logs() -> Iterator[Path]:
    past = datetime.now().timestamp() - KEPT_DAYS["journaux"] * 86_400
    yield from (
        path for path in (stores.data() / "logs").glob("*.log") if path.stat().st_mtime < past
    )


def _drop(paths: Iterator[Path]) -> list[str]:
    names = []
    for path in list(paths):
        names.append(str(path.relative_to(stores.data())))
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return names
