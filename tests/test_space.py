"""Where a rise is: zones, evidence, place, and the chance of a false alarm."""

import numpy as np
import pytest

from benchmarks.space import SEEDS, country, known
from dbt_project.udfs import space

ZONES = country()
SHARE = ZONES.population / ZONES.population.sum()
LEVELS = known()


def expected(volume=600.0):
    return np.repeat(volume * SHARE[:, None], space.HOURS, 1)


def drawn(*codes, ratio=3.0, hours=6, phi=1.6, volume=600.0, seed=0):
    """Counts where those départements rise over the last hours."""
    mean = expected(volume)
    mean[[ZONES.codes.index(code) for code in codes], -hours:] *= ratio
    return space.draw(np.random.default_rng(seed), mean, phi)


# Facts ----------------------------------------------------------------------------------------


def test_neighbours_are_facts():
    lines = (SEEDS / "ref_departements_voisins.csv").read_text("utf-8").split()[1:]
    pairs = {tuple(line.split(",")) for line in lines}
    assert pairs == {(other, one) for one, other in pairs}
    assert {other for one, other in pairs if one == "75"} == {"92", "93", "94"}
    assert {other for one, other in pairs if one == "2A"} == {"2B"}
    assert not {one for one, _ in pairs} & {"971", "972", "973", "974", "976"}
    assert len(ZONES.codes) == 101 and 65e6 < ZONES.population.sum() < 70e6


def test_zones_are_circles_connected_sets_and_the_country():
    sizes = np.bincount(ZONES.sizes)
    assert sizes[1] == 101 and sizes[101] == 1 and sizes.sum() == 101 + 1 + sizes[2:21].sum()
    lines = {frozenset(np.flatnonzero(line)) for line in ZONES.members}
    place = ZONES.codes.index
    assert frozenset(map(place, ("29", "22", "35"))) in lines  # a chain, no circle
    assert frozenset(map(place, ("29", "13"))) not in lines
    held = ZONES.members @ SHARE
    assert held[ZONES.sizes < 101].max() <= space.LARGEST
    assert ZONES.weights.sum() == pytest.approx(1)


# Found and located ----------------------------------------------------------------------------


def test_a_cluster_is_found_where_and_since_when_it_is():
    planted = ("29", "22", "56", "35")
    for seed in range(3):
        counts = drawn(*planted, seed=seed)
        found, places = space.scan(ZONES, counts, expected(), 1.6, LEVELS)
        assert found[0] < 1e-4
        place = places[0]
        assert set(place.codes) == set(planted)
        assert 5 <= place.hours <= 7
        rows = [ZONES.codes.index(code) for code in place.codes]
        assert place.observed == counts[rows, -place.hours :].sum()
        assert place.expected == pytest.approx(expected()[rows, -place.hours :].sum())
        assert place.probability[rows].min() > space.TAKES_PART
        assert place.probability.max() <= 1 + 1e-6


def test_space_sees_what_no_departement_shows_alone():
    """Four small départements that rise together: alone, none is beyond chance."""
    planted = ("48", "12", "15", "43")
    alone = ZONES.only(ZONES.sizes == 1)
    quiet = [drawn(seed=seed) for seed in range(100)]
    bar = np.quantile(space.evidence(alone, quiet, expected(), 1.6), 0.99)
    risen = [drawn(*planted, ratio=2.5, hours=8, seed=seed) for seed in range(20)]
    found, _ = space.scan(ZONES, risen, expected(), 1.6, LEVELS)
    assert (found <= 0.01).mean() >= 0.8
    assert (space.evidence(alone, risen, expected(), 1.6) > bar).mean() < (found <= 0.01).mean()


def test_a_national_rise_is_told_as_national():
    _, places = space.scan(ZONES, drawn(*ZONES.codes, ratio=1.6), expected(), 1.6, LEVELS)
    assert len(places[0].codes) >= 95


def test_an_island_has_no_neighbour_and_is_found():
    _, places = space.scan(ZONES, drawn("974", ratio=4), expected(), 1.6, LEVELS)
    assert places[0].codes == ("974",)


