"""Small cells: which counts of persons are hidden, so that nothing published gives one back.

A table is a count by named coordinates. Tables of one population meet on the coordinates that they
share: by day and by département, both add up to the month. Every such margin is a cell, published
or not, and every sum an equation that an attacker may write. `protect` chooses what to hide,
`leaks` plays the attacker, `held` compares with what was published before.

Deterministic: a choice depends on the names and counts of the cells it concerns, on nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# What a reader saw of a cell, when no count: no table to look into, no row in it, a hidden one.
UNSEEN, ABSENT, HIDDEN = -3, -2, -1


@dataclass(frozen=True)
class Table:
    """Counts of persons by named coordinates; `presumed` is one whose sum the world may know."""

    name: str
    population: str
    keys: Mapping[str, Sequence[str]]
    counts: Ints
    presumed: str | None = None


@dataclass(frozen=True)
class System:
    """Cells and the sums that bind them: `parent[e]` is the sum of the `child` whose `of` is e."""

    values: Ints
    order: Ints  # settles equal counts, from the names of the cell alone
    parent: Ints
    of: Ints
    child: Ints
    rows: Mapping[str, Ints]  # table -> cell of each row
    presumed: Ints  # cells, published or not, that the world may know

    @property
    def is_printed(self) -> Flags:
        printed = np.zeros(len(self.values), bool)
        for cells in self.rows.values():
            printed[cells] = True
        return printed

    def blocks(self) -> Ints:
        """Return for each cell the number of the group of cells that sums bind together."""
        everything = np.ones(len(self.values), bool)
        return _components(self, everything)[0]


# ---- the system ------------------------------------------------------------------------------


def system(tables: Sequence[Table]) -> System:
    """Return the cells of the tables and of all their common margins, and the sums among them.

    A source may contradict itself, and give one total by day and another by age: a margin is then
    as many cells as it has values, each bound to those that add up to it.
    """
    builder = _Builder()
    for population in dict.fromkeys(table.population for table in tables):
        builder.add([table for table in tables if table.population == population])
    return builder.result()


class _Builder:
    def __init__(self) -> None:
        self.values: list[Ints] = []
        self.order: list[Ints] = []
        self.parent: list[Ints] = []
        self.of: list[Ints] = []
        self.child: list[Ints] = []
        self.rows: dict[str, Ints] = {}
        self.presumed: list[Ints] = []
        self.cells = 0
        self.equations = 0

    def add(self, tables: Sequence[Table]) -> None:
        coded, names = _coded(tables)
        margins = _margins(tables)
        # Sums of each table at each margin it covers: coordinates, sum, fine row -> margin row.
        sums = {
            (table.name, margin): _summed(coded[table.name], table.counts, margin)
            for table in tables
            for margin in margins
            if margin <= coded[table.name].keys()
        }
        cells: dict[tuple[str, frozenset[str]], Ints] = {}
        for margin in margins:
            covering = [table.name for table in tables if (table.name, margin) in sums]
            stacked = np.concatenate([np.column_stack(sums[name, margin][:2]) for name in covering])
            unique, inverse = np.unique(stacked, axis=0, return_inverse=True)
            ids = inverse.reshape(-1) + self.cells
            self.values.append(unique[:, -1])
            self.order.append(_named(unique[:, :-1], sorted(margin), names))
            self.cells += len(unique)
            ends = np.cumsum([len(sums[name, margin][1]) for name in covering])
            for name, of_table in zip(covering, np.split(ids, ends[:-1]), strict=True):
                cells[name, margin] = of_table
        for table in tables:
            own = frozenset(table.keys)
            self.rows[table.name] = cells[table.name, own][sums[table.name, own][2]]
            if table.presumed:
                self.presumed.append(cells[table.name, own - {table.presumed}])
            for fine, coarse in _covers([m for m in margins if m <= own]):
                to_fine, to_coarse = sums[table.name, fine][2], sums[table.name, coarse][2]
                _, first = np.unique(to_fine, return_index=True)
                self.bind(cells[table.name, coarse], to_coarse[first], cells[table.name, fine])

    def bind(self, parents: Ints, of: Ints, children: Ints) -> None:
        self.parent.append(parents)
        self.of.append(of + self.equations)
        self.child.append(children)
        self.equations += len(parents)

    def result(self) -> System:
        def joined(parts: list[Ints]) -> Ints:
            return np.concatenate(parts) if parts else np.zeros(0, np.int64)

        parent, of, child = _distinct(joined(self.parent), joined(self.of), joined(self.child))
        return System(
            joined(self.values),
            joined(self.order),
            parent,
            of,
            child,
            self.rows,
            joined(self.presumed),
        )


def _coded(
    tables: Sequence[Table],
) -> tuple[dict[str, dict[str, Ints]], dict[str, list[str]]]:
    """Return table -> coordinate -> codes, and coordinate -> the names behind the codes."""
    coded: dict[str, dict[str, Ints]] = {table.name: {} for table in tables}
    names: dict[str, list[str]] = {}
    for key in {key for table in tables for key in table.keys}:
        codes: dict[str, int] = {}
        for table in tables:
            if key in table.keys:
                coded[table.name][key] = np.array(
                    [codes.setdefault(name, len(codes)) for name in table.keys[key]], np.int64
                )
        names[key] = list(codes)
    return coded, names


def _margins(tables: Sequence[Table]) -> list[frozenset[str]]:
    """Return the sets of coordinates of the tables, and all that they have in common."""
    margins = {frozenset(table.keys) for table in tables}
    margins |= {frozenset(t.keys) - {t.presumed} for t in tables if t.presumed}
    while True:
        met = {one & other for one, other in combinations(margins, 2)} - margins
        if not met:
            return sorted(margins, key=lambda margin: (len(margin), sorted(margin)))
        margins |= met


def _covers(
    margins: Sequence[frozenset[str]],
) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Return each margin with those just above it: the sums in between say the rest."""
    return [
        (fine, coarse)
        for fine in margins
        for coarse in margins
        if coarse < fine and not any(coarse < between < fine for between in margins)
    ]


