"""Effects of campaigns: what is planted is found, what is not is not shown, and words follow."""

import csv
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dbt_project.udfs import campaigns, effects
from dbt_project.udfs.effects import Rule

RULE = Rule(tirages=999, essais_lieux=20, periodes_montrees=4)
PLACES = [f"{number:02d}" for number in range(1, 61)]
MONTHS = [date(2023 + month // 12, month % 12 + 1, 1) for month in range(24)]
SCHEMA = pa.schema(
    {
        "campagne_id": pa.string(), "debut_le": pa.date32(), "fin_le": pa.date32(),
        "departements": pa.string(), "cout_eur": pa.float64(), "mesure_id": pa.string(),
        "mesure_label": pa.string(), "sens_attendu": pa.string(), "is_commencee": pa.bool_(),
    }
)  # fmt: skip
SERIES = pa.schema(
    {
        "mesure_id": pa.string(), "pas": pa.string(), "departement_code": pa.string(),
        "region_code": pa.string(), "periode_le": pa.date32(), "observe_count": pa.int64(),
        "autres_count": pa.int64(),
    }
)  # fmt: skip
LOCAL = {
    "campagne_id": "c",
    "debut_le": date(2024, 6, 1),
    "fin_le": date(2024, 7, 31),
    "departements": "01,02,03",
    "cout_eur": 1000.0,
    "mesure_id": "m",
    "mesure_label": "signalements",
    "sens_attendu": "baisse",
    "is_commencee": True,
}
EVERYWHERE = LOCAL | {"departements": None, "fin_le": date(2024, 7, 12)}
TARGETED = np.isin(PLACES, ["01", "02", "03"])


def by_month(change: float = 1.0, size: float = 100, seed: int = 0) -> np.ndarray:
    """Places × months: sizes that differ, a season and a shock for all, a change in June, July."""
    chance = np.random.default_rng(seed)
    sizes = size * chance.uniform(0.5, 2, len(PLACES))
    means = np.outer(sizes, np.exp(0.3 * chance.standard_normal(len(MONTHS))))
    means[np.ix_(TARGETED, [17, 18])] *= change
    return chance.poisson(means)


def monthly(panel: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "mesure_id": "m",
            "pas": "mois",
            "departement_code": place,
            "region_code": str(rank // 6),
            "periode_le": month,
            "observe_count": None if panel[rank, at] < 0 else int(panel[rank, at]),
        }
        for rank, place in enumerate(PLACES)
        for at, month in enumerate(MONTHS)
    ]


def daily(change: float = 1.0, days: int = 640, seed: int = 0, **more) -> list[dict[str, Any]]:
    """Days since January 2023, with weekdays and a season; a change from June 1st, 2024 on."""
    chance = np.random.default_rng(seed)
    rows = []
    for rank in range(days):
        day = date(2023, 1, 1) + timedelta(rank)
        mean = 300 * (1 + 0.1 * np.cos(2 * np.pi * rank / 365)) * (0.7 if day.weekday() > 4 else 1)
        mean *= change if date(2024, 6, 1) <= day <= EVERYWHERE["fin_le"] else 1
        count = int(chance.poisson(mean))
        row = {"mesure_id": "m", "pas": "jour", "periode_le": day, "observe_count": count}
        rows.append(row | {name: make(rank) for name, make in more.items()})
    return rows


def judge(
    series: list[dict[str, Any]], *told: dict[str, Any], rule: Rule = RULE
) -> list[dict[str, Any]]:
    table = pa.Table.from_pylist(list(told), SCHEMA)
    found = campaigns.estimate(table, pa.Table.from_pylist(series, SERIES), rule)
    assert found.schema == campaigns.SCHEMA
    return found.to_pylist()


def test_a_fall_is_found_with_its_size_its_cost_and_its_words() -> None:
    (row,) = judge(monthly(by_month(0.7)), LOCAL)
    assert (row["conclusion"], row["methode"], row["temoins_count"]) == ("baisse", "temoins", 57)
    assert row["effet_part_bas"] < -0.3 < row["effet_part_haut"] < 0
    assert row["effet"] == pytest.approx(row["observe_count"] - row["attendu"])
    assert row["effet_bas"] < row["effet"] < row["effet_haut"] < 0
    assert row["cout_par_effet_eur"] == pytest.approx(1000 / -row["effet"])
    assert (row["pretendance"], row["hasard"] < 0.01) == ("conforme", True)
    assert row["phrase"].startswith("Du 01/06/2024 au 31/07/2024 : ")
    assert f"−{-100 * row['effet_part']:.0f}\u202f%" in row["phrase"]
    assert row["phrase"].endswith("La baisse est démontrée.")
    # What all places went through is no effect.
    measured = [one for one in row["periodes"] if one["phase"] == "campagne"]
    assert [one["debut_le"] for one in measured] == [date(2024, 6, 1), date(2024, 7, 1)]
    assert measured[-1]["effet_cumule"] == pytest.approx(row["effet"])
    assert sum(one["phase"] == "avant" for one in row["periodes"]) == RULE.periodes_montrees


def test_nothing_is_shown_where_nothing_was_done_but_once_in_twenty() -> None:
    rows = [judge(monthly(by_month(seed=seed)), LOCAL)[0] for seed in range(60)]
    shown = [row for row in rows if row["conclusion"] in ("baisse", "hausse")]
    assert len(shown) <= 8  # of 60 at one in twenty, more come once in two hundred times
    (row, *_) = [row for row in rows if row["conclusion"] == "non_demontre"]
    assert "n'est pas démontré" in row["phrase"]
    assert row["cout_par_effet_eur"] is None
    tried = sum(row["essais_lieux_count"] for row in rows)
    assert 0 < sum(row["essais_lieux_conclus_count"] for row in rows) / tried < 0.07


@pytest.mark.parametrize(("places", "change"), [("01", 0.5), ("01,02,03", 1.6)])
def test_one_place_is_enough_when_the_change_is_large(places: str, change: float) -> None:
    (row,) = judge(monthly(by_month(change)), LOCAL | {"departements": places})
    assert row["effet_part_bas"] < change - 1 < row["effet_part_haut"]
    assert row["conclusion"] == ("baisse" if change < 1 else "hausse")
    assert ("contraire" in row["phrase"]) == (change > 1)


def test_places_that_drift_by_themselves_widen_the_interval() -> None:
    def width(drift: float) -> float:
        panel = by_month().astype(float)
        noise = np.random.default_rng(1).standard_normal((len(PLACES), 1))
        panel[:, 12:] *= np.exp(drift * noise)
        (row,) = judge(monthly(panel.round()), LOCAL)
        return row["effet_part_haut"] - row["effet_part_bas"]

    assert width(0.2) > 1.5 * width(0.0)


def test_regions_that_drift_together_widen_it_more() -> None:
    chance = np.random.default_rng(3)
    regions = np.arange(len(PLACES)) // 6
    panel = by_month().astype(float)
    panel[:, 17:19] *= np.exp(0.15 * chance.standard_normal(10))[regions][:, None]
    before, during = np.arange(24) < 17, np.isin(np.arange(24), (17, 18))
    alone, together = (
        effects.against_others(panel, TARGETED, before, during, RULE, known)
        for known in (None, regions)
    )
    assert np.log(together.high / together.low) > 1.3 * np.log(alone.high / alone.low)


def test_a_gap_that_was_there_before_is_not_the_campaign_s() -> None:
    panel = by_month().astype(float)
    panel[TARGETED] *= np.linspace(1.6, 0.6, len(MONTHS))
    (row,) = judge(monthly(panel.round()), LOCAL)
    assert (row["pretendance"], row["conclusion"]) == ("rompue", "tendance_rompue")
    assert "déjà avant la campagne" in row["phrase"]
    assert row["cout_par_effet_eur"] is None


def test_the_whole_country_is_judged_by_its_past() -> None:
    (row,) = judge(daily(0.8), EVERYWHERE)
    assert (row["methode"], row["pas"], row["conclusion"]) == ("serie_seule", "semaine", "baisse")
    assert row["effet_part_bas"] < -0.2 < row["effet_part_haut"] < 0
    assert row["temoins_count"] is None
    assert (row["essais_dates_count"] > 0, row["essais_lieux_count"]) == (True, 0)
    assert {one["phase"] for one in row["periodes"]} == {"avant", "campagne", "apres"}
    assert all((one["fin_le"] - one["debut_le"]).days == 6 for one in row["periodes"])
    (quiet,) = judge(daily(), EVERYWHERE)
    assert quiet["conclusion"] == "non_demontre"
    assert f"baisse de {100 * quiet['detectable_part']:.0f}\u202f%" in quiet["phrase"]


def test_other_subjects_tell_what_the_days_did_to_all() -> None:
    wave = np.exp(0.25 * np.repeat(np.random.default_rng(5).standard_normal(92), 7))[:640]
    rows = daily(0.8, autres_count=lambda rank: int(4000 * wave[rank]))
    for row, factor in zip(rows, wave, strict=True):
        row["observe_count"] = int(row["observe_count"] * factor)
    (helped,) = judge(rows, EVERYWHERE)
    (alone,) = judge([row | {"autres_count": None} for row in rows], EVERYWHERE)
    assert (helped["methode"], alone["methode"]) == ("sujets_temoins", "serie_seule")
    assert helped["conclusion"] == "baisse"
    assert helped["detectable_part"] < 0.7 * alone["detectable_part"]


HIDDEN = by_month()
HIDDEN[TARGETED, 12] = -1
SHORT = [row for row in monthly(by_month()) if row["periode_le"] >= date(2024, 2, 1)]
FEW = [row for row in monthly(by_month()) if row["departement_code"] < "10"]


@pytest.mark.parametrize(
    ("told", "series", "said"),
    [
        ({"mesure_id": None, "mesure_label": None}, [], "Aucune mesure ne répond au thème"),
        ({"is_commencee": False}, monthly(by_month()), "n'a pas commencé"),
        ({}, [], "La mesure n'est connue que pour tout le pays"),
        ({}, daily(), "n'en visait qu'une partie"),
        ({"departements": None}, monthly(by_month()), "pas connue jour par jour"),
        ({}, SHORT, "Le passé est trop court : 4 mois sans autre campagne, quand il en faut 6"),
        ({"departements": None}, daily(days=600)[300:], "semaines sans autre campagne"),
        ({}, FEW, "pas connue jour par jour"),
        ({}, monthly(HIDDEN), "trop petits, ou manquent"),
        ({}, monthly(by_month() * 0), "trop petits, ou manquent"),
        ({}, monthly(by_month(size=1)), "Moins de 30 cas étaient attendus"),
        ({"departements": None}, [r | {"observe_count": 0} for r in daily()], "trop petits"),
        ({"fin_le": date(2024, 6, 1)}, monthly(by_month()), "trop courte pour une mesure par mois"),
        (
            {"debut_le": date(2025, 6, 1), "fin_le": date(2025, 6, 30)},
            monthly(by_month()),
            "Les données s'arrêtent avant la campagne",
        ),
        (
            {"debut_le": date(2024, 12, 28), "fin_le": date(2025, 2, 1)},
            monthly(by_month()),
            "ne couvrent pas encore assez de jours",
        ),
    ],
)
def test_what_cannot_be_estimated_says_why(told, series, said) -> None:
    (row,) = judge(series, LOCAL | told)
    assert (row["conclusion"], row["conclusion_label"]) == ("non_estimable", "non estimable")
    assert said in row["phrase"]
    assert (row["effet"], row["periodes"]) == (None, [])


def test_a_campaign_that_goes_on_is_estimated_for_now() -> None:
    (row,) = judge(
        monthly(by_month(0.5)), LOCAL | {"debut_le": date(2024, 6, 1), "fin_le": date(2025, 3, 31)}
    )
    assert row["is_complete"] is False
    assert "Estimation provisoire" in row["phrase"]
    assert row["mesure_fin_le"] == date(2024, 12, 31)


def test_campaigns_that_meet_are_not_told_apart_and_others_are_no_controls() -> None:
    first, second = LOCAL, LOCAL | {"campagne_id": "d", "departements": "03,04"}
    rows = judge(monthly(by_month()), first, second)
    assert [row["conclusion"] for row in rows] == ["non_estimable"] * 2
    assert "leurs effets ne se séparent pas" in rows[0]["phrase"]
    aside = LOCAL | {"campagne_id": "d", "departements": "04,05", "debut_le": date(2024, 3, 1)}
    assert [row["temoins_count"] for row in judge(monthly(by_month()), first, aside)] == [55, 55]
    # Another measure is another matter.
    other = second | {"mesure_id": "n"}
    assert judge(monthly(by_month()), first, other)[0]["temoins_count"] == 57


def test_the_same_counts_give_the_same_answer() -> None:
    assert judge(monthly(by_month(0.8)), LOCAL) == judge(monthly(by_month(0.8)), LOCAL)


def test_a_place_without_a_past_is_refused() -> None:
    panel = np.ones((4, 6))
    panel[1, :4] = 0
    months = np.arange(6)
    with pytest.raises(ValueError, match="past"):
        effects.against_others(panel, months[:4] == 0, months < 4, months >= 4, RULE)


def test_counts_that_never_move_are_no_effect() -> None:
    for series, told in (
        (monthly(by_month() * 0 + 40), LOCAL),
        ([row | {"observe_count": 50} for row in daily()], EVERYWHERE),
        ([row | {"observe_count": 50, "autres_count": 7} for row in daily()], EVERYWHERE),
    ):
        (row,) = judge(series, told)
        assert row["conclusion"] == "non_demontre"
        assert row["effet_part"] == pytest.approx(0, abs=0.01)


def test_no_campaign_is_no_row() -> None:
    assert judge([]) == []


def test_the_rule_is_the_seed_s() -> None:
    said = [
        {"methode_id": "effets", "parametre": "tirages", "valeur": 99.0},
        {"methode_id": "lieux", "parametre": "confiance_min", "valeur": 0.6},
    ]
    assert effects.rule_from(said) == Rule(tirages=99)


def test_pages_and_marts_say_the_rule_of_the_seed() -> None:
    project = Path(__file__).parents[1]
    with (project / "dbt_project/seeds/ref_methodes.csv").open(encoding="utf-8") as seed:
        rows = [row | {"valeur": float(row["valeur"])} for row in csv.DictReader(seed)]
    assert effects.rule_from(rows) == Rule()
    assert (Rule().risque, Rule().puissance) == (0.05, 0.8)
    page = (project / "reports/pages/campagnes/[campagne].md").read_text("utf-8")
    for said in ("intervalle à 95 %", "quatre fois sur cinq", "un sur vingt"):
        assert said in page
