"""Unusual moments of dense volumes, and the score that judges them."""

import json
from math import exp, isnan

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import nab
from dbt_project.udfs import volumes

FIVE_MINUTES = np.timedelta64(300, "s")
START = np.datetime64("2026-03-01T00:00", "us")


def instants(count, step=FIVE_MINUTES):
    return START + np.arange(count) * step


def daily(days=10, seed=0):
    """A posts-like volume with its day and its night."""
    hour = np.arange(days * 288) % 288 / 12
    return np.random.default_rng(seed).poisson(60 + 40 * np.sin((hour - 9) * np.pi / 12))


# The detector ---------------------------------------------------------------------------------


def test_a_surge_is_told_once_and_at_its_start():
    values = daily()
    values[2000:2040] += 150
    told = volumes.score(instants(len(values)), values)
    alerts = np.flatnonzero(told >= volumes.THRESHOLD)
    assert len(alerts) and 2000 <= alerts[0] <= 2003
    assert told[2004:2040].max() < volumes.THRESHOLD
    assert len(alerts) <= 4


def test_a_silence_at_noon_is_seen_although_nights_are_lower():
    values = daily()
    values[2140:2200] = 0
    told = volumes.score(instants(len(values)), values)
    assert told[2140:2150].max() >= volumes.THRESHOLD


def test_what_comes_later_changes_no_score_already_given():
    values = daily().astype(float)
    whole = volumes.score(instants(len(values)), values)
    for known in (900, 1500, 2200):
        changed = values.copy()
        changed[known:] = 1e9
        np.testing.assert_array_equal(
            volumes.score(instants(len(values)), changed)[:known], whole[:known]
        )
        np.testing.assert_array_equal(volumes.score(instants(known), values[:known]), whole[:known])


def test_rhythm_follows_the_clock_and_not_the_row():
    """Rows lost at random, then a week of silence: the same hours are still compared."""
    values = daily(20)
    values[5000:5030] += 150
    kept = np.random.default_rng(1).random(len(values)) > 0.2
    kept[3000:5000] &= False
    told = np.zeros(len(values))
    told[kept] = volumes.score(instants(len(values))[kept], values[kept])
    alerts = np.flatnonzero(told >= volumes.THRESHOLD)
    assert ((alerts >= 5000) & (alerts < 5010)).any()
    assert len(alerts) <= 6


def test_rows_out_of_order_score_as_in_order():
    values = daily()
    mixed = np.random.default_rng(2).permutation(len(values))
    told = volumes.score(instants(len(values))[mixed], values[mixed])
    np.testing.assert_array_equal(told, volumes.score(instants(len(values)), values)[mixed])


@pytest.mark.parametrize(
    "values",
    [
        [],
        [3.0],
        [np.nan] * 400,
        [0.0] * 1200,
        [7.0] * 1200,
        [-5.0, 5.0] * 600,
        [1.0] * 900 + [1e9] + [1.0] * 300,
        [1.0, np.nan, np.inf] * 400,
        list(range(30)),
    ],
    ids=["empty", "one", "missing", "zero", "constant", "negative", "spike", "holes", "yesterday"],
)
def test_poor_series_are_scored_without_a_word(values):
    told = volumes.score(instants(len(values)), values)
    assert told.shape == (len(values),) and np.isfinite(told).all()
    if 1e9 in values:
        assert told[900] >= volumes.THRESHOLD
    else:
        assert not (told >= volumes.THRESHOLD).any()


def test_the_same_instant_twice_a_month_missing_and_an_absurd_date():
    values = daily(6).astype(float)
    at = instants(len(values)).copy()
    at[1000:1010] = at[1000]
    at[1200:] += np.timedelta64(31, "D")
    at[0] = np.datetime64("1970-01-01")
    assert np.isfinite(volumes.score(at, values)).all()
    assert np.isfinite(volumes.score(np.full(len(values), START), values)).all()


