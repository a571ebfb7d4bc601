"""What an incremental model in Python has done already, so that it does only what is new.

Each row read in a text says in which load its text came (`chargement_id`, which grows within a
source) and by which method it was read (`methode_empreinte`). What vanished is told by a hook of
the model: `oublier_disparus`.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

Made = TypeVar("Made")

FOLLOWS = "CYBERIMPACT_SUIVI"  # set while the worker builds: no variable of dbt comes to Python
KEPT = pa.schema(
    [
        ("source", pa.string()),
        ("methode_empreinte", pa.string()),
        ("chargement_id", pa.string()),
    ]
)


def mark(method: ModuleType, *inputs: pa.Table | bytes) -> str:
    """Return what changes when the code of `method`, or what it reads texts with, does."""
    digest = hashlib.sha256(Path(str(method.__file__)).read_bytes())
    for told in inputs:
        if isinstance(told, bytes):
            digest.update(told)
            continue
        order = [(name, "ascending") for name in told.column_names]
        for column in told.sort_by(order).combine_chunks().columns:
            for value in column.chunks:
                digest.update(str(value.type).encode())
                digest.update(pa.record_batch([value], ["_"]).serialize().to_pybytes())
    return digest.hexdigest()[:16]


_last: dict[str, tuple[str, Any]] = {}


def made_once(what: type[Made], method: str, make: Callable[[], Made]) -> Made:
    """Return what `make` returns, or what it returned in this process under the same mark."""
    kept = _last.get(what.__name__)
    if kept is None or kept[0] != method:
        kept = _last[what.__name__] = (method, make())
    made: Made = kept[1]
    return made


def unread(dbt: Any, session: Any, received: Any, method: str) -> Any:
    """Return the texts that the model has still to read, each once as it was last received.

    Args:
        dbt: the handle that dbt gives to the model.
        session: the connection that dbt gives to it.
        received: relation of source, message_id, texte (empty once purged) and chargement_id.
        method: the mark of what reads them; what another one read in them is forgotten.
    """
    seen: list[tuple[str, str]] = []
    texts = received.filter("texte is not null")
    this = str(dbt.this)
    if dbt.is_incremental:
        for column in KEPT.names:  # that a table of before knows nothing of
            session.execute(f"alter table {this} add column if not exists {column} varchar")
    if dbt.is_incremental and hasattr(received, "on_workers"):
        # Workers read every text again, and no hook takes away there what vanished.
        session.register("recus", received.select("message_id").distinct().to_arrow_table())
        session.execute(f"delete from {this} where message_id not in (from recus)")  # noqa: S608
        session.unregister("recus")
    elif dbt.is_incremental:
        seen = session.execute(
            f"select source, max(chargement_id) from {this}"  # noqa: S608
            " where methode_empreinte = ? group by source",
            [method],
        ).fetchall()
    if seen:
        known = ", ".join(f"'{source}'" for source, _ in seen)
        later = [f"source = '{source}' and chargement_id > '{load}'" for source, load in seen]
        texts = texts.filter(" or ".join([f"source not in ({known})", *later]))
    counted = texts.aggregate("message_id, count(*) as lignes", "message_id")
    if dbt.is_incremental:
        ids = counted.to_arrow_table()
        session.register("relus", ids)
        session.execute(f"delete from {this} where message_id in (select message_id from relus)")  # noqa: S608
        session.unregister("relus")
    last = (
        "source, message_id, max_by(texte, coalesce(chargement_id, '') || texte) as texte,"
        " max(chargement_id) as chargement_id",
        "source, message_id",
    )
    if hasattr(received, "on_workers"):
        return texts.aggregate(*last)
    # max_by holds its texts in memory, out of reach of the spill: ten million of them do not fit.
    # On one machine only those received twice (a post found under two subjects) go through it.
    if not dbt.is_incremental:
        ids = counted.filter("lignes > 1").to_arrow_table()
    twice = ids.filter(pc.greater(ids["lignes"], 1))
    if not twice.num_rows:
        return texts
    session.register("en_double", twice)
    once = texts.filter("message_id not in (select message_id from en_double)")
    again = texts.filter("message_id in (select message_id from en_double)").aggregate(*last)
    return once.select("source, message_id, texte, chargement_id").union(again)


def reopen(dbt: Any, session: Any, series: Any, days: int) -> dict[tuple[str, str], Any]:
    """Take away the last `days` judged, and what has another origin; return what stays closed.

    The worker, which adds to the series of yesterday and today alone, takes away two days.
    """
    if not dbt.is_incremental:
        return {}
    days = min(days, 2) if os.environ.get(FOLLOWS) else days
    this = str(dbt.this)
    given = series.project("source, origine").distinct().fetchall()
    held = session.execute(f"select distinct source, origine from {this}").fetchall()  # noqa: S608
    for source, origin in set(held) - set(given):
        session.execute(
            f"delete from {this} where source = ? and origine = ?",  # noqa: S608
            [source, origin],
        )
    last = session.execute(
        f"select source, grain, max(periode_at) - to_days(?) from {this} group by all",  # noqa: S608
        [days],
    ).fetchall()
    for source, grain, reopened in last:
        session.execute(
            f"delete from {this} where source = ? and grain = ? and periode_at > ?",  # noqa: S608
            [source, grain, reopened],
        )
    return {(source, grain): reopened for source, grain, reopened in last}
