"""How many look: at the institution's accounts away from X, at its sites and at their pages."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from random import Random
from zoneinfo import ZoneInfo

from dlt_pipelines.sandbox.social import DAY, Account, Metrics, accounts, metrics
from dlt_pipelines.sandbox.story import Rhythm, noon, planted

LOOKED_AT = Rhythm(
    week=(1.1, 1.1, 1.1, 1.05, 1.0, 0.85, 0.8), holiday=0.8, swing=0.06, peak=20, growth=0.05
)

# Kind of event → share of it that people feel who look there; below zero, it turns its sense: a
# campaign lowers frauds and draws readers, a breakdown is talked about and empties the site.
ON_NETWORKS = {
    "inondation": 0.25,
    "rumeur": 0.1,
    "fraude": 0.15,
    "panique": 0.03,
    "prevention": -0.8,
}


@dataclass(frozen=True)
class Page:
    """A page of a site, and its mean views a day at size 1."""

    site: str
    path: str
    label: str
    views: float
    feels: dict[str, float] = field(hash=False)


PAGES = (
    Page("demo-gendarmerie", "/", "Accueil", 5200, {"inondation": 0.08, "rumeur": 0.08}),
    Page("demo-gendarmerie", "/actualites", "Actualités", 1900, {"inondation": 0.2, "rumeur": 0.2}),
    Page("demo-gendarmerie", "/recrutement", "Recrutement", 2600, {}),
    Page("demo-gendarmerie", "/contacter-une-brigade", "Contacter une brigade", 3100, {"panne": 1}),
    Page("demo-gendarmerie", "/crues", "Conseils en cas de crue", 40, {"inondation": 2.5}),
    Page("demo-prevention", "/", "Accueil", 700, {"prevention": -1.5, "fraude": 0.5}),
    Page("demo-prevention", "/arnaques", "Arnaques", 420, {"prevention": -3.0, "fraude": 1.2}),
    Page("demo-prevention", "/rumeurs", "Vérifier une rumeur", 60, {"rumeur": 0.8}),
    Page("demo-masecurite", "accueil", "Ma Sécurité", 6100, {"inondation": 0.05, "rumeur": 0.03}),
    Page(
        "demo-masecurite", "tchat", "Tchat", 900, {"inondation": 0.2, "panne": 0.8, "panique": 0.03}
    ),
    Page("demo-masecurite", "perceval", "Perceval", 1300, {"fraude": 1.2, "prevention": 0.5}),
    Page("demo-pre-plainte", "accueil", "Pré-plainte en ligne", 4300, {"panne": -0.35}),
    Page("demo-pre-plainte", "declaration", "Déclarer les faits", 2900, {"panne": -0.42}),
)
PAGES_A_VISIT = 2.4


@lru_cache(maxsize=4096)
def _felt(seed: int, day: date) -> tuple[tuple[str, float, tuple[str, ...]], ...]:
    """Return (kind, what it adds at full weight, départements) of the events of `day`."""
    at = noon(day)
    return tuple(
        (event.kind, (event.size - 1) * event.height(at), event.departements)
        for event in planted(seed, at - timedelta(hours=12), at + timedelta(hours=12))
    )


def _lift(seed: int, day: date, feels: dict[str, float], departement: str | None = None) -> float:
    factor = 1.0
    for kind, added, where in _felt(seed, day):
        # The country hears a little of what one département lives.
        near = 1.0 if departement in where else 0.15 if departement and where else 0.4
        factor *= 1 + added * feels.get(kind, 0.0) * (near if where else 1.0)
    return max(0.02, factor)


@lru_cache(maxsize=65536)
def views(seed: int, size: float, page: Page, day: date) -> int:
    """Return the views of `page` on `day`."""
    rng = Random(f"{seed}/audience/{page.site}/{page.path}/{day}")  # noqa: S311 (a play)
    mean = size * page.views * LOOKED_AT.factor(day) * _lift(seed, day, page.feels)
    return round(mean * rng.lognormvariate(-0.005, 0.1))


def visits(seed: int, size: float, site: str, day: date) -> int:
    """Return the visits of `site` on `day`; each looks at a few pages."""
    seen = sum(views(seed, size, page, day) for page in pages(site))
    return round(seen / PAGES_A_VISIT)


def pages(site: str) -> list[Page]:
    return [page for page in PAGES if page.site == site]


@lru_cache(maxsize=16384)
def by_hour(seed: int, size: float, site: str, day: date) -> tuple[tuple[int | None, int], ...]:
    """Return (hour in Paris, visits); some days, the hour of a few visits is not known (None)."""
    total = visits(seed, size, site, day)
    rng = Random(f"{seed}/audience/{site}/heures/{day}")  # noqa: S311
    lost = total // 200 if rng.random() < 0.1 else 0
    weights = [weight * rng.uniform(0.9, 1.1) for weight in DAY]
    edges = [0.0]
    for weight in weights:
        edges.append(edges[-1] + weight / sum(weights) * (total - lost))
    hours: list[tuple[int | None, int]] = [
        (hour, round(edges[hour + 1]) - round(edges[hour])) for hour in range(24)
    ]
    return tuple(hours + [(None, lost)] * bool(lost))


# --- accounts -------------------------------------------------------------------------------------

# Départements that keep accounts away from X: the crowded ones, and some that floods visit.
LOCAL = ("06", "13", "29", "30", "31", "33", "34", "35", "59", "62", "69", "974")
SCALE = {"facebook": 4.1, "instagram": 1.6, "linkedin": 0.9}


@lru_cache(maxsize=8)
def followed(network: str) -> tuple[Account, ...]:
    """Return the national account on a network, then local ones where there are some."""
    first = {"facebook": 9_200, "instagram": 9_300, "linkedin": 9_400}[network] * 10**9
    local = LOCAL if network == "facebook" else ()
    return tuple(
        replace(account, id=str(first + rank), followers=round(account.followers * SCALE[network]))
        for rank, account in enumerate(accounts())
        if account.departement_code is None or account.departement_code in local
    )


@lru_cache(maxsize=4096)
def figures(seed: int, network: str, day: date, zone: ZoneInfo) -> dict[str, Metrics]:
    """Return account id → public figures as `day` ends in `zone`."""
    end = datetime.combine(day + timedelta(1), time(), zone)
    known = followed(network)
    return {account.id: own for account, own in zip(known, metrics(seed, known, end), strict=True)}


@lru_cache(maxsize=65536)
def reach(seed: int, network: str, account: Account, followers: int, day: date) -> tuple[int, int]:
    """Return the views of what an account shows on `day`, and the people who reacted."""
    rng = Random(f"{seed}/{network}/{account.username}/{day}")  # noqa: S311
    lift = _lift(seed, day, ON_NETWORKS, account.departement_code)
    seen = followers * 0.3 * LOOKED_AT.factor(day) * lift * rng.lognormvariate(-0.03, 0.25)
    return round(seen), round(seen * rng.uniform(0.02, 0.05))
