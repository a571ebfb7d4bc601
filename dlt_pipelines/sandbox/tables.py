"""The world as DuckDB tables, so that a day's rows come from a query and not from a loop.

A draw is a hash of what it is about: DuckDB spreads the work over its threads, and no row depends
on the rows before it. The hash is DuckDB's own, hence the bytes change with its pinned version.
"""

import tomllib
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
from stdnum import iban, luhn
from stdnum.fr import nir

from dlt_pipelines.sandbox.story import (
    KINDS,
    Rhythm,
    World,
    days,
    departements,
    ledger,
    needs,
    noon,
)
from dlt_pipelines.sandbox.structures import OUTSIDE, structures

HERE = Path(__file__).parent

EXPERIENCES_A_DAY = 20
EXPERIENCES = Rhythm(
    week=(1.25, 1.15, 1.1, 1.05, 1.0, 0.5, 0.35), holiday=0.35, swing=0.12, peak=30, growth=0.06
)
REPORTS_A_DAY = 270
REPORTS = Rhythm(
    week=(1.3, 1.25, 1.05, 1.0, 0.95, 0.75, 0.7), holiday=0.7, swing=0.1, peak=350, growth=0.04
)


def connect(world: World, *scripts: str) -> duckdb.DuckDBPyConnection:
    """Return a database in memory with the frame of `world` and what `scripts` build on it."""
    db = duckdb.connect()
    outside = next(structure for structure in structures() if structure.id == OUTSIDE)
    db.execute(f"set variable seed = {world.seed:d}")
    db.execute("set variable outside_id = ?", [outside.id])
    db.execute("set variable outside_label = ?", [outside.label])
    phrases = tomllib.loads((HERE / "phrases.toml").read_text(encoding="utf-8"))
    frame = {
        "calendar": _calendar(world),
        "departements": _departements(),
        "structures": _structures(),
        "services": _services(phrases),
        "phrases": _phrases(phrases, world.seed),
        "event_days": _event_days(world),
        "needs": _needs(world),
    }
    for name, table in frame.items():
        db.register("incoming", table)
        db.execute(f"create table {name} as from incoming")
        db.unregister("incoming")
    for script in ("frame", *scripts):
        db.execute((HERE / f"{script}.sql").read_text(encoding="utf-8"))
    db.execute("set enable_external_access = false")
    return db


def _calendar(world: World) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "day": day,
                "experiences_expected": world.size * EXPERIENCES_A_DAY * EXPERIENCES.factor(day),
                "reports_expected": world.size * REPORTS_A_DAY * REPORTS.factor(day),
            }
            for day in days(world.start, world.end)
        ]
    )


def _departements() -> pa.Table:
    rows = [
        {
            "code": place.code,
            "nom": place.nom,
            "region_code": place.region_code,
            "region_nom": place.region_nom,
            "code_postal": place.code_postal,
            "villes": [_at(town) for town in place.villes],
            "weight": place.population,
        }
        for place in departements()
    ]
    return _thresholds(rows)


def _at(town: str) -> str:
    """Return the town after its preposition, contracted as French wants."""
    for article, contracted in (("Le ", "au "), ("Les ", "aux ")):
        if town.startswith(article):
            return contracted + town.removeprefix(article)
    return f"à {town}"


def _thresholds(rows: list[dict[str, Any]]) -> pa.Table:
    """Turn weights into the lower bounds of their shares, for an as-of join with a draw."""
    total, reached = sum(row["weight"] for row in rows), 0.0
    for row in rows:
        row["threshold"] = reached / total
        reached += row.pop("weight")
    return pa.Table.from_pylist(rows)


def _structures() -> pa.Table:
    def scope(typologie: str, code: str, region_code: str, identifier: str) -> str:
        where = {"Région de Gendarmerie": region_code}.get(typologie, code)
        return f"{typologie}/{where if identifier.endswith(f'_{where}') else ''}"

    return pa.Table.from_pylist(
        [
            {
                "id": row.id,
                "label": row.label,
                "scope": scope(
                    row.typologie, row.departement.code, row.departement.region_code, row.id
                ),
            }
            for row in structures()
        ]
    )


def _services(phrases: dict[str, Any]) -> pa.Table:
    return _thresholds(
        [
            {
                "service": name,
                "lieu": service["lieu"],
                "positif": service["ressenti"][0],
                "negatif": service["ressenti"][1],
                "weight": service["poids"],
            }
            for name, service in phrases["services"].items()
        ]
    )


