"""Signals, on invented series: where they open, who confirms them, and what is never rewritten."""

import csv
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dbt_project.udfs import signals, space

SEEDS = Path(__file__).resolve().parents[1] / "dbt_project" / "seeds"
START = date(2025, 9, 1)
DAYS = 160


def seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


METHODS = signals.methods_from(seed("ref_methodes"))
NEIGHBOURS = signals.neighbours_of(
    [(row["departement_code"], row["voisin_code"]) for row in seed("ref_departements_voisins")]
)
NO_HOURS = pa.table(
    {
        "serie_id": pa.array([], pa.string()),
        "famille": pa.array([], pa.string()),
        "source": pa.array([], pa.string()),
        "sujet": pa.array([], pa.string()),
        "departement_code": pa.array([], pa.string()),
        "heure_at": pa.array([], pa.timestamp("us")),
        "observe_count": pa.array([], pa.int64()),
        "exposition": pa.array([], pa.float64()),
        "is_personnes": pa.array([], pa.bool_()),
        "origine": pa.array([], pa.string()),
    }
)

World = dict[tuple[str, str, str, str | None], np.ndarray]


def table(world: World, time: str = "jour", persons: tuple[str, ...] = ()) -> pa.Table:
    """Lay out `world`, (famille, source, sujet, département) -> counts from START on."""
    rows: list[dict[str, Any]] = []
    for (family, source, subject, code), values in world.items():
        for step, count in enumerate(values):
            day = START + timedelta(days=step)
            hour = datetime(START.year, START.month, START.day) + timedelta(hours=step)
            rows.append(
                {
                    "serie_id": f"{family}/{source}/{subject}/{code or 'FR'}/{time}",
                    "famille": family,
                    "source": source,
                    "sujet": subject,
                    "departement_code": code,
                    time: day if time == "jour" else hour,
                    "observe_count": None if np.isnan(count) else int(count),
                    "exposition": 1.0,
                    "is_personnes": source in persons,
                    "origine": "bac_a_sable",
                }
            )
    kinds = {name: NO_HOURS.schema.field(name).type for name in NO_HOURS.column_names[:5]}
    kinds[time] = pa.date32() if time == "jour" else pa.timestamp("us")
    kinds |= {name: NO_HOURS.schema.field(name).type for name in NO_HOURS.column_names[6:]}
    return pa.Table.from_pylist(rows, schema=pa.schema(list(kinds.items())))


def quiet(seed: int = 0, days: int = DAYS) -> World:
    """Three families that speak of floods, in the country and in a few départements."""
    random = np.random.default_rng(seed)
    world: World = {
        ("reseaux", "x", "inondation", None): random.poisson(120, days).astype(float),
        ("reseaux", "x", "rumeur", None): random.poisson(90, days).astype(float),
        ("contacts", "ma_gendarmerie", "inondation", None): random.poisson(25, days).astype(float),
        ("audience", "matomo", "rumeur", None): random.poisson(60, days).astype(float),
    }
    for code in ("11", "34", "66", "29", "35", "59"):
        placed = random.poisson(3, days).astype(float)
        world["reseaux", "reseaux", "inondation", code] = placed
    return world


def flooded(seed: int = 0) -> World:
    world = quiet(seed)
    world["reseaux", "reseaux", "inondation", "34"][130:133] += 40
    world["reseaux", "reseaux", "inondation", "11"][131:133] += 25
    world["reseaux", "x", "inondation", None][130:133] += 300
    world["contacts", "ma_gendarmerie", "inondation", None][131:133] += 60
    return world


def knowledge(**more: Any) -> signals.Knowledge:
    told = {row["sujet"]: row for row in seed("taxo_sujets")}
    subjects = {
        name: signals.Subject(
            row["sujet_label"],
            row["question"],
            row["conduite"],
            row["is_ferie"] == "true",
            row["is_ouvrant"] == "true",
        )
        for name, row in told.items()
    }
    labels = {"11": "Aude", "34": "Hérault", "66": "Pyrénées-Orientales"}
    return signals.Knowledge(METHODS, subjects, labels, NEIGHBOURS, **more)


def followed(world: World, persons: tuple[str, ...] = (), **more: Any) -> list[dict[str, Any]]:
    detected = signals.detect(table(world, persons=persons), NO_HOURS, METHODS)
    rows: list[dict[str, Any]] = signals.follow(detected, knowledge(**more)).to_pylist()
    return rows