# False alarms ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("volume", "phi"), [(80, 1.0), (300, 1.6), (3000, 2.5)])
def test_one_in_a_hundred_alarms_where_nothing_happens(volume, phi):
    """Between the volumes and φ of the seed; of 300 draws, 3 are expected at 1 % and 30 at 10 %."""
    found = space.nothing(ZONES, volume, phi, replicates=300, seed=7)
    chances = space.chance(found, space.known_levels(LEVELS, volume, phi))
    assert (chances <= 0.01).sum() <= 9
    assert 15 <= (chances <= 0.1).sum() <= 48


def test_evidence_has_mean_one_where_nothing_happens():
    """The bound of the docstring: a chance never exceeds `exp(-evidence)`."""
    found = space.nothing(ZONES, 20, 1.6, replicates=300, seed=3)
    assert np.exp(found).mean() < 3
    assert (found >= np.log(100)).mean() <= 0.02
    assert space.chance(9.0, np.arange(6.0) + 8) <= np.exp(-9)


def test_chance_falls_as_evidence_grows():
    levels = space.levels(np.linspace(-3, 1, 1000))
    told = space.chance(np.linspace(-4, 12, 200), levels)
    assert (np.diff(told) <= 1e-12).all() and told[0] == 1 and 0 < told[-1] < 1e-4
    assert space.chance(levels[-1], levels) == pytest.approx(0.01)


def test_levels_are_those_of_the_grid_and_between_them():
    row = LEVELS[LEVELS[:, 1] == 1.6]
    np.testing.assert_allclose(space.known_levels(LEVELS, row[:, 0], 1.6), row[:, 2:])
    low, high = row[3, 2:], row[4, 2:]
    between = space.known_levels(LEVELS, np.sqrt(row[3, 0] * row[4, 0]), 1.6)
    np.testing.assert_allclose(between, (low + high) / 2)
    np.testing.assert_allclose(space.known_levels(LEVELS, 1e9, 0.2), LEVELS[-7, 2:])


# Poor input -----------------------------------------------------------------------------------


def test_missing_negative_and_absurd_counts():
    counts = drawn("59", "62", "80").astype(float)
    counts[0] = np.nan
    counts[1] = -4
    holes = space.scan(ZONES, counts, expected(), 1.6, LEVELS)
    assert set(holes[1][0].codes) == {"59", "62", "80"}
    counts[10, -1] = 1e9
    found, places = space.scan(ZONES, counts, expected(), 1.6, LEVELS)
    assert np.isfinite(found).all() and places[0].codes == (ZONES.codes[10],)
    for nothing in (0, np.nan):
        found, places = space.scan(ZONES, np.full((101, 24), nothing), expected(), 1.6, LEVELS)
        assert found > 0.01 and not places


def test_nothing_expected_anywhere_is_no_division_by_zero():
    counts = np.zeros((101, 24))
    assert np.isfinite(space.evidence(ZONES, counts, np.zeros((101, 24)), np.nan)).all()
    counts[5, -1] = 3
    assert np.isfinite(space.evidence(ZONES, counts, np.zeros((101, 24)), 0)).all()


def test_subjects_are_weighed_each_alone_over_the_last_day():
    one, two = drawn("31", "32"), drawn(seed=4)
    long = np.concatenate((np.full((101, 50), 1e6), two), 1)
    together = space.evidence(ZONES, [one, two], expected(), [1.6, 1.6])
    np.testing.assert_allclose(together[0], space.evidence(ZONES, one, expected(), 1.6)[0])
    np.testing.assert_allclose(together[1], space.evidence(ZONES, long, expected(), 1.6)[0])
    each = space.evidence(ZONES, one, expected(), np.full(101, 1.6))
    np.testing.assert_allclose(together[0], each[0], rtol=1e-6)


def test_another_country_is_refused():
    with pytest.raises(ValueError, match="101"):
        space.evidence(ZONES, np.zeros((3, 24)), np.ones((3, 24)), 1)
