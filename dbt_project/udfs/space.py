"""Where a rise is: space-time scan of counts over the départements.

For every zone (a circle of nearest départements, a connected set of at most three, the country) and
every duration that ends now, the counts are weighed under "so many times what is expected" against
"as expected", both negative binomial of variance φ × mean. The weights of all zones, durations and
ratios are averaged under a prior of what is looked for: the average is the evidence. Where nothing
happens its mean is 1, so that one over the evidence bounds the chance of a false alarm whatever the
volume; simulation of nothing makes that chance exact. Neighbours are then added to the best zones
one by one, and each département gets the probability that it takes part.

Origins: expectation-based scan (Neill 2009) and Bayesian scan (Neill, Moore & Cooper 2006), with
the flexible zones of Tango & Takahashi (2005).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import RegularGridInterpolator
from scipy.sparse import csr_array
from scipy.special import gammaln, logsumexp

VERSION = "space-1"

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

# What is looked for: how many times the expected count, since when, how wide.
RATIOS = {1.2: 0.06, 1.6: 0.2, 2.0: 0.44, 2.5: 0.2, 5.0: 0.06, 15.0: 0.04}
HOURS = 24
USUAL_HOURS, HOURS_SPREAD = 6.0, 0.65
NARROW, WIDE, COUNTRY = 6, 0.1, 0.5  # sizes up to 6 weigh 1 each, wider circles and all less

NEAREST, FARTHEST, LARGEST = 20, 400.0, 0.5  # of a circle: départements, km, share of population
CONNECTED = 3  # départements: every connected set up to this size is a zone
GROWTH = 3.8  # times more connected sets for each further département
BEAM, ROUNDS = 40, 5  # zones that are widened, and how many times
TAKES_PART = 0.45

CHANCES = np.array([0.5, 0.2, 0.1, 0.05, 0.02, 0.01])
FALL = 0.85  # by how much the log of the chance falls as the log evidence grows by one


@dataclass(frozen=True)
class Zones:
    """The zones that are looked at, over départements in a fixed order."""

    codes: tuple[str, ...]
    members: Singles  # one line per zone, 1 where it holds the département
    weights: Floats  # prior share of each zone
    neighbours: tuple[frozenset[int], ...]
    population: Floats

    @cached_property
    def sparse(self) -> csr_array:
        """The members again: a zone holds few, and a dense product would wake every core."""
        return csr_array(self.members)

    @cached_property
    def prior(self) -> Singles:
        """Log of the prior share of each zone, ratio and duration."""
        lengths = np.log(np.arange(1, HOURS + 1) / USUAL_HOURS)
        durations = np.exp(-0.5 * (lengths / HOURS_SPREAD) ** 2)
        zones = np.log(self.weights)[:, None, None] + _log_ratios()[:, None]
        return (zones + np.log(durations / durations.sum())).astype(np.float32)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        return self.members.sum(1).astype(np.int64)

    def only(self, zones: NDArray[np.bool_]) -> "Zones":
        """The same country looked at through some zones alone."""
        weights = self.weights[zones]
        return Zones(
            self.codes,
            self.members[zones],
            weights / weights.sum(),
            self.neighbours,
            self.population,
        )


@dataclass(frozen=True)
class Place:
    """Where and since when: `probability` per département, those that take part in `codes`."""

    codes: tuple[str, ...]
    hours: int
    observed: float
    expected: float
    probability: Floats


def zones(
    codes: Sequence[str],
    neighbours: Iterable[tuple[str, str]],
    longitude: ArrayLike,
    latitude: ArrayLike,
    population: ArrayLike,
) -> Zones:
    """Build the zones from facts about the départements; unknown codes in `neighbours` are left."""
    place = {code: number for number, code in enumerate(codes)}
    near: list[set[int]] = [set() for _ in codes]
    for one, other in neighbours:
        if one in place and other in place and one != other:
            near[place[one]].add(place[other])
            near[place[other]].add(place[one])
    people = np.asarray(population, float)
    found = {frozenset(range(len(codes)))}
    distance = _kilometres(np.asarray(longitude, float), np.asarray(latitude, float))
    for line in distance:
        order = np.argsort(line, kind="stable")[:NEAREST]
        order = order[(line[order] <= FARTHEST)]
        held = np.cumsum(people[order]) <= LARGEST * people.sum()
        found |= {frozenset(order[: last + 1].tolist()) for last in np.flatnonzero(held)}
    sets = {frozenset([number]) for number in range(len(codes))}
    for _ in range(CONNECTED):
        found |= sets
        sets = {one | {other} for one in sets for other in _around(one, near)}
    kept = sorted(found, key=lambda zone: (len(zone), sorted(zone)))
    members = np.zeros((len(kept), len(codes)), np.float32)
    for number, zone in enumerate(kept):
        members[number, list(zone)] = 1
    sizes = members.sum(1).astype(int)
    # Within one size, a zone is as likely as people are many there.
    weights = members @ (people / people.sum()).astype(np.float32) + 1e-9
    for size in np.unique(sizes):
        alike = sizes == size
        whole = 1.0 if size <= NARROW else COUNTRY if size == len(codes) else WIDE
        weights[alike] *= whole / weights[alike].sum()
    return Zones(
        tuple(codes),
        members,
        np.asarray(weights / weights.sum(), float),
        tuple(frozenset(beside) for beside in near),
        people,
    )


def evidence(zones: Zones, counts: ArrayLike, expected: ArrayLike, dispersion: ArrayLike) -> Floats:
    """Return the log evidence of a rise that lasts until now, one per subject.

    `counts` and `expected`: subject × département × hour, the last hour being now (24 at most are
    looked at); `dispersion`: φ, variance over mean, one in all, or per subject and département.
    A count that is missing or negative says nothing.
    """
    counts, expected, phi = _aligned(zones, counts, expected, dispersion)
    return np.array(
        [_joint(zones, *subject)[1] for subject in zip(counts, expected, phi, strict=True)]
    )


def locate(zones: Zones, counts: ArrayLike, expected: ArrayLike, dispersion: ArrayLike) -> Place:
    """Say where the rise of one subject (département × hour) is, supposing that there is one."""
    seen, mean, phi = (part[0] for part in _aligned(zones, counts, expected, dispersion))
    weighed, _, gains = _joint(zones, seen, mean, phi)
    last = int(weighed.sum((0, 1)).argmax())
    sets, likely = _widened(zones, weighed.sum((1, 2)), gains[:, :, last].T)
    probability = likely @ sets
    taking = probability > TAKES_PART
    if not taking.any():
        taking = sets[likely.argmax()] > 0
    seen, mean = seen[taking, -last - 1 :], mean[taking, -last - 1 :]
    return Place(
        tuple(code for code, taken in zip(zones.codes, taking, strict=True) if taken),
        last + 1,
        float(np.nansum(seen)),
        float(mean[np.isfinite(seen)].sum()),
        probability,
    )


def scan(
    zones: Zones,
    counts: ArrayLike,
    expected: ArrayLike,
    dispersion: ArrayLike,
    table: ArrayLike,
    risk: float = 0.01,
) -> tuple[Floats, dict[int, Place]]:
    """Return the chance of each subject's evidence, and the place of those at or below `risk`.

    Arguments as of `evidence`, with `table` as of `known_levels`.
    """
    seen, mean, phi = _aligned(zones, counts, expected, dispersion)
    volume = mean.sum(1).mean(1)
    spread = (phi * mean).sum((1, 2)) / mean.sum((1, 2))
    found = chance(evidence(zones, seen, mean, phi), known_levels(table, volume, spread))
    places = np.flatnonzero(found <= risk).tolist()
    return found, {one: locate(zones, seen[one], mean[one], phi[one]) for one in places}


def nothing(
    zones: Zones, volume: float, dispersion: float, replicates: int = 999, seed: int = 0
) -> Floats:
    """Return log evidences where nothing happens: `volume` an hour, spread as people are."""
    random = np.random.default_rng(seed)
    expected = np.repeat(volume * zones.population[:, None] / zones.population.sum(), HOURS, 1)
    drawn = (draw(random, expected, dispersion) for _ in range(replicates))
    return np.array([evidence(zones, counts, expected, dispersion)[0] for counts in drawn])


def draw(random: np.random.Generator, expected: Floats, dispersion: float) -> Floats:
    """Draw counts of that expectation, and of variance φ times it."""
    if dispersion <= 1:
        return random.poisson(expected).astype(float)
    size = np.maximum(expected, 1e-9) / (dispersion - 1)
    return random.negative_binomial(size, 1 / dispersion).astype(float)


def levels(evidences: ArrayLike) -> Floats:
    """Return the log evidence that nothing reaches with each of the chances `CHANCES`.

    `evidences` are simulated (`nothing`) or met in a quiet past.
    """
    return np.quantile(np.asarray(evidences, float), 1 - CHANCES, method="higher")


def known_levels(table: ArrayLike, volume: ArrayLike, dispersion: ArrayLike) -> Floats:
    """Return the levels for each volume an hour and φ from `table`, simulated once.

    Lines of `table`: volume, φ, then the levels, for every pair of a grid; between them the levels
    are interpolated, outside it those of its edge stand.
    """
    lines = np.asarray(table, float)
    lines = lines[np.lexsort((lines[:, 1], lines[:, 0]))]
    axes = np.unique(lines[:, 0]), np.unique(lines[:, 1])
    grid = lines[:, 2:].reshape(len(axes[0]), len(axes[1]), -1)
    wanted = (
        np.log(np.clip(asked, axis[0], axis[-1]))
        for asked, axis in zip((volume, dispersion), axes, strict=True)
    )
    between = RegularGridInterpolator([np.log(axis) for axis in axes], grid)
    places = np.stack(np.broadcast_arrays(*wanted), -1)
    return np.reshape(between(places), (*places.shape[:-1], len(CHANCES)))


def chance(evidence: ArrayLike, levels: Floats) -> Floats:
    """Return the chance of as much evidence where nothing happens (the next of `CHANCES` above it).

    Beyond the last level it falls as simulations show it to; `exp(-evidence)` bounds it whatever.
    """
    found = np.asarray(evidence, float)
    beyond = CHANCES[-1] * np.exp(-FALL * np.maximum(found - levels[..., -1], 0))
    within = np.concatenate(([1.0], CHANCES))[(found[..., None] >= levels).sum(-1)]
    told = np.where(found > levels[..., -1], beyond, within)
    return np.minimum(told, np.exp(-np.maximum(found, 0)))


# The weighing ---------------------------------------------------------------------------------


def _aligned(
    zones: Zones, counts: ArrayLike, expected: ArrayLike, dispersion: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Arrays of subject × département × hour, the last hours alone."""
    seen = np.asarray(counts, float)
    phi = np.asarray(dispersion, float)
    if seen.ndim == 2:
        seen, phi = seen[None], phi[None]
    if seen.ndim != 3 or seen.shape[1] != len(zones.codes):
        raise ValueError(
            f"{seen.shape} n'est pas sujets × {len(zones.codes)} départements × heures"
        )
    seen = np.where(np.isfinite(seen) & (seen >= 0), seen, np.nan)[:, :, -HOURS:]
    mean = np.broadcast_to(np.asarray(expected, float)[..., -HOURS:], seen.shape)
    mean = np.maximum(np.where(np.isfinite(mean), mean, 0), 1e-6)
    phi = phi.reshape(phi.shape + (1,) * (3 - phi.ndim))  # per subject, then per département
    phi = np.broadcast_to(np.maximum(np.where(np.isfinite(phi), phi, 1), 1.001), seen.shape)
    return seen, mean, phi


