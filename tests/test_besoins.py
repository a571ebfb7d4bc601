"""Needs: what a count is worth, and the planted need that no service answers, found where it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from jinja2 import Environment
from scipy.stats import chi2

from dlt_pipelines import stores
from dlt_pipelines.sandbox import needs, world

MACROS = Environment().from_string(
    (stores.ROOT / "dbt_project" / "macros" / "incertitude.sql").read_text(encoding="utf-8")
)


def ask(sql: str) -> list[tuple[Any, ...]]:
    return duckdb.sql(sql).fetchall()


# Newcombe 1998, table I, « score without continuity correction »; the last, nobody asked.
@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
        (0, 0, None, None),
    ],
)
def test_wilson_gives_the_published_bounds(
    count: int, total: int, low: float | None, high: float | None
) -> None:
    sql = MACROS.module
    [found] = ask(
        f"select {sql.wilson_bas(count, total, 1.959964)},"
        f" {sql.wilson_haut(count, total, 1.959964)}"
    )
    assert found == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("count", [0, 1, 3, 5, 10, 50, 1000])
def test_byar_is_close_to_the_exact_bounds(count: int) -> None:
    sql = MACROS.module
    [(low, high)] = ask(f"select {sql.byar_bas(count, 1.96)}, {sql.byar_haut(count, 1.96)}")
    exact = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    assert low == pytest.approx(exact, rel=0.02 if count >= 5 else 0.5)
    assert high == pytest.approx(chi2.ppf(0.975, 2 * count + 2) / 2, rel=0.02)
    assert low <= count <= high


def smoothed(rows: list[tuple[str, int, float]], law: str) -> dict[str, float]:
    values = ", ".join(f"('{name}', {count}, {total})" for name, count, total in rows)
    query = MACROS.module.ratios_lisses("lignes", "r", "n", "e", "", law)
    lines = f"with lignes as (from (values {values}) as t(lieu, n, e))"
    return dict(ask(f"{lines} select lieu, r_lisse from ({query})"))


def test_three_angry_messages_do_not_paint_a_map_red() -> None:
    # Ninety départements of five hundred thousand inhabitants, one of thirty thousand.
    ordinary = [(f"d{rank}", 50 + rank % 15 - 7, 5.0) for rank in range(90)]
    rates = smoothed([*ordinary, ("petit", 6, 0.3), ("vrai", 150, 5.0)], "poisson")
    assert rates["petit"] < 14  # 20 before it is weighed, 10 elsewhere
    assert rates["vrai"] > 20  # 30 before
    shares = smoothed(
        [(f"d{rank}", 30 + 10 * (rank % 2), 100) for rank in range(40)] + [("petit", 3, 3)],
        "binomiale",
    )
    assert shares["petit"] < 0.5


def test_chance_alone_gives_one_rate_to_all() -> None:
    same = [(f"d{rank}", 10, 1.0) for rank in range(20)] + [("vide", 0, 0.0)]
    assert set(smoothed(same, "poisson").values()) == {10.0}


@pytest.fixture
def published(built: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    connection = duckdb.connect(str(built / "published" / "cyberimpact.duckdb"), read_only=True)
    return lambda sql: connection.execute(sql).fetchall()


@pytest.mark.slow
def test_the_need_without_an_answer_is_found_where_it_was_planted(
    published: Callable[[str], list[tuple[Any, ...]]],
) -> None:
    [need] = needs(world().seed)
    assert published(
        "select distinct service_code, etat, etat_besoin from marts.fct_adequation"
        f" where besoin_code = '{need.code}'"
    ) == [(None, "absent", "absent")]
    # Asked as a reader would: of the needs that no service answers, which stand out, and where?
    answer = published(
        "select besoin_code, departement_code from marts.fct_besoins__departements"
        " where etat_besoin = 'absent' and position = 'au_dessus'"
        " and famille = 'toutes' and periode_rang = 1"
        f" order by taux_lisse / taux_national desc limit {len(need.departements)}"
    )
    assert set(answer) == {(need.code, code) for code in need.departements}
    # And nowhere else.
    assert published(
        "select distinct departement_code from marts.fct_besoins__departements"
        f" where besoin_code = '{need.code}' and position = 'au_dessus' order by 1"
    ) == [(code,) for code in need.departements]


@pytest.mark.slow
def test_the_planted_need_is_heard_by_each_way_that_says_it(
    published: Callable[[str], list[tuple[Any, ...]]],
) -> None:
    [need] = needs(world().seed)
    places = ", ".join(f"'{code}'" for code in need.departements)
    heard = dict(
        published(
            "select famille, sum(messages_count) filter (departement_code in"
            f" ({places})) / sum(messages_count) from marts.fct_besoins"
            f" where besoin_code = '{need.code}' and departement_code is not null group by 1"
        )
    )
    assert set(heard) == {"avis", "reseaux"}
    assert all(share > 0.7 for share in heard.values()), heard