def _summed(
    coded: Mapping[str, Ints], counts: Ints, margin: frozenset[str]
) -> tuple[Ints, Ints, Ints]:
    matrix = np.column_stack([*(coded[key] for key in sorted(margin)), np.zeros_like(counts)])
    unique, inverse = np.unique(matrix, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    sums = np.zeros(len(unique), np.int64)
    np.add.at(sums, inverse, counts)
    return unique[:, :-1], sums, inverse


def _named(codes: Ints, keys: Sequence[str], names: Mapping[str, list[str]]) -> Ints:
    """Return a number drawn from the names of each cell, the same whatever lies around it."""
    drawn = np.full(len(codes), crc32("|".join(keys).encode()), np.uint64)
    for column, key in enumerate(keys):
        of_name = np.array([crc32(name.encode()) for name in names[key]] or [0], np.uint64)
        drawn = drawn * np.uint64(0x9E3779B97F4A7C15) + of_name[codes[:, column]]
    return (drawn >> np.uint64(1)).astype(np.int64)


def _distinct(parent: Ints, of: Ints, child: Ints) -> tuple[Ints, Ints, Ints]:
    """Keep each equation once: two tables often say the same sum."""
    generator = np.random.default_rng(0)
    marks = generator.integers(0, 2**63, int(max(parent.max(initial=0), child.max(initial=0))) + 1)
    signature = marks[parent] * np.int64(3)
    np.add.at(signature, of, marks[child])
    _, first = np.unique(np.column_stack([parent, signature]), axis=0, return_index=True)
    kept = np.full(len(parent), -1, np.int64)
    kept[np.sort(first)] = np.arange(len(first))
    entries = kept[of] >= 0
    return parent[np.sort(first)], kept[of[entries]], child[entries]


# ---- hiding ----------------------------------------------------------------------------------


def protect(of: System, threshold: int) -> Flags:
    """Return the cells to hide: those below the threshold, and those that would give them back.

    Of what could be hidden beside a small count, the smallest goes first.
    """
    hidden = _complete(of, (of.values > 0) & (of.values < threshold), threshold)
    while True:
        leaking = leaks(of, hidden, threshold)
        if not leaking.any():
            return hidden
        more = _beside(of, hidden, leaking)
        hidden = _complete(of, hidden | more, threshold)


def _complete(of: System, hidden: Flags, threshold: int) -> Flags:
    """Hide until each sum leaves room: the whole truth where sums form trees."""
    hidden = hidden.copy()
    equations = len(of.parent)
    while True:
        low = np.where(hidden, _lowest(of, hidden), of.values)
        unknown = np.bincount(of.of, hidden[of.child], equations)
        room = np.bincount(of.of, (of.values - low)[of.child], equations)
        is_open = hidden[of.parent]
        # A hidden sum needs a hidden part; hidden parts of a known sum need room among them.
        short = np.where(
            is_open, unknown == 0, (unknown > 0) & ((unknown < 2) | (room < threshold))
        )
        short &= of.values[of.parent] > 0
        if not short.any():
            return hidden
        if (short & is_open).any():
            short &= is_open  # parts first: what they leave to their sum counts in its own
        free = short[of.of] & ~hidden[of.child] & (of.values[of.child] > 0)
        served = _cheapest(of, of.of[free], of.child[free])
        hidden[served[1]] = True
        exhausted = short.copy()
        exhausted[served[0]] = False
        hidden[of.parent[exhausted]] = True


def _lowest(of: System, hidden: Flags) -> Ints:
    """Return the least that each hidden cell can be: one, or the sum of what it holds."""
    low = np.where(hidden, 1, of.values)
    while True:
        least = np.zeros(len(of.parent), np.int64)
        np.add.at(least, of.of, low[of.child])
        raised = low.copy()
        np.maximum.at(raised, of.parent, least)
        raised = np.where(hidden, np.minimum(raised, of.values), of.values)
        if (raised == low).all():
            return low
        low = raised


def _cheapest(of: System, groups: Ints, cells: Ints) -> tuple[Ints, Ints]:
    """Return each group once, with its cell of least count."""
    ranked = np.lexsort((of.order[cells], of.values[cells], groups))
    found, first = np.unique(groups[ranked], return_index=True)
    return found, cells[ranked][first]


def _beside(of: System, hidden: Flags, leaking: Flags) -> Flags:
    """Return for each leaking cell the cheapest one to hide near it."""
    more = np.zeros_like(hidden)
    near = leaking
    while True:
        touched = near[of.parent]
        touched |= np.bincount(of.of, near[of.child], len(of.parent)) > 0
        entries = touched[of.of]
        groups = np.concatenate([of.of[entries], np.flatnonzero(touched)])
        cells = np.concatenate([of.child[entries], of.parent[touched]])
        free = ~hidden[cells] & (of.values[cells] > 0)
        if free.any():
            more[_cheapest(of, groups[free], cells[free])[1]] = True
            return more
        wider = near.copy()
        wider[cells] = True
        if (wider == near).all():
            raise ValueError("rien ne peut protéger ces cellules")
        near = wider


# ---- attack ----------------------------------------------------------------------------------


def leaks(of: System, hidden: Flags, threshold: int) -> Flags:
    """Return the hidden cells that what is not hidden tells too closely.

    Too closely: never as much as the threshold, or within an interval narrower than it.
    """
    low, high = bounds(of, np.where(hidden, HIDDEN, of.values), hidden.astype(np.float64))
    return hidden & ((high < threshold) | (high - low < threshold))


def bounds(of: System, seen: Ints, least: Floats) -> tuple[Floats, Floats]:
    """Return the least and the most that each cell can be, for one who reads what is `seen`.

    Exact: by passing bounds along the sums where these form trees, by linear programming where
    they cross. `least` is what an unseen cell is known to reach.
    """
    unknown = seen == HIDDEN
    low = np.where(unknown, least, seen).astype(np.float64)
    high = np.where(unknown, np.inf, seen).astype(np.float64)
    component, crossed = _components(of, unknown)
    low, high = _passed_along(of, low, high)
    for number in np.flatnonzero(crossed) if (low <= high).all() else ():
        _programmed(of, (component == number) & unknown, seen, low, high)
    return low, high


def _passed_along(of: System, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    equations = len(of.parent)
    for _ in range(200):
        before = low, high
        low, high = low.copy(), high.copy()
        least = np.bincount(of.of, low[of.child], equations)
        endless = np.bincount(of.of, np.isinf(high[of.child]), equations)
        most = np.bincount(of.of, np.where(np.isinf(high), 0, high)[of.child], equations)
        others_most = np.where(
            endless[of.of] - np.isinf(high[of.child]) > 0,
            np.inf,
            most[of.of] - np.where(np.isinf(high), 0, high)[of.child],
        )
        floor = low[of.parent][of.of] - others_most
        ceiling = high[of.parent][of.of] - (least[of.of] - low[of.child])
        np.maximum.at(low, of.parent, least)
        np.minimum.at(high, of.parent, np.where(endless > 0, np.inf, most))
        np.maximum.at(low, of.child, floor)
        np.minimum.at(high, of.child, ceiling)
        settled = (low == before[0]).all() and (high == before[1]).all()
        if settled or (low > high).any():  # or what is seen contradicts itself
            break
    return low, high


def _components(of: System, among: Flags) -> tuple[Ints, Flags]:
    """Return the component of each cell, and of each component whether its sums cross."""
    from scipy.sparse import coo_matrix  # type: ignore[import-untyped]
    from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]

    cells, equations = len(of.values), len(of.parent)
    own, part = among[of.parent], among[of.child]
    left = np.concatenate([of.parent[own], of.child[part]])
    right = np.concatenate([np.flatnonzero(own), of.of[part]]) + cells
    size = cells + equations
    graph = coo_matrix((np.ones(len(left), bool), (left, right)), (size, size))
    count, label = connected_components(graph, directed=False)
    nodes = np.bincount(label, minlength=count)
    edges = np.bincount(label[left], minlength=count)
    return label[:cells].astype(np.int64), edges >= nodes


def _programmed(of: System, inside: Flags, seen: Ints, low: Floats, high: Floats) -> None:
    from scipy.optimize import linprog  # type: ignore[import-untyped]
    from scipy.sparse import coo_matrix

    cells = np.flatnonzero(inside)
    column = np.full(len(seen), -1, np.int64)
    column[cells] = np.arange(len(cells))
    own, part = inside[of.parent], inside[of.child]
    concerned = own | (np.bincount(of.of, part, len(of.parent)) > 0)
    line = np.cumsum(concerned) - 1
    entries = concerned[of.of] & part
    matrix = coo_matrix(
        (
            np.concatenate([np.ones(entries.sum()), -np.ones(own.sum())]),
            (
                np.concatenate([line[of.of[entries]], line[own]]),
                np.concatenate([column[of.child[entries]], column[of.parent[own]]]),
            ),
        ),
        (int(concerned.sum()), len(cells)),
    ).tocsr()
    known = np.where(inside, 0, seen).astype(np.float64)
    parts = np.bincount(of.of, known[of.child], len(of.parent))
    right = (known[of.parent] - parts)[concerned]
    limits = np.column_stack([low[cells], high[cells]])
    for rank, cell in enumerate(cells):
        cost = np.zeros(len(cells))
        cost[rank] = 1
        least = linprog(cost, A_eq=matrix, b_eq=right, bounds=limits)
        most = linprog(-cost, A_eq=matrix, b_eq=right, bounds=limits)
        if least.status == 0:
            low[cell] = max(low[cell], np.ceil(least.fun - 1e-6))
        if most.status == 0:
            high[cell] = min(high[cell], np.floor(-most.fun + 1e-6))


# ---- two successive publications --------------------------------------------------------------


def held(of: System, hidden: Flags, before: Ints, threshold: int) -> Flags:
    """Return the cells whose block must stay as it was published.

    `before` is what a reader saw of each cell: a count, HIDDEN, ABSENT or UNSEEN. A block that
    had never been published is new and never held; one that says the same again is not either.
    Otherwise the reader may set the two side by side: no difference below the threshold may show,
    nor may the difference give a hidden cell back.
    """
    printed = of.is_printed & (before != UNSEEN)
    block = of.blocks()
    present = printed & (before != ABSENT)
    now = np.where(hidden, HIDDEN, of.values)
    moved = present & (now != before) | (printed & (before == ABSENT) & (of.values > 0))
    result = np.zeros(len(of.values), bool)
    for number in np.intersect1d(block[present], block[moved]):
        inside = block == number
        seen = np.where(printed, before, HIDDEN)
        if not _is_safe_after(of, inside, printed, now, seen, threshold):
            result |= inside
    return result


def _is_safe_after(
    of: System, inside: Flags, printed: Flags, now: Ints, before: Ints, threshold: int
) -> bool:
    cells = np.flatnonzero(inside)
    then = np.where(before[cells] == ABSENT, 0, before[cells])
    now = now[cells]
    gap = np.where((then == HIDDEN) | (now == HIDDEN), HIDDEN, now - then)
    known = (then != HIDDEN) & (now != HIDDEN)
    if (known & ((gap < 0) | ((gap > 0) & (gap < threshold)))).any():
        return False
    # What is uncovered may be as it was: only where everything moved does it not tell the rest.
    uncovered = printed[cells] & (then == HIDDEN) & (now != HIDDEN)
    if uncovered.any() and (known & printed[cells] & (then > 0) & (gap == 0)).any():
        return False
    size = len(cells)
    place = np.full(len(inside), -1, np.int64)
    place[cells] = np.arange(size)
    kept = inside[of.parent]
    line = np.cumsum(kept) - 1
    entries = kept[of.of]
    parent, child, group = (
        place[of.parent[kept]],
        place[of.child[entries]],
        line[of.of[entries]],
    )
    count = len(parent)
    # What was, what is, and what came in between: what is = what was + what came.
    both = System(
        np.zeros(3 * size, np.int64),
        np.zeros(3 * size, np.int64),
        np.concatenate([parent, parent + size, parent + 2 * size, np.arange(size) + size]),
        np.concatenate(
            [group, group + count, group + 2 * count, *[np.arange(size) + 3 * count] * 2]
        ),
        np.concatenate(
            [child, child + size, child + 2 * size, np.arange(size), np.arange(size) + 2 * size]
        ),
        {},
        np.zeros(0, np.int64),
    )
    seen = np.concatenate([then, now, gap])
    was_hidden = printed[cells] & (then == HIDDEN)
    least = np.concatenate([was_hidden, np.ones(size), np.zeros(size)]).astype(np.float64)
    low, high = bounds(both, seen, least)
    if (low > high).any():
        return False
    tight = (high < threshold) | (high - low < threshold)
    counted = np.concatenate([was_hidden, now == HIDDEN, np.zeros(size, bool)])
    came = np.concatenate([np.zeros(2 * size, bool), gap == HIDDEN])
    return not ((counted & tight) | (came & (low >= 1) & (high < threshold))).any()
