"""Detection on counts: the published reference, the calendar, and what must never happen."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmarks import daily
from dbt_project.udfs import counts

DAYS = np.datetime64("2023-01-02", "D") + np.arange(500)
QUICK = replace(counts.JOUR, memory=300, quiet=14)


def quiet(series: int, periods: int, mean: float = 5.0, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(mean, (series, periods)).astype(float)


def rows(y: np.ndarray, days: np.ndarray = DAYS) -> counts.Panel:
    ids = np.repeat([f"s{i:03d}" for i in range(len(y))], y.shape[1])
    return counts.panel(ids, np.tile(days[: y.shape[1]], len(y)), y.ravel())


# --- the reference ----------------------------------------------------------------------------

GOLDEN = np.array([[150, 130, 122, 160, 155, 128, 144, 125, 300, 319, 289, 277, 500.0]])


@pytest.mark.parametrize(
    ("downweight", "bounds"),
    [
        (False, [179.75, 177.64, 325.87, 406.51, 441.41, 458.07]),
        (True, [179.75, 177.64, 182.05, 397.91, 441.41, 458.07]),
    ],
)
def test_eears_gives_the_published_bounds(downweight: bool, bounds: list[float]) -> None:
    bound, _, chance = counts.eears(GOLDEN, 7, downweight=downweight)
    assert bound[0] == pytest.approx(bounds, abs=0.005)
    assert ((chance[0] < 0.025) == (GOLDEN[0, 7:] > bounds)).all()


def test_eears_on_a_constant_past_needs_its_floor() -> None:
    flat = np.full((1, 9), 4.0)
    flat[0, 8] = 5
    assert counts.eears(flat, 8)[0][0, 0] == 4
    assert counts.eears(flat, 8, floor=1.0)[0][0, 0] > 5
    with pytest.raises(ValueError, match="périodes de passé"):
        counts.eears(flat, 6)


def test_a_level_shift_that_masks_itself_for_eears_is_seen() -> None:
    """Two outliers hide each other from eEARS; sums over the last days do not forget."""
    y = quiet(1, 200, 140)
    y[0, -4:] = [300, 319, 289, 277]
    assert counts.eears(y, 199)[2][0, 0] > 0.025
    assert counts.detect(rows(y), QUICK).alarm[0, 0]


def test_eears_answers_like_the_other_method() -> None:
    y = quiet(3, 60, 100)
    y[1, -1] = 300
    found = counts.detect_eears(rows(y), counts.JOUR, asked=2)
    assert found.alarm[1].tolist() == [False, True]
    assert found.table().schema == counts.detect(rows(y), QUICK).table().schema
    hours = np.datetime64("2024-02-01", "h") + np.arange(24 * 9)
    y = quiet(1, len(hours), 10)
    y[0, -24:] *= 3
    laid = counts.panel(np.repeat("a", len(hours)), hours, y[0], "h")
    found = counts.detect_eears(laid, counts.HEURE)
    assert found.alarm[0, 0]
    assert found.observed[0, 0] == y[0, -24:].sum()
    assert found.table()["periode"].to_pylist() == [datetime(2024, 2, 9, 23)]


# --- calendar ---------------------------------------------------------------------------------


def test_bank_holidays_of_2026_and_of_alsace_moselle() -> None:
    told = "01-01 04-06 05-01 05-08 05-14 05-25 07-14 08-15 11-01 11-11 12-25".split()  # noqa: SIM905
    expected = np.array([f"2026-{day}" for day in told], "datetime64[D]")
    assert (counts.holidays(2026, 2026) == expected).all()
    more = np.setdiff1d(counts.holidays(2026, 2026, alsace_moselle=True), expected)
    assert (more == np.array(["2026-04-03", "2026-12-26"], "datetime64[D]")).all()


def test_paris_reads_the_clock_as_the_system_does() -> None:
    hours = np.datetime64("2024-01-01", "h") + np.arange(0, 24 * 731)
    zone = ZoneInfo("Europe/Paris")
    clock = [
        datetime.fromtimestamp(int(hour), UTC).astimezone(zone).replace(tzinfo=None)
        for hour in hours.astype("datetime64[s]").astype(np.int64)
    ]
    assert (counts.paris(hours) == np.array(clock, "datetime64[h]")).all()


def test_clock_change_days_last_23_and_25_hours() -> None:
    days = np.array(["2026-03-28", "2026-03-29", "2026-10-25", "2026-10-26"], "datetime64[D]")
    assert counts.exposure(days, "D") * 24 == pytest.approx([24, 23, 25, 24])


def test_a_bank_holiday_is_no_fall_and_the_next_day_no_peak() -> None:
    days = np.datetime64("2021-01-04", "D") + np.arange(1100)
    rng = np.random.default_rng(3)
    mean = np.where(np.isin(days, counts.holidays(2021, 2024)), 4.0, 40.0)
    mean = np.where(np.isin(days - 1, counts.holidays(2021, 2024)), 70.0, mean)
    y = rng.poisson(mean, (20, 1100)).astype(float)
    day = int(np.flatnonzero(days == np.datetime64("2023-07-15"))[0])  # after a bank holiday
    told = counts.score(y, days, replace(counts.JOUR, memory=800), day)
    none = counts.score(
        y, days, replace(counts.JOUR, memory=800), day, bank=np.array([], "datetime64[D]")
    )
    assert (told.peak[:, 0] > 2).mean() < 0.1
    assert (none.peak[:, 0] > 2).mean() > 0.6


# --- rates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("phi", [1.0, 3.0])
@pytest.mark.parametrize("mean", [0.5, 20.0])
def test_quiet_series_alarm_at_the_nominal_rate(phi: float, mean: float) -> None:
    rng = np.random.default_rng(7)
    shape = (400, 300)
    if phi == 1:
        y = rng.poisson(mean, shape)
    else:
        y = rng.negative_binomial(mean / (phi - 1), 1 / phi, shape)
    found = counts.score(y.astype(float), DAYS[:300], QUICK, 272)
    # With so short a past and so few counts the rate is nearer 1.6 % than 1 %.
    assert (found.peak > 2).mean() == pytest.approx(0.01, rel=0.7)


def test_thousands_of_quiet_series_give_almost_no_alarm() -> None:
    found = counts.detect(rows(quiet(1500, 150)), QUICK)
    assert found.alarm.sum() <= 1
    assert found.watched == 1500


def test_a_planted_outbreak_is_found_where_it_is_and_said_once() -> None:
    y = quiet(200, 200)
    y[17, -3:] += [14, 22, 25]
    found = counts.detect(rows(y), QUICK, asked=5)
    assert found.ids[found.alarm[:, -1]].tolist() == ["s017"]
    assert found.is_new[17].sum() == 1
    assert found.low[17, -1] <= found.expected[17, -1] <= found.high[17, -1] < y[17, -1]


def test_a_slow_rise_and_a_source_that_stops_have_their_names() -> None:
    y = quiet(60, 200, 12)
    y[3, -7:] += 7
    y[4, -14:] = 0
    found = counts.detect(rows(y), QUICK)
    assert found.alarm[[3, 4], 0].all()
    assert found.kind[3, 0] in ("montee", "palier")
    assert found.kind[4, 0] == "chute"


def test_a_family_that_is_never_quiet_needs_more_to_alarm() -> None:
    restless = np.zeros((2, 100)) + 0.2
    restless[0, ::3] = 2.0
    told = counts.calibrated(np.repeat(restless, 50, 0), np.repeat([0, 1], 50), 60)
    assert (told[0, -1] < restless[0, -1]).all()
    assert told[99, -1] == restless[1, -1]


# --- whatever comes in ------------------------------------------------------------------------

BAD = {
    "ok": np.full(200, 5.0),
    "invalide": np.r_[np.full(100, 5.0), -3, np.nan, np.full(98, 5.0)],
    "vide": np.zeros(200),
    "demesuree": np.r_[np.full(150, 5.0), 1e9, np.full(49, 5.0)],
    "lacunaire": np.full(200, 5.0),
    "trop_courte": np.full(1, 5.0),
    "doublons": np.full(201, 5.0),
    "absente": np.full(150, 5.0),
}


def bad_rows() -> tuple[list[str], list[np.datetime64], list[float]]:
    ids: list[str] = []
    times: list[np.datetime64] = []
    values: list[float] = []
    for name, y in BAD.items():
        days = DAYS[: len(y)]
        if name == "trop_courte":
            days = DAYS[199:200]  # starts today
        if name == "lacunaire":
            y, days = np.delete(y, slice(80, 115)), np.delete(days, slice(80, 115))
        if name == "doublons":
            days = np.r_[DAYS[:200], DAYS[10]]
        ids += [name] * len(y)
        times += list(days)
        values += list(y)
    return ids, times, values


def test_bad_input_is_said_and_never_becomes_nan() -> None:
    ids, times, values = bad_rows()
    order = np.random.default_rng(0).permutation(len(ids))
    found = counts.detect(
        counts.panel(np.array(ids)[order], np.array(times)[order], np.array(values)[order]), QUICK
    )
    assert dict(zip(found.ids, found.reason, strict=True)) == {name: name for name in BAD}
    assert set(found.reason) <= counts.REASONS.keys()
    table = found.table()
    for name in ("attendu", "attendu_min", "attendu_max", "surprise"):
        values_out = table[name].drop_null().to_numpy()
        assert np.isfinite(values_out).all()
    assert not found.alarm.any()
    rhythm = counts.detect_eears(
        counts.panel(np.array(ids), np.array(times), np.array(values)), counts.JOUR
    )
    assert np.isfinite(rhythm.surprise).all()
    nulls = {row["serie_id"] for row in table.to_pylist() if row["surprise"] is None}
    assert nulls == {"trop_courte", "absente"}


def test_a_count_beyond_belief_today_is_a_fault_not_a_crowd() -> None:
    y = quiet(5, 200)
    y[2, -1] = 1e9
    found = counts.detect(rows(y), QUICK)
    assert found.reason[2] == "demesuree"
    assert not found.alarm.any()


def test_parameters_come_from_a_table_of_methods() -> None:
    told = counts.tuned(counts.JOUR, {"hold": "3", "carry": "0.3", "autre": "x"})
    assert (told.hold, told.carry, told.refit) == (3, 0.3, counts.JOUR.refit)


def test_a_wave_that_comes_slowly_is_followed_and_its_peak_is_still_seen() -> None:
    rng = np.random.default_rng(5)
    day = np.arange(700)
    starts = rng.integers(0, 160, (30, 4)) + np.arange(4) * 170
    wave = np.exp(-(((day - starts[..., None] - 40) / 20) ** 2)).sum(1)
    y = rng.poisson(20 * (1 + 3 * wave)).astype(float)
    y[0, -1] += 40 * (1 + wave[0, -1])
    days = np.datetime64("2023-01-02", "D") + day
    told = counts.score(y, days, replace(counts.JOUR, memory=650), 640)
    flat = counts.score(y, days, replace(counts.JOUR, memory=650, recent=0), 640)
    assert (told.mean - 20 * (1 + 3 * wave[:, 640:])).std() < (
        flat.mean - 20 * (1 + 3 * wave[:, 640:])
    ).std()
    assert told.peak[0, -1] > 4
    assert (told.peak[:, :-1] > 3).mean() < 0.01


def test_weeks_begin_on_mondays() -> None:
    mondays = np.datetime64("2024-01-01", "D") + 7 * np.arange(60)
    sundays = mondays + 6
    for days in (mondays, sundays):
        found = counts.detect(counts.panel(["a"] * 60, days, [5.0] * 60, "W"), counts.SEMAINE)
        assert found.table()["periode"].to_pylist() == [mondays[-1].item()]


def test_nothing_at_all_is_an_empty_table() -> None:
    assert counts.detect(counts.panel([], [], []), QUICK).table().num_rows == 0


@settings(max_examples=25, deadline=None)
@given(
    hnp.arrays(
        float,
        (3, 120),
        elements=st.one_of(
            st.integers(0, 50).map(float),
            st.sampled_from([0.0, -1.0, 1e9, 1e300, float("nan"), float("inf")]),
        ),
    ),
    st.sampled_from(["D", "h", "W"]),
)
def test_no_input_crashes_or_gives_nan(y: np.ndarray, unit: str) -> None:
    start = np.datetime64("2024-02-01", unit)
    ids = np.repeat(["a", "b", "c"], y.shape[1])
    laid = counts.panel(ids, np.tile(start + np.arange(y.shape[1]), 3), y.ravel(), unit)
    rhythm = next(r for r in counts.RHYTHMS.values() if r.unit == unit)
    found = counts.detect(laid, rhythm, asked=3)
    for values in (found.expected, found.low, found.high, found.surprise):
        assert np.isfinite(values).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_the_same_counts_give_the_same_answer_in_any_order(seed: int, mean: int) -> None:
    y = quiet(6, 120, mean, seed)
    order = np.random.default_rng(seed).permutation(6)
    one = counts.score(y, DAYS[:120], QUICK, 115)
    other = counts.score(y[order], DAYS[:120], QUICK, 115)
    assert other.peak == pytest.approx(one.peak[order], abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 1e4), st.floats(1.0, 20.0), st.integers(0, 1000))
def test_surprise_grows_with_the_count(mean: float, phi: float, count: int) -> None:
    here, above = (counts.surprise(c, mean, phi * mean) for c in (count, count + 1))
    assert 0 <= here <= above <= counts.CEILING


def test_replaying_day_by_day_gives_what_one_run_gives() -> None:
    y = quiet(40, 180, 6)
    y[5, 150:156] += 12
    whole = counts.detect(rows(y), QUICK, asked=8)
    for day in range(173, 181):
        alone = counts.detect(rows(y[:, :day]), QUICK)
        column = day - 173
        assert (alone.alarm[:, 0] == whole.alarm[:, column]).all()
        assert (alone.is_new[:, 0] == whole.is_new[:, column]).all()
        assert alone.surprise[:, 0] == pytest.approx(whole.surprise[:, column], abs=1e-9)


# --- the benchmark reads what people have -----------------------------------------------------


def test_daily_benchmark_reads_headers_row_numbers_dates_and_semicolons(tmp_path: Path) -> None:
    y = np.arange(12).reshape(6, 2) * 3
    plain = "\n".join(",".join(map(str, row)) for row in y)
    (tmp_path / "totals_1.csv").write_text(plain)
    (tmp_path / "outbreaks_1.csv").write_text("X1,X2\n" + plain)
    (tmp_path / "totals_2.csv").write_text(
        "\ufeff" + ";X1;X2\n" + "\n".join(f"{i + 1};{a};{b}" for i, (a, b) in enumerate(y))
    )
    (tmp_path / "outbreaks_2.csv").write_text(
        "date,X1,X2\n" + "\n".join(f"{d},{a},{b}" for d, (a, b) in zip(DAYS, y, strict=False))
    )
    signals = daily.read(tmp_path)
    assert [signal.name for signal in signals] == ["1", "2"]
    for signal in signals:
        assert (signal.totals == y.T).all()
        assert (signal.outbreaks == y.T).all()


def test_daily_benchmark_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--generate"):
        daily.read(tmp_path)