def _gains(counts: Floats, expected: Floats, phi: Floats) -> Singles:
    """Log likelihood ratio: département × ratio × duration (1 hour first)."""
    size = expected / (phi - 1)
    known = np.isfinite(counts)
    counts = np.where(known, counts, 0)
    usual = gammaln(counts + size) - gammaln(size)
    cells = np.stack(
        [
            gammaln(counts + ratio * size)
            - gammaln(ratio * size)
            - usual
            - (ratio - 1) * size * np.log(phi)
            for ratio in RATIOS
        ],
        axis=1,
    )
    return np.cumsum(np.where(known[:, None], cells, 0)[:, :, ::-1], 2).astype(np.float32)


def _joint(
    zones: Zones, counts: Floats, expected: Floats, phi: Floats
) -> tuple[Singles, float, Singles]:
    """Weight of each zone, ratio and duration; log evidence; the gains that they come from."""
    gains = _gains(counts, expected, phi)
    weighed = (zones.sparse @ gains.reshape(len(gains), -1)).reshape(-1, *gains.shape[1:])
    weighed += zones.prior[:, :, : gains.shape[2]]
    highest = weighed.max()
    np.exp(np.subtract(weighed, highest, out=weighed), out=weighed)
    return weighed, float(highest + np.log(weighed.sum(dtype=float))), gains


