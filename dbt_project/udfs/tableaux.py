"""The published counts of persons: what the seed `ref_tableaux` declares, hidden and attacked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dbt_project.udfs import suppression
from dbt_project.udfs.suppression import ABSENT, HIDDEN, UNSEEN, Flags, Ints, System, Table

UNKNOWN = "∅"  # as the macro nom_de_cellule writes it


@dataclass(frozen=True)
class Tableau:
    """One count of one exact table, and the mart where it is published."""

    tableau: str
    mart: str
    mesure: str
    population: str
    cle: tuple[str, ...]  # what names a row
    dans: tuple[str, ...]  # what its coordinates lie in: the month of a day
    total_connu: str | None
    si: str | None

    @property
    def name(self) -> str:
        return f"{self.mart}.{self.mesure} ({self.population})"

    def query(self, relation: str, *, is_exact: bool) -> str:
        """Return the SQL that reads the counts; in a mart, a null one is hidden."""
        keys = [*self.cle, *(self.dans if is_exact else ())]
        read = [f"coalesce(cast({key} as varchar), '{UNKNOWN}') as {key}" for key in keys]
        where = [self.si or "true", *([f"{self.mesure} is not null"] if is_exact else [])]
        # A mart without `is_masque` was published before the law: nothing of it is kept.
        read += [] if is_exact else ["is_masque"]
        return (
            f"select {', '.join(read)}, origine, {self.mesure} as compte from {relation}"  # noqa: S608
            f" where {' and '.join(where)}"
        )


@dataclass(frozen=True)
class Counts:
    """Rows as they were read: coordinates as text, and counts (HIDDEN where null)."""

    keys: Mapping[str, Sequence[str]]
    names: Sequence[str]
    origins: Sequence[str]
    counts: Ints

    @classmethod
    def read(cls, tableau: Tableau, rows: pa.Table) -> "Counts":
        keys = {
            key: rows[key].to_pylist()
            for key in (*tableau.cle, *tableau.dans)
            if key in rows.column_names
        }
        names = ["|".join(row) for row in zip(*(keys[key] for key in tableau.cle), strict=True)]
        counts = rows["compte"].cast(pa.int64()).fill_null(HIDDEN).to_numpy()
        return cls(keys, names, rows["origine"].to_pylist(), counts)


@dataclass(frozen=True)
class Leak:
    """What the attack got back, told without the counts."""

    mart: str
    mesure: str
    cells: int
    why: str

    def __str__(self) -> str:
        return f"{self.mart}, {self.mesure} : {self.cells} cellule(s) {self.why}"


def declared(rows: Iterable[Mapping[str, Any]]) -> list[Tableau]:
    """Return the tables that the rows of the seed declare."""
    return [
        Tableau(
            row["tableau"],
            row["mart"],
            row["mesure"],
            row["population"],
            tuple(row["cle"].split()),
            tuple((row["dans"] or "").split()),
            row["total_connu"] or None,
            row["si"] or None,
        )
        for row in rows
    ]


def retained(
    tableaux: Sequence[Tableau],
    exacts: Sequence[Counts],
    before: Sequence[Counts | None],
    threshold: int,
) -> pa.Table:
    """Return one row per count that is not published as it is.

    Args:
        tableaux: the declared tables.
        exacts: the counts of each.
        before: what a reader of the previous publication saw of each; None if it was not there.
        threshold: the least count of persons that may be published.
    """
    of = _system(tableaux, exacts)
    hidden = suppression.protect(of, threshold)
    seen = np.full(len(of.values), UNSEEN, np.int64)
    for tableau, exact, previous in zip(tableaux, exacts, before, strict=True):
        if previous is not None:
            np.maximum.at(seen, of.rows[tableau.name], _seen(exact, previous))
    held = suppression.held(of, hidden, seen, threshold)
    told = np.where(hidden, HIDDEN, of.values)
    # Should the threshold have risen, what was said below it is not said again.
    again = np.where((seen > 0) & (seen < threshold), HIDDEN, np.maximum(seen, HIDDEN))
    told = np.where(held, again, told)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("tableau", "mesure", "cle", "publie_count", "is_revision_retenue")
    }
    for tableau, exact in zip(tableaux, exacts, strict=True):
        cells = of.rows[tableau.name]
        for row in np.flatnonzero(told[cells] != exact.counts).tolist():
            count = int(told[cells[row]])
            columns["tableau"].append(tableau.tableau)
            columns["mesure"].append(tableau.mesure)
            columns["cle"].append(exact.names[row])
            columns["publie_count"].append(None if count == HIDDEN else count)
            columns["is_revision_retenue"].append(bool(held[cells[row]]))
    return pa.table(
        columns,
        pa.schema(
            [
                ("tableau", pa.string()),
                ("mesure", pa.string()),
                ("cle", pa.string()),
                ("publie_count", pa.int64()),
                ("is_revision_retenue", pa.bool_()),
            ]
        ),
    )


def audit(
    tableaux: Sequence[Tableau],
    exacts: Sequence[Counts],
    published: Sequence[Counts],
    threshold: int,
) -> list[Leak]:
    """Return what a reader of the published counts can get back.

    It looks at what is published and at nothing that chose it. A block where a revision is held
    back says what the previous publication said, and was attacked then.
    """
    of = _system(tableaux, exacts)
    seen = np.full(len(of.values), ABSENT, np.int64)
    is_held = np.zeros(len(of.values), bool)
    printed: list[Ints] = []
    found: list[Leak] = []
    for tableau, exact, shown in zip(tableaux, exacts, published, strict=True):
        small = int(((shown.counts > 0) & (shown.counts < threshold)).sum())
        if small:
            found.append(Leak(tableau.mart, tableau.mesure, small, "sous le seuil"))
        told = {name for name, n in zip(shown.names, shown.counts, strict=True) if n != HIDDEN}
        strange = len(told - set(exact.names))
        if strange:
            found.append(Leak(tableau.mart, tableau.mesure, strange, "sans compte exact"))
        row = _seen(exact, shown)
        printed.append(row)
        cells = of.rows[tableau.name]
        np.maximum.at(seen, cells, row)
        is_held[cells[(row >= 0) & (row != exact.counts)]] = True
    block = of.blocks()
    is_held = np.isin(block, block[is_held])
    known = _known(of, seen, threshold)
    least = (seen == HIDDEN) & of.is_printed
    low, high = suppression.bounds(of, np.where(known, of.values, HIDDEN), least.astype(np.float64))
    leaking = ~known & ~is_held & ((high < threshold) | (high - low < threshold))
    for tableau, row in zip(tableaux, printed, strict=True):
        deduced = int((leaking[of.rows[tableau.name]] & (row == HIDDEN)).sum())
        if deduced:
            found.append(Leak(tableau.mart, tableau.mesure, deduced, "déductible(s) des autres"))
    return found


def _known(of: System, seen: Ints, threshold: int) -> Flags:
    """Return the cells whose count a reader has: read, or presumed where parts of it are."""
    known = seen >= 0
    parts = np.zeros(len(of.parent), np.int64)
    np.add.at(parts, of.of, (known & (of.values > 0))[of.child])
    presumed = np.zeros(len(of.values), bool)
    presumed[of.presumed] = True
    in_part = np.zeros(len(of.values), bool)
    in_part[of.parent[parts > 0]] = True
    return known | (presumed & in_part & ~of.is_printed & (of.values >= threshold))


def _system(tableaux: Sequence[Tableau], exacts: Sequence[Counts]) -> System:
    return suppression.system(
        [
            Table(tableau.name, tableau.population, exact.keys, exact.counts, tableau.total_connu)
            for tableau, exact in zip(tableaux, exacts, strict=True)
        ]
    )


def _seen(exact: Counts, shown: Counts) -> Ints:
    """Return what is shown of each exact row; real counts say nothing of invented ones."""
    found = dict(
        zip(zip(shown.names, shown.origins, strict=True), shown.counts.tolist(), strict=True)
    )
    rows = zip(exact.names, exact.origins, strict=True)
    return np.array([found.get(row, ABSENT) for row in rows], np.int64)