def at(day: int) -> datetime:
    """Return when a winter day of the world begins in Paris, in UTC."""
    begin = datetime(START.year, START.month, START.day) + timedelta(days=day)
    return begin - timedelta(hours=1)


def test_a_flood_is_one_signal_placed_confirmed_and_closed() -> None:
    [flood] = followed(flooded())
    assert (flood["sujet"], flood["departements_codes"]) == ("inondation", "11,34")
    assert flood["ouvert_at"] == at(131)  # the end of the first day
    assert flood["etat"] == "clos"
    assert flood["confirme_at"] == at(132)
    assert flood["clos_at"] == flood["maj_at"] + timedelta(days=5)
    told = [event["evenement"] for event in flood["evenements"]]
    assert told[0] == "ouvert"
    assert told[-1] == "clos"
    assert {"confirme", "deplace"} <= set(told)
    assert "Hérault" in flood["titre"]
    natures = {proof["nature"] for proof in flood["preuves"]}
    assert natures >= {"lieu", "serie", "source_independante"}


@pytest.mark.parametrize("number", range(6))
def test_a_quiet_world_stays_quiet(number: int) -> None:
    # 1 % of days may open a signal; six worlds of 130 days judged give at most a few.
    assert len(followed(quiet(100 + number))) <= 2


def test_one_family_alone_is_to_be_checked_and_chance_does_not_confirm() -> None:
    world = quiet()
    world["reseaux", "x", "rumeur", None][155:] += 200
    [rumour] = followed(world)
    assert rumour["etat"] == "a_verifier"
    assert rumour["departement_code"] is None
    assert rumour["clos_at"] is None
    assert "Une seule famille" in rumour["certitude"]


def test_the_same_thing_later_is_another_signal() -> None:
    world = quiet()
    for day in (90, 140):
        world["reseaux", "x", "rumeur", None][day : day + 2] += 200
    first, second = followed(world)
    assert first["signal_id"] != second["signal_id"]
    assert first["clos_at"] < second["ouvert_at"]


def test_a_campaign_explains_what_it_covers_only() -> None:
    world = quiet()
    world["reseaux", "reseaux", "inondation", "29"][150:] += 40
    where = [START + timedelta(days=148), START + timedelta(days=170)]

    def state(codes: set[str]) -> str:
        campaign = ("inondation", *where, frozenset(codes), "crues (affichage)")
        [found] = followed(world, campaigns=[campaign])
        return str(found["etat"])

    assert state(set()) == "explique"
    assert state({"29", "35"}) == "explique"
    assert state({"59"}) == "a_verifier"


def test_replaying_the_past_day_by_day_gives_what_one_run_gives() -> None:
    world = flooded(3)
    # A series that begins late must change nothing before it.
    late = np.full(DAYS, np.nan)
    late[120:] = np.random.default_rng(1).poisson(8, DAYS - 120)
    world["avis", "avis_google", "avis_negatifs", None] = late

    def history(days: int) -> set[tuple[Any, ...]]:
        cut = {key: values[:days] for key, values in world.items()}
        seen = {key: values for key, values in cut.items() if np.isfinite(values).any()}
        return {
            (found["signal_id"], *event.values())
            for found in followed(seen)
            for event in found["evenements"]
        }

    whole = history(DAYS)
    assert any(event[1] == "clos" for event in whole)
    for days in (*range(128, 142), DAYS - 1):
        assert history(days) == {event for event in whole if event[2] <= at(days)}


def test_judging_only_what_is_new_gives_what_judging_all_gives() -> None:
    world, persons = flooded(3), ("ma_gendarmerie",)
    whole = signals.detect(table(world, persons=persons), NO_HOURS, METHODS).periods
    last = at(128)
    closed = {(source, "jour"): last for _, source, _, _ in world}
    new = signals.detect(table(world, persons=persons), NO_HOURS, METHODS, closed=closed).periods
    expected = whole.filter(pc.greater(whole["periode_at"], pa.scalar(last, signals.MOMENT)))
    assert new.num_rows == expected.num_rows > 0
    order = [("serie_id", "ascending"), ("periode_at", "ascending")]
    new, expected = new.sort_by(order), expected.sort_by(order)
    for name in new.column_names:
        if pa.types.is_floating(new.schema.field(name).type):
            assert np.allclose(new[name].to_numpy(), expected[name].to_numpy(), rtol=1e-9)
        else:
            assert new[name].equals(expected[name])