def test_a_table_of_series_scores_each_alone():
    first, second = daily(seed=3), daily(seed=4)
    first[2500:2520] += 200
    rows = pa.table(
        {
            "serie_id": ["a", "b"] * len(first),
            "instant": np.repeat(instants(len(first)), 2),
            "valeur": np.stack((first, second), 1).ravel(),
        }
    )
    told = volumes.detect(rows)
    np.testing.assert_array_equal(
        told["surprise"].to_numpy()[::2], volumes.score(instants(len(first)), first)
    )
    assert told["alerte"].to_pylist() == [s >= 1.8 for s in told["surprise"].to_pylist()]
    assert any(told["alerte"].to_pylist()[::2])
    assert volumes.detect(rows.slice(0, 0)).num_rows == 0


# NAB's score, by hand -------------------------------------------------------------------------


def corpus(*windows, rows=100):
    return {"part/one.csv": nab.Labelled(instants(rows), np.zeros(rows), list(windows))}


def scored(world, *rows, profile="standard"):
    scores = np.zeros(100)
    scores[list(rows)] = 1
    return nab.at(world, {"part/one.csv": scores}, 1.0, profile)


def sigmoid(place):
    return 2 / (1 + exp(5 * place)) - 1


def test_a_window_found_at_its_first_row_is_perfect_in_every_profile():
    for profile in nab.PROFILES:
        assert scored(corpus((50, 59)), 50, profile=profile) == pytest.approx(100)
        assert scored(corpus((50, 59)), profile=profile) == 0


def test_a_window_is_worth_less_late_and_counts_once():
    world = corpus((50, 59))
    late = 100 * (sigmoid(-0.1) / sigmoid(-1) + 1) / 2
    assert scored(world, 59) == pytest.approx(late)
    assert scored(world, 55, 59) == scored(world, 55)
    assert scored(world, 50, 51, 52, 59) == pytest.approx(100)


def test_a_false_alarm_costs_more_far_from_a_window():
    world = corpus((50, 59))
    assert scored(world, 50, 64) == pytest.approx(100 + 100 * 0.11 * sigmoid(5 / 9) / 2)
    assert scored(world, 50, 90) == pytest.approx(100 - 5.5)
    assert scored(world, 50, 30) == pytest.approx(100 - 5.5)
    assert scored(world, 50, 30, profile="reward_low_FP") == pytest.approx(100 - 11)
    assert scored(world, 50, 30, profile="reward_low_FN") == pytest.approx(100 - 11 / 3)


def test_the_first_rows_are_not_judged():
    assert scored(corpus((50, 59)), 0, 14, 50) == pytest.approx(100)
    assert scored(corpus((50, 59)), 15, 50) < 100


def test_without_windows_points_are_lost():
    assert scored(corpus(), 30, 40) == pytest.approx(-0.22)


def test_one_threshold_serves_the_corpus():
    world = corpus((30, 39), (70, 79))
    scores = np.zeros(100)
    scores[[30, 70, 50]] = 3, 2, 1
    assert nab.best_threshold(world, {"part/one.csv": scores}) == 2


# Folders --------------------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [True, False])
def test_both_layouts_are_read(tmp_path, nested):
    name = "realOdd/odd.csv" if nested else "odd.csv"
    file = tmp_path / "data" / name if nested else tmp_path / name
    labels = tmp_path / ("labels/combined_windows.json" if nested else "windows.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    labels.parent.mkdir(exist_ok=True)
    file.write_text("value;timestamp\n1;2026-03-01 00:00:00\n;2026-03-01 00:05:00\n", "utf-8-sig")
    labels.write_text(json.dumps({name: [["2026-03-01 00:05:00.000000"] * 2]}))
    series = nab.read(tmp_path)[name]
    assert series.windows == [(1, 1)]
    assert series.values[0] == 1 and isnan(series.values[1])


def test_a_folder_that_is_something_else_is_said(tmp_path):
    with pytest.raises(SystemExit, match=r"windows\.json"):
        nab.read(tmp_path)
    (tmp_path / "windows.json").write_text('{"a.csv": []}')
    with pytest.raises(SystemExit, match="aucune des séries"):
        nab.read(tmp_path)
    (tmp_path / "a.csv").write_text("when,what\n1,2\n")
    with pytest.raises(SystemExit, match="timestamp"):
        nab.read(tmp_path)
