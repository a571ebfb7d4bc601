"""Small cells: what is hidden cannot be had back, and the attack that says so can succeed."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_project.udfs import suppression, tableaux
from dbt_project.udfs.suppression import ABSENT, HIDDEN, System, Table

SEUIL = 5


def table(name: str, keys: dict[str, Sequence[str]], counts: Sequence[int], **more) -> Table:
    return Table(name, more.pop("population", "p"), keys, np.array(counts, np.int64), **more)


def tabulate(name: str, counts: dict[tuple[str, ...], int], keys: Sequence[str]) -> Table:
    rows = sorted(counts)
    columns = {key: [row[rank] for row in rows] for rank, key in enumerate(keys)}
    return table(name, columns, [counts[row] for row in rows])


def shown(of: System, hidden: np.ndarray, name: str) -> list[int | None]:
    return [None if hidden[cell] else int(of.values[cell]) for cell in of.rows[name]]


def persons(size: int, ways: dict[str, int]) -> st.SearchStrategy[list[dict[str, str]]]:
    """Worlds of persons, each with one place on each axis."""
    person = st.fixed_dictionaries(
        {axis: st.integers(0, n - 1).map(lambda i, a=axis: f"{a}{i}") for axis, n in ways.items()}
    )
    return st.lists(person, max_size=size)


def counted(world: list[dict[str, str]], name: str, keys: Sequence[str]) -> Table:
    counts: dict[tuple[str, ...], int] = {}
    for person in world:
        row = tuple(person[key] for key in keys)
        counts[row] = counts.get(row, 0) + 1
    return tabulate(name, counts, keys)


def possible(tables: Sequence[Table], printed: dict[str, list[int | None]], most: int):
    """Return what each hidden count can be: every world tried, the sums of pairs of tables alone.

    Shares nothing with the module but the tables: neither its margins nor its equations.
    """
    places = [
        (t.name, row) for t in tables for row, count in enumerate(printed[t.name]) if count is None
    ]
    found: dict[tuple[str, int], set[int]] = {place: set() for place in places}
    for guess in product(range(1, most + 1), repeat=len(places)):
        tried = {name: list(counts) for name, counts in printed.items()}
        for (name, row), count in zip(places, guess, strict=True):
            tried[name][row] = count
        if all(agree(one, other, tried) for one in tables for other in tables):
            for place, count in zip(places, guess, strict=True):
                found[place].add(count)
    return found


def agree(one: Table, other: Table, tried: dict[str, list[int]]) -> bool:
    common = sorted(set(one.keys) & set(other.keys))
    sums = []
    for each in (one, other):
        total: dict[tuple[str, ...], int] = {}
        for row, count in enumerate(tried[each.name]):
            place = tuple(each.keys[key][row] for key in common)
            total[place] = total.get(place, 0) + count
        sums.append({place: count for place, count in total.items() if count})
    return sums[0] == sums[1]


def test_a_small_count_takes_the_smallest_other_with_it() -> None:
    total = table("t", {"mois": ["a"]}, [60])
    places = table("d", {"mois": ["a"] * 4, "dep": list("1234")}, [3, 40, 8, 9])
    of = suppression.system([total, places])
    hidden = suppression.protect(of, SEUIL)
    assert shown(of, hidden, "t") == [60]
    assert shown(of, hidden, "d") == [None, 40, None, 9]


def test_zero_and_the_threshold_itself_are_published() -> None:
    of = suppression.system([table("d", {"dep": list("123")}, [0, 5, 4])])
    assert shown(of, suppression.protect(of, SEUIL), "d") == [0, 5, None]


def test_when_the_parts_cannot_hide_their_sum_is_hidden_and_its_neighbour() -> None:
    total = table("t", {"mois": ["a"]}, [47])
    places = table("d", {"mois": ["a"] * 3, "dep": list("123")}, [5, 12, 30])
    kinds = table(
        "k", {"mois": ["a"] * 7, "dep": list("1111123"), "type": list("abcdexy")},
        [1, 1, 1, 1, 1, 12, 30],
    )  # fmt: skip
    of = suppression.system([total, places, kinds])
    hidden = suppression.protect(of, SEUIL)
    assert shown(of, hidden, "d") == [None, None, 30]
    assert shown(of, hidden, "k") == [None] * 6 + [30]
    assert not suppression.leaks(of, hidden, SEUIL).any()


def test_two_tables_that_share_a_month_guard_each_other() -> None:
    days = table("j", {"mois": ["a"] * 3, "jour": list("123")}, [2, 20, 30])
    places = table("d", {"mois": ["a"] * 2, "dep": list("12")}, [22, 30])
    of = suppression.system([days, places])
    assert shown(of, suppression.protect(of, SEUIL), "j") == [None, None, 30]


def test_a_source_that_contradicts_itself_keeps_its_two_totals() -> None:
    total = table("t", {"mois": ["a"]}, [10])
    days = table("j", {"mois": ["a"] * 2, "jour": list("12")}, [5, 4])
    of = suppression.system([total, days])
    hidden = suppression.protect(of, SEUIL)
    assert (shown(of, hidden, "t"), shown(of, hidden, "j")) == ([10], [None, None])


def test_a_sum_that_the_world_may_know_counts_as_published() -> None:
    answers = {"service": ["s"] * 3, "reponse": list("abc")}
    alone = suppression.system([table("r", answers, [3, 30, 120])])
    known = suppression.system([table("r", answers, [3, 30, 120], presumed="reponse")])
    assert shown(alone, suppression.protect(alone, SEUIL), "r") == [None, 30, 120]
    assert shown(known, suppression.protect(known, SEUIL), "r") == [None, None, 120]


@pytest.mark.parametrize(
    "planted",
    [
        [False, True, False, False, False],  # alone under a published sum
        [False, True, True, False, False],  # two that cannot be far from what they are
    ],
)
def test_the_attack_finds_a_planted_leak(planted: list[bool]) -> None:
    total = table("t", {"mois": ["a"]}, [72])
    places = table("d", {"mois": ["a"] * 4, "dep": list("1234")}, [2, 2, 28, 40])
    of = suppression.system([total, places])
    cells = np.concatenate([of.rows["t"], of.rows["d"]])
    hidden = np.zeros(len(of.values), bool)
    hidden[cells] = planted
    assert suppression.leaks(of, hidden, SEUIL)[cells].tolist() == planted


def test_the_attack_finds_a_leak_that_no_single_sum_shows() -> None:
    """Two squares of hidden cells and one between them: each sum hides two cells or more."""
    lines, columns = "abcd", "wxyz"
    counts = {(line, column): 20 for line, column in product(lines, columns)} | {("b", "y"): 3}
    tables = [
        tabulate("c", counts, ["line", "column"]),
        tabulate("l", {(k,): sum(counts[k, c] for c in columns) for k in lines}, ["line"]),
        tabulate("m", {(k,): sum(counts[a, k] for a in lines) for k in columns}, ["column"]),
    ]
    of = suppression.system(tables)
    planted = {*product("ab", "wx"), *product("cd", "yz"), ("b", "y")}
    hidden = np.zeros(len(of.values), bool)
    hidden[of.rows["c"]] = [place in planted for place in sorted(counts)]
    found = suppression.leaks(of, hidden, SEUIL)[of.rows["c"]]
    assert [place for place, leaks in zip(sorted(counts), found, strict=True) if leaks] == [
        ("b", "y")
    ]
    assert not suppression.leaks(of, suppression.protect(of, SEUIL), SEUIL).any()


TREES = [("mois",), ("mois", "jour"), ("mois", "dep"), ("mois", "dep", "type")]
CROSSED = [("mois", "dep"), ("mois", "type"), ("mois", "dep", "type")]


@settings(max_examples=60, deadline=None)
@given(persons(60, {"mois": 2, "jour": 3, "dep": 4, "type": 2}), st.sampled_from([TREES, CROSSED]))
def test_hostile_tables_are_protected(world, grains) -> None:
    tables = [counted(world, "/".join(keys), keys) for keys in grains]
    of = suppression.system(tables)
    hidden = suppression.protect(of, SEUIL)
    small = (of.values > 0) & (of.values < SEUIL)
    assert (hidden | ~small).all()
    assert not suppression.leaks(of, hidden, SEUIL).any()
    # What is hidden depends on the counts, not on the order of rows nor on other blocks.
    moved = suppression.system([counted(world[::-1], "/".join(k), k) for k in grains[::-1]])
    again = suppression.protect(moved, SEUIL)
    for each in tables:
        assert shown(of, hidden, each.name) == shown(moved, again, each.name)


@settings(max_examples=40, deadline=None)
@given(
    persons(16, {"mois": 1, "dep": 3, "type": 2}),
    st.sampled_from([TREES[:1] + TREES[2:], CROSSED]),
)
def test_no_world_that_could_be_tried_gives_a_small_count_back(world, grains) -> None:
    seuil, most = 3, 9
    tables = [counted(world, "/".join(keys), keys) for keys in grains]
    of = suppression.system(tables)
    hidden = suppression.protect(of, seuil)
    printed = {each.name: shown(of, hidden, each.name) for each in tables}
    assert all(
        count is None or count == 0 or count >= seuil for c in printed.values() for count in c
    )
    if sum(count is None for counts in printed.values() for count in counts) > 5:
        return
    for (name, row), found in possible(tables, printed, most).items():
        assert max(found) >= seuil, (name, row, printed)
        truth = int(next(t for t in tables if t.name == name).counts[row])
        assert truth > most or truth in found


def test_what_was_published_is_held_until_the_difference_is_safe() -> None:
    def held(before: list[int], now: list[int]) -> bool:
        of = suppression.system(
            [
                table("t", {"mois": ["a"]}, now[:1]),
                table("d", {"mois": ["a"] * 4, "dep": list("1234")}, now[1:]),
            ]
        )
        seen = np.full(len(of.values), ABSENT, np.int64)
        seen[np.concatenate([of.rows["t"], of.rows["d"]])] = before
        return bool(suppression.held(of, suppression.protect(of, SEUIL), seen, SEUIL).any())

    before = [76, HIDDEN, HIDDEN, 27, 40]
    assert not held(before, [76, 2, 7, 27, 40])  # the same again
    assert not held([ABSENT] * 5, [76, 2, 7, 27, 40])  # never published
    assert held(before, [77, 3, 7, 27, 40])  # one more, somewhere hidden
    assert held(before, [78, 2, 7, 29, 40])  # two more, in the open
    assert not held(before, [81, 2, 12, 27, 40])  # five more, of whom nobody knows where
    assert held(before, [106, 32, 7, 27, 40])  # uncovered: the other was hidden by it alone
    assert not held(before, [91, 4, 20, 27, 40])  # fifteen more, somewhere hidden
    assert held(before, [66, 2, 7, 17, 40])  # what was said was wrong: for somebody to decide


def read(tableau: tableaux.Tableau, rows: list[dict], origin: str = "reel") -> tableaux.Counts:
    columns = [*tableau.cle, *tableau.dans, "compte"]
    table = pa.table({name: [row.get(name, "") for row in rows] for name in columns})
    return tableaux.Counts.read(tableau, table.append_column("origine", [[origin] * len(rows)]))


def test_the_audit_attacks_what_is_published_and_names_the_mart() -> None:
    shared = {"mesure": "n", "population": "p", "total_connu": None, "si": None}
    declared = tableaux.declared(
        [
            {"tableau": "j", "mart": "fct_j", "cle": "jour", "dans": "mois", **shared},
            {"tableau": "d", "mart": "fct_d", "cle": "mois dep", "dans": "", **shared},
        ]
    )
    days = [{"mois": "a", "jour": str(day), "compte": 20} for day in range(3)]
    places = [
        {"mois": "a", "dep": dep, "compte": n} for dep, n in zip("xyz", (3, 7, 50), strict=True)
    ]
    exacts = [read(declared[0], days), read(declared[1], places)]

    def leaks(*hidden: str) -> list[str]:
        shown = [
            {**place, "compte": None if place["dep"] in hidden else place["compte"]}
            for place in places
        ]
        published = [exacts[0], read(declared[1], shown)]
        return [str(leak) for leak in tableaux.audit(declared, exacts, published, SEUIL)]

    assert leaks("x", "y") == leaks("x", "y", "z") == []
    # The days give the month, and the month the place that is hidden alone.
    assert leaks("x") == ["fct_d, n : 1 cellule(s) déductible(s) des autres"]
    assert leaks("y") == [
        "fct_d, n : 1 cellule(s) sous le seuil",
        "fct_d, n : 1 cellule(s) déductible(s) des autres",
    ]
    retained = tableaux.retained(declared, exacts, [None, None], SEUIL).to_pylist()
    assert [(row["cle"], row["publie_count"]) for row in retained] == [("a|x", None), ("a|y", None)]
    # What was invented says nothing of what is real.
    before = [read(declared[0], days, "bac_a_sable"), read(declared[1], places, "bac_a_sable")]
    assert tableaux.retained(declared, exacts, before, SEUIL).to_pylist() == retained