def test_a_source_at_fault_is_told_apart_and_opens_nothing() -> None:
    world = quiet(5)
    for (_, source, _, _), values in world.items():
        if source == "reseaux":
            values[140] *= 2  # read twice
        elif source == "x":
            values[120:122] = 0  # silent, then caught up
            values[122] *= 3
    detected = signals.detect(table(world), NO_HOURS, METHODS)
    faults = [(row["source"], row["nature"]) for row in detected.faults.to_pylist()]
    assert faults.count(("x", "arret")) == 2
    assert faults.count(("x", "rattrapage")) == 1
    assert followed(world) == []


def test_all_counts_even_tell_a_file_read_twice() -> None:
    random = np.random.default_rng(2)
    codes = [row["departement_code"] for row in seed("ref_departements_centres")][:30]
    world: World = {
        ("signalements", "pre_plainte", "plaintes", code): random.poisson(6, DAYS).astype(float)
        for code in codes
    }
    for values in world.values():
        values[150] *= 2
    detected = signals.detect(table(world), NO_HOURS, METHODS)
    [fault] = detected.faults.to_pylist()
    assert (fault["nature"], fault["jour"]) == ("double", START + timedelta(days=150))
    alarms = detected.periods.filter(detected.periods["is_alerte"])
    assert alarms.filter(pc.equal(alarms["periode_at"], pa.scalar(at(150)))).num_rows == 0


def test_counts_of_persons_are_told_by_tens_or_not_at_all() -> None:
    world = quiet()
    world["contacts", "ma_gendarmerie", "inondation", None][150:152] += 48
    world["contacts", "ma_gendarmerie", "rare", None] = np.zeros(DAYS)
    world["contacts", "ma_gendarmerie", "rare", None][::20] = 1
    world["contacts", "ma_gendarmerie", "rare", None][151] = 9  # under ten, whatever the surprise
    [found] = followed(world, persons=("ma_gendarmerie",))
    assert found["est_arrondi"]
    rows = [found, *(proof for proof in found["preuves"] if proof["source"] == "ma_gendarmerie")]
    for row in rows:
        for name in ("observe_count", "attendu_count", "attendu_bas_count", "attendu_haut_count"):
            assert row[name] is None or (row[name] >= 10 and row[name] % 10 == 0)
    exact = int(world["contacts", "ma_gendarmerie", "inondation", None][150:152].max())
    assert exact % 10  # or the sentence could not betray it
    assert str(exact) not in found["constat"] + found["titre"] + found["certitude"]
    assert np.log10(found["chance_fausse_alerte"]) % 1 == 0
    assert signals.told_by_tens(9.9) is None
    assert signals.told_by_tens(19.9) == 10


@pytest.mark.parametrize(
    ("family", "is_persons", "expected", "told"),
    [
        ("reseaux", False, (0.0004, 0, 0), ("presque aucune", None)),
        ("avis", False, (0.06, 0, 1), ("presque aucun", None)),
        ("avis", False, (0.4, 0, 2), ("moins d'un", "jusqu'à 2")),
        ("reseaux", False, (3.44, 0, 8), ("3,4", "jusqu'à 8")),
        ("reseaux", False, (1034.3, 968, 1102), ("1\u202f034", "de 968 à 1\u202f102")),
        ("contacts", True, (0.2, 0, 2), ("moins de dix", None)),
        ("contacts", True, (74.0, 51, 98), ("environ 70", "de 50 à 90")),
    ],
)
def test_what_is_usual_is_told_in_words(
    family: str, is_persons: bool, expected: tuple[float, ...], told: tuple[str, str | None]
) -> None:
    names = ("attendu_count", "attendu_bas_count", "attendu_haut_count")
    row = {"famille": family, "is_personnes": is_persons, "observe_count": 200}
    assert signals.told_usual(row | dict(zip(names, expected, strict=True))) == told


def test_a_rise_from_nothing_never_says_that_zero_was_expected() -> None:
    world = quiet()
    world["reseaux", "x", "panique", None] = np.zeros(DAYS)
    world["reseaux", "x", "panique", None][[20, 155, 156]] = 1, 60, 80
    [found] = followed(world)
    assert found["rapport"] is None
    assert found["attendu_label"] == "presque aucune"
    for said in (found["titre"], found["constat"]):
        assert "publications" in said and "d'ordinaire presque aucune" in said
    assert "0,0" not in str(found)