def _phrases(phrases: dict[str, Any], seed: int) -> pa.Table:
    rows: list[dict[str, Any]] = [
        {"family": family, "tone": None, "choices": choices}
        for family, choices in (
            *((name, phrases[name]) for name in ("ouvertures", "lieux", "tags_metiers")),
            *((f"sujets/{name}", own["sujets"]) for name, own in phrases["services"].items()),
            ("personnel", personal(seed)),
        )
    ]
    toned = {name: phrases[name] for name in ("titres", "conclusions", "reponses")}
    for group in ("aspects", "services", "evenements", "besoins"):
        toned |= {f"{group}/{name}": own for name, own in phrases[group].items()}
    rows += [
        {"family": family, "tone": tone, "choices": own[tone]}
        for family, own in toned.items()
        for tone in ("positif", "neutre", "negatif")
    ]
    return pa.Table.from_pylist(rows)


def _event_days(world: World) -> pa.Table:
    rows = []
    for event in ledger(world):
        kind = KINDS[event.kind]
        service, outcry, positive, negative = kind.outcry
        rows += [
            {
                "event": event.key,
                "kind": event.kind,
                "day": day,
                "height": event.height(noon(day)),
                "size": event.size,
                "departements": list(event.departements),
                "perceval": kind.perceval,
                "service": service,
                "outcry": outcry,
                "positif": positive,
                "negatif": negative,
            }
            for day in days(max(event.start.date(), world.start), world.end)
            if event.height(noon(day)) > 0
        ]
    return pa.Table.from_pylist(
        rows,
        schema=pa.schema(
            {
                "event": pa.string(),
                "kind": pa.string(),
                "day": pa.date32(),
                "height": pa.float64(),
                "size": pa.float64(),
                "departements": pa.list_(pa.string()),
                "perceval": pa.float64(),
                "service": pa.string(),
                "outcry": pa.float64(),
                "positif": pa.float64(),
                "negatif": pa.float64(),
            }
        ),
    )


def _needs(world: World) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "need": need.code,
                "share": need.share,
                "elsewhere": need.elsewhere,
                "departements": list(need.departements),
            }
            for need in needs(world.seed)
        ]
    )


# Numbers no person can own: telephone ranges kept for fiction, a bank that does not exist,
# births in a month that does not exist, plates with the letters SS, the card issuers' test range.
FICTION_PHONES = ("01 99 00", "02 61 91", "03 53 01", "04 65 71", "05 36 49", "06 39 98")
FIRST_NAMES = ("Zéphirine", "Anicet", "Mahaut", "Oscarine", "Théodule", "Aglaé", "Fulbert")
LAST_NAMES = ("Courtebotte", "Brindavoine", "Pomponneau", "Valdefeu", "Tournesac", "Grisepluie")


@lru_cache(maxsize=8)
def personal(seed: int) -> list[str]:
    """Return sentences by which people give themselves away, all numbers with a valid key."""
    rng = Random(f"{seed}/personnel")  # noqa: S311 (a play, not a secret)

    def digits(count: int) -> str:
        return "".join(rng.choices("0123456789", k=count))

    def phone() -> str:
        number = f"{rng.choice(FICTION_PHONES)} {digits(2)} {digits(2)}"
        return rng.choice((number, number.replace(" ", ""), f"+33 {number[1:]}"))

    def account() -> str:
        bank = f"99999{digits(5)}{digits(11)}{digits(2)}"
        key = iban.calc_check_digits(f"FR00{bank}")
        whole = f"FR{key}{bank}"
        return rng.choice((whole, " ".join(whole[n : n + 4] for n in range(0, len(whole), 4))))

    def social_security() -> str:
        number = f"{rng.choice('12')}{digits(2)}31{rng.randint(10, 95)}{digits(6)}"
        key = nir.calc_check_digits(number)
        return rng.choice((number + key, nir.format(number + key)))

    def card() -> str:
        number = f"411111{digits(9)}"
        return number + luhn.calc_check_digit(number)

    def sentence() -> str:
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        mail = f"{first[0]}.{last}{digits(2)}@example.org".lower().replace("é", "e")
        return rng.choice(
            (
                f"Vous pouvez me joindre au {phone()}.",
                f"Mon adresse : {mail}",
                f"Écrivez-moi à {mail} ou appelez le {phone()}.",
                f"Mon IBAN est {account()}.",
                f"Mon numéro de sécurité sociale est le {social_security()}.",
                f"La voiture est immatriculée SS-{digits(3)}-{rng.choice(('AB', 'ZK', 'PT'))}.",
                f"Ma carte {card()} a été bloquée.",
                f"J'ai eu affaire à Madame {last}, très professionnelle.",
                f"Je m'appelle {first} {last}.",
            )
        )

    return [sentence() for _ in range(400)]
