"""What social networks would tell: invented accounts, and what is said about seven subjects."""

import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from math import exp, sqrt
from pathlib import Path
from random import Random

from dlt_pipelines import PARIS
from dlt_pipelines.sandbox.story import (
    KINDS,
    Departement,
    Rhythm,
    departements,
    needs,
    planted,
)
from dlt_pipelines.sandbox.tables import personal


@dataclass(frozen=True)
class Subject:
    """A subject, the query that follows it, and its mean posts per hour at size 1."""

    name: str
    query: str
    per_hour: float
    rhythm: Rhythm


CHATTER = Rhythm(
    week=(1.05, 1.05, 1.05, 1.05, 1.0, 0.9, 0.9), holiday=0.9, swing=0.05, peak=20, growth=0.03
)
ROAD = Rhythm(
    week=(0.95, 0.9, 0.9, 0.95, 1.2, 1.2, 1.1), holiday=1.3, swing=0.15, peak=200, growth=0.0
)
RAIN = Rhythm(week=(1.0,) * 7, holiday=1.0, swing=0.5, peak=350, growth=0.0)

SUBJECTS = (
    Subject(
        "arnaque", '(arnaque OR hameçonnage OR phishing OR "carte bancaire") lang:fr -is:retweet',
        40, CHATTER,
    ),
    Subject("inondation", "(inondation OR crue OR submersion) lang:fr -is:retweet", 15, RAIN),
    Subject(
        "securite_routiere",
        '("sécurité routière" OR "contrôle routier" OR "accident de la route") lang:fr -is:retweet',
        25, ROAD,
    ),
    Subject(
        "gendarmerie", "(gendarmerie OR gendarme OR @Gendarmerie) lang:fr -is:retweet", 60, CHATTER
    ),
    Subject("rumeur", '(rumeur OR "fausse information" OR intox) lang:fr -is:retweet', 20, CHATTER),
    Subject(
        "plainte_en_ligne",
        '("pré-plainte" OR "plainte en ligne" OR masecurite) lang:fr -is:retweet', 8, CHATTER,
    ),
    Subject(
        "panique", '(panique OR "mouvement de foule" OR "coups de feu") lang:fr -is:retweet',
        4, CHATTER,
    ),
)  # fmt: skip

# Posts by hour of the day in Paris: low at night, high at lunch and in the evening.
DAY = (
    0.35, 0.2, 0.13, 0.1, 0.12, 0.25, 0.5, 0.85, 1.1, 1.2, 1.25, 1.3,
    1.45, 1.4, 1.2, 1.15, 1.2, 1.35, 1.55, 1.7, 1.75, 1.6, 1.2, 0.7,
)  # fmt: skip


@dataclass(frozen=True)
class Account:
    """An account of the institution; `departement_code` is None for the national one."""

    id: str
    username: str
    name: str
    departement_code: str | None
    followers: int  # on 1 January 2024


@lru_cache(maxsize=1)
def accounts() -> tuple[Account, ...]:
    """Return one national account, then one per département.

    The ids lie far above any that X has given out, and the usernames say `demo_`.
    """
    first = 9_100_000_000_000_000_000
    national = Account(
        str(first), "demo_gend_fr", "Gendarmerie nationale (démonstration)", None, 182_000
    )
    local = tuple(
        Account(
            str(first + rank),
            f"demo_gend_{place.code}".lower(),
            f"Gendarmerie, {place.nom} (démonstration)",
            place.code,
            2_500 + place.population // 90,
        )
        for rank, place in enumerate(departements(), start=1)
    )
    return (national, *local)


# Posts on a network for one on X: the small ones are small enough to be read whole.
SHARE = {"x": 1.0, "mastodon": 0.006, "bluesky": 0.009}


# Accounts that the institution has there, and their followers for one on X.
PRESENCE = {"mastodon": (4, 0.03), "bluesky": (6, 0.05), "youtube": (2, 0.2)}


@lru_cache(maxsize=8)
def presence(network: str) -> tuple[Account, ...]:
    """Return the accounts of the institution on a network other than X."""
    count, share = PRESENCE[network]
    return tuple(
        replace(account, followers=round(account.followers * share))
        for account in accounts()[:count]
    )


@lru_cache(maxsize=65536)
def posts(seed: int, size: float, query: str, day: date, network: str = "x") -> tuple[int, ...]:
    """Return the posts that answer `query` in each of the 24 UTC hours of `day`."""
    subject = find(query)
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    events = planted(seed, begin, begin + timedelta(1))
    felt = [(event, KINDS[event.kind].x.get(subject.name, 0.0)) for event in events]
    rng = Random(f"{seed}/{network}/{subject.name}/{day}")  # noqa: S311 (a play, not a secret)
    size *= SHARE[network]
    counts = []
    for hour in range(24):
        instant = begin + timedelta(hours=hour)
        local = instant.astimezone(PARIS)
        mean = size * subject.per_hour * DAY[local.hour] * subject.rhythm.factor(local.date())
        for event, weight in felt:
            mean *= event.lift(instant + timedelta(minutes=30), weight)
        counts.append(_poisson(rng, mean * rng.lognormvariate(-0.01, 0.14)))
    return tuple(counts)


@lru_cache(maxsize=256)
def find(query: str) -> Subject:
    """Return the subject whose query this is, or a faint one: X counts whatever it is asked."""
    exact = {subject.query: subject for subject in SUBJECTS}
    if query in exact:
        return exact[query]
    words = _plain(query)
    for subject in SUBJECTS:
        if _plain(subject.name.replace("_", " ")) in words:
            return subject
    return Subject(query, query, 3, CHATTER)