def test_departements_that_rise_together_are_found_where_none_shows_alone() -> None:
    random = np.random.default_rng(7)
    centres = sorted(seed("ref_departements_centres"), key=lambda row: row["departement_code"])
    codes = [row["departement_code"] for row in centres]
    people = np.array([int(row["population_count"]) for row in centres])
    rates = 120 * people / people.sum()
    rising = {"22", "29", "35", "56"}
    world: World = {}
    for code, rate in zip(codes, rates, strict=True):
        values = random.poisson(rate, 120).astype(float)
        if code in rising:
            values[115:] += random.poisson(2.5 * rate, 5)
        world["reseaux", "reseaux", "inondation", code] = values
    zones = space.zones(
        codes,
        [(row["departement_code"], row["voisin_code"]) for row in seed("ref_departements_voisins")],
        [float(row["longitude"]) for row in centres],
        [float(row["latitude"]) for row in centres],
        people,
    )
    levels = np.array([list(map(float, row.values())) for row in seed("ref_scan_niveaux")])
    detected = signals.detect(table(world), NO_HOURS, METHODS, zones, levels)
    [found] = signals.follow(detected, knowledge()).to_pylist()
    assert found["methode_id"] == "espace"
    placed = set(found["departements_codes"].split(","))
    assert placed <= rising
    assert len(placed) >= 3
    assert found["ouvert_at"] > at(115)


def test_the_reference_method_is_a_setting() -> None:
    chosen = {name: dict(told) for name, told in METHODS.items()}
    chosen["series_jour"]["eears"] = 1
    detected = signals.detect(table(flooded()), NO_HOURS, chosen)
    assert set(detected.periods["methode_id"].to_pylist()) == {"eears"}
    found = signals.follow(detected, knowledge()).to_pylist()
    assert any(row["sujet"] == "inondation" and row["ouvert_at"] == at(131) for row in found)


def test_hours_open_sooner_than_days() -> None:
    random = np.random.default_rng(4)
    hours = 40 * 24
    world: World = {
        ("reseaux", source, "rumeur", None): random.poisson(rate, hours).astype(float)
        for source, rate in (("x", 30), ("bluesky", 3))
    }
    world["reseaux", "x", "rumeur", None][900:910] += 90
    detected = signals.detect(table({}), table(world, "heure_at"), METHODS)
    [rumour] = signals.follow(detected, knowledge()).to_pylist()
    begin = datetime(START.year, START.month, START.day)
    assert rumour["ouvert_at"] == begin + timedelta(hours=901)
    assert rumour["grain"] == "heure"


HOSTILE = {
    "negative": lambda values: np.where(np.arange(len(values)) % 9 == 0, -5, values),
    "missing": lambda values: np.where(np.arange(len(values)) % 7 == 0, np.nan, values),
    "one point": lambda values: np.where(np.arange(len(values)) == 100, values, np.nan),
    "zero": np.zeros_like,
    "yesterday": lambda values: np.where(np.arange(len(values)) < len(values) - 1, np.nan, values),
    "a billion": lambda values: np.where(np.arange(len(values)) == 150, 1e9, values),
    "a month of nothing": lambda values: np.where(
        (np.arange(len(values)) > 90) & (np.arange(len(values)) < 122), np.nan, values
    ),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_bad_input_gives_no_signal_and_no_nan(fault: str) -> None:
    world = quiet(9)
    world["avis", "avis_google", "avis_negatifs", None] = HOSTILE[fault](
        np.random.default_rng(9).poisson(20, DAYS).astype(float)
    )
    rows = table(world)
    doubled = pa.concat_tables([rows, rows.slice(0, 50)])
    detected = signals.detect(doubled, NO_HOURS, METHODS)
    for name in ("attendu_count", "attendu_bas_count", "attendu_haut_count", "surprise", "chance"):
        assert np.isfinite(detected.periods[name].to_numpy()).all()
    found = signals.follow(detected, knowledge()).to_pylist()
    assert [row for row in found if row["sujet"] == "avis_negatifs"] == []
    said = {row["nature"] for row in detected.faults.to_pylist() if row["source"] == "avis_google"}
    expected = {"negative": "invalide", "a billion": "demesuree", "a month of nothing": "invalide"}
    if fault in expected:
        assert expected[fault] in said


def test_nothing_at_all_is_no_signal() -> None:
    detected = signals.detect(table({}), NO_HOURS, METHODS)
    assert signals.follow(detected, knowledge()).num_rows == 0