def _log_ratios() -> Floats:
    return np.log(np.array(list(RATIOS.values())))


def _widened(zones: Zones, likely: Singles, gains: Singles) -> tuple[Singles, Floats]:
    """Grow the best zones by their neighbours; return all the sets met, and how likely each is.

    `gains`: ratio × département, over the most likely duration.
    """
    whole = _log_ratios()[:, None]
    triple = zones.sizes == CONNECTED
    each = np.log(zones.weights[triple].sum() / triple.sum())  # of one set of that size

    def weigh(sets: Singles) -> Floats:
        sizes = sets.sum(1)
        prior = each - np.log(GROWTH) * (sizes - CONNECTED)
        prior += np.where(sizes > NARROW, np.log(WIDE), 0)
        return np.asarray(logsumexp(gains @ sets.T + whole, axis=0) + prior)

    large = zones.sizes > NARROW
    narrow = np.flatnonzero(~large)
    best = zones.members[narrow[np.argsort(-likely[narrow], kind="stable")[:BEAM]]]
    met = {frozenset(np.flatnonzero(line).tolist()) for line in best}
    beam, kept, weights = list(met), [best], [weigh(best)]
    for _ in range(ROUNDS):
        wider = {one | {other} for one in beam for other in _around(one, zones.neighbours)} - met
        if not wider:
            break
        met |= wider
        new = sorted(wider, key=sorted)
        sets = np.zeros((len(new), len(zones.codes)), np.float32)
        for number, one in enumerate(new):
            sets[number, list(one)] = 1
        weight = weigh(sets)
        order = np.argsort(-weight, kind="stable")[:BEAM]
        beam = [new[number] for number in order]
        kept.append(sets[order])
        weights.append(weight[order])
    kept.append(zones.members[large])
    weights.append(
        logsumexp(gains @ zones.members[large].T + whole, axis=0) + np.log(zones.weights[large])
    )
    weight = np.concatenate(weights)
    return np.concatenate(kept), np.exp(weight - logsumexp(weight))


def _around(zone: Iterable[int], neighbours: Sequence[Iterable[int]]) -> set[int]:
    return {other for one in zone for other in neighbours[one]}.difference(zone)


def _kilometres(longitude: Floats, latitude: Floats) -> Floats:
    east, north = np.radians(longitude), np.radians(latitude)
    half = np.sin((north[:, None] - north) / 2) ** 2
    half += np.cos(north[:, None]) * np.cos(north) * np.sin((east[:, None] - east) / 2) ** 2
    return np.asarray(12742 * np.arcsin(np.sqrt(np.minimum(half, 1))))