@dataclass(frozen=True)
class Post:
    """A post as it is at last: what it gathers comes over its first two days."""

    at: datetime
    author: str
    text: str
    tag: str
    likes: int
    reposts: int
    replies: int
    serial: int

    def gathered(self, total: int, now: datetime) -> int:
        """Return how much of `total` has come by `now`."""
        return round(total * sqrt(min(1.0, max(0.0, (now - self.at) / timedelta(days=2)))))


@lru_cache(maxsize=4096)
def written(seed: int, size: float, query: str, day: date, network: str) -> tuple[Post, ...]:
    """Return the posts about the subject of `query` on one UTC day, the oldest first."""
    subject = find(query)
    words = _words().get(subject.name, _words()["autre"])
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    events = [
        event
        for event in planted(seed, begin, begin + timedelta(1))
        if KINDS[event.kind].x.get(subject.name, 0.0) >= 1
    ]
    places = departements()
    near = [place for place in places if any(place.code in e.departements for e in events)]
    rng = Random(f"{seed}/messages/{network}/{subject.name}/{day}")  # noqa: S311
    asked = Random(f"{seed}/besoins/{network}/{subject.name}/{day}")  # noqa: S311
    wanted = [need for need in needs(seed) if f"besoin_{need.code}" in words]
    found: list[Post] = []
    for hour, count in enumerate(posts(seed, size, query, day, network)):
        instants = sorted(rng.sample(range(3_600_000), count))
        for instant in instants:
            at = begin + timedelta(hours=hour, milliseconds=instant)
            lifted = max((event.lift(at, 1.0) for event in events), default=1.0)
            is_felt = rng.random() > 1 / max(1.0, lifted)
            where = _somewhere(rng, near if is_felt and near else places)
            text = rng.choice(words["evenement" if is_felt else "courant"])
            text = text.format(ville=rng.choice(where.villes))
            for need in wanted:
                if asked.random() < need.share:
                    here = [place for place in places if place.code in need.departements]
                    where = asked.choice(places if asked.random() < need.elsewhere else here)
                    text = asked.choice(words[f"besoin_{need.code}"])
                    text = text.format(ville=asked.choice(where.villes))
            if rng.random() < 0.02:
                text += f" {rng.choice(personal(seed))}"
            likes = int(rng.paretovariate(1.2)) - 1
            found.append(
                Post(
                    at=at,
                    author=f"demo_{rng.randrange(10_000):04}",
                    text=text,
                    tag=rng.choice(words["mots"]),
                    likes=likes,
                    reposts=likes // 3,
                    replies=likes // 5,
                    serial=len(found),
                )
            )
    return tuple(found)


def _somewhere(rng: Random, places: Sequence[Departement]) -> Departement:
    """Return one of `places`: people post where people live."""
    [place] = rng.choices(places, [place.population for place in places])
    return place


def between(
    seed: int, size: float, query: str, start: datetime, end: datetime, network: str
) -> list[Post]:
    """Return the posts about the subject of `query` in [start, end[, the oldest first."""
    found: list[Post] = []
    day = start.astimezone(UTC).date()
    while datetime(day.year, day.month, day.day, tzinfo=UTC) < end:
        found += (
            post for post in written(seed, size, query, day, network) if start <= post.at < end
        )
        day += timedelta(1)
    return found


@lru_cache(maxsize=1)
def _words() -> dict[str, dict[str, list[str]]]:
    """Return, for each subject, its hashtags and its sentences, calm and under an event."""
    return tomllib.loads((Path(__file__).parent / "posts.toml").read_text(encoding="utf-8"))


def hashtags(subject: Subject) -> list[str]:
    return _words()[subject.name]["mots"]


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.lower())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _poisson(rng: Random, mean: float) -> int:
    if mean > 30:
        return max(0, round(rng.gauss(mean, sqrt(mean))))
    count, product, floor = 0, rng.random(), exp(-mean)
    while product > floor:
        count += 1
        product *= rng.random()
    return count


@dataclass(frozen=True)
class Metrics:
    followers: int
    following: int
    posts: int
    listed: int


def metrics(seed: int, asked: Sequence[Account], instant: datetime) -> list[Metrics]:
    """Return the public figures of the accounts asked, at `instant`.

    Followers grow slowly, jump when something happens near them, and part of the jump leaves.
    """
    years = (instant - datetime(2024, 1, 1, tzinfo=UTC)).total_seconds() / (365.25 * 86400)
    gains = [
        (event.departements, KINDS[event.kind].followers * min(1.0, age / 4) * exp(-age / 240))
        for event in planted(seed, instant - timedelta(days=500), instant)
        for age in [(instant - event.start) / timedelta(days=1)]
    ]
    noise = Random(f"{seed}/abonnes/{instant:%Y-%m-%d}")  # noqa: S311 (a play, not a secret)
    phase = noise.uniform(-1, 1)
    found = []
    for account in asked:
        growth, pace, following, swing = _habit(seed, account.username)
        near = sum(
            gain * (1.0 if not where or account.departement_code in where else 0.02)
            for where, gain in gains
        )
        share = (1 + growth) ** years + near + 0.0005 * phase * swing
        found.append(
            Metrics(
                followers=round(account.followers * share),
                following=following,
                posts=round((years + 6) * 365.25 * pace),
                listed=round(account.followers * share * 0.006),
            )
        )
    return found


@lru_cache(maxsize=1024)
def _habit(seed: int, username: str) -> tuple[float, float, int, float]:
    """Return growth a year, posts a day, accounts followed, and how it sways with the day."""
    rng = Random(f"{seed}/compte/{username}")  # noqa: S311
    return rng.uniform(0.03, 0.12), rng.uniform(0.6, 2.5), rng.randint(120, 900), rng.gauss(0, 1)
