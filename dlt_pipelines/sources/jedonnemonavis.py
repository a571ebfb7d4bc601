"""Je donne mon avis: what users answer at the end of an online procedure.

Origin    : « Je donne mon avis », DINUM: statistics API (key of a product or of an entity), and the
            CSV exports of its back office, of the worker and of before.
Licence   : internal use; the figures of public products are published by DINUM.
Grain     : statistiques: one row per product, form, day, question and answer; avis: one row per
            exported review; services: one row per product that the key reads.
Personal  : free text (redacted), e-mail address left to be called back (dropped).
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import dlt
import pyarrow as pa
from dlt.sources import DltResource
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from requests import Session

DAY = timedelta(days=1)
PRODUCTS_PER_CALL = 10
# The sub-questions are asked for themselves: as `children` of an answer they are sums over the
# whole request, whatever the day, the form and the product.
QUESTIONS = ("satisfaction", "comprehension", "contact_tried", "contact_reached",
             "contact_satisfaction")  # fmt: skip
MONTHS = ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre",
          "octobre", "novembre", "décembre")  # fmt: skip

KEEP = {"x-personal": "keep"}
DROP = {"x-personal": "drop"}


def _asked(*labels: str) -> dict[str, Any]:
    """Return the hints of a question: exports name it by its label, with either apostrophe."""
    return {
        "x-names": [written for label in labels for written in (label, label.replace("'", "’"))]
    }


AVIS: dict[str, Any] = {
    "avis_id": {
        **KEEP,
        "nullable": False,
        "x-names": ["Identifiant Avis", "Review ID", "ID"],
    },
    # The legacy export knows the day alone: it is the day that makes the key.
    "cree_le": {
        **KEEP,
        "data_type": "date",
        "nullable": False,
        "x-names": ["Date de l'avis", "Review Created At", "Date"],
    },
    "cree_at": {**KEEP, "data_type": "timestamp"},
    "demarche": KEEP,
    "formulaire": {**KEEP, "x-names": ["Nom du formulaire"]},
    "bouton": {**KEEP, "x-names": ["Lien d'intégration"]},
    "satisfaction": _asked(
        "De façon générale, comment ça s'est passé ?",
        "Comment s'est passée cette démarche pour vous ?",
        "Satisfaction démarche",
    ),
    "comprehension": _asked(
        "Qu'avez-vous pensé des informations et des instructions fournies ?", "Langage démarche"
    ),
    "contact_tried": _asked(
        "Durant votre parcours, avez-vous tenté d'obtenir de l'aide par l'un des moyens suivants ?"
    ),
    "contact_reached": _asked(
        "Quand vous avez cherché de l'aide, avez-vous réussi à joindre l'administration ?",
        "Contact réussi",
    ),
    "contact_satisfaction": _asked(
        "Comment évaluez-vous la qualité de l'aide que vous avez obtenue de la part de"
        " l'administration ?",
        "Contact satisfaction",
    ),
    "bug_kind": _asked("Quel type de retour souhaitez-vous nous faire ?"),
    "verbatim": _asked(
        "Souhaitez-vous nous en dire plus ?", "Pouvez-vous nous en dire plus ?", "Commentaire"
    ),
    "contact_email": {**DROP, "x-names": ["Adresse mail"]},
    "easy": _asked("Facilité démarche"),
    "difficulties": _asked("Difficultés"),
    "difficulties_details": _asked("Difficultés détails"),
    "difficulties_details_verbatim": _asked("Difficultés commentaire"),
    "contact": _asked("Contact tenté"),
    "contact_channels": _asked("Contact canal"),
    "contact_channels_verbatim": _asked("Contact canal commentaire"),
    "contact_details": _asked("Contact détails"),
    "help": _asked("Aide"),
    "help_details": _asked("Aide détails"),
    "help_details_verbatim": _asked("Aide commentaire"),
}

SERVICES: dict[str, Any] = {
    "id": {**KEEP, "nullable": False},
    "title": {**KEEP, "nullable": False},
    "entity": KEEP,
    "forms": KEEP,
}

STATISTIQUES: dict[str, Any] = {
    # Texts, as in the answer: a form that the service does not find is called `undefined`.
    "product_id": {**KEEP, "nullable": False},
    "product_name": KEEP,
    "form_id": {**KEEP, "nullable": False},
    "form_name": KEEP,
    "date": {**KEEP, "data_type": "date", "nullable": False},
    "length_interval": DROP,
    "category": {**KEEP, "nullable": False},
    "question": KEEP,
    "intention": {**KEEP, "nullable": False},
    "label": {**KEEP, "nullable": False},
    "count": {**KEEP, "data_type": "bigint", "nullable": False, "x-min": 0},
}


@dlt.source
def jedonnemonavis(
    pages: Iterable[Any] | None = None,
    base_url: str = dlt.config.value,
    token: str = dlt.secrets.value,
    products: list[int] = dlt.config.value,
    since: date | None = None,
    until: date | None = None,
    session: Session | None = None,
) -> Iterable[DltResource]:
    """Yield the resources `avis`, `services` and `statistiques`.

    Args:
        pages: tables of text read from CSV exports; the API is not asked then.
        base_url: root of the API.
        token: API key of a product or of an entity.
        products: ids of the products to read; empty is all that the key reads.
        since: first day to read (inclusive).
        until: last day to read (inclusive); None is today.
        session: the HTTP session to speak through.
    """
    client = RESTClient(base_url, auth=BearerTokenAuth(token), session=session or Session())
    asked = pages is None and since is not None
    yield dlt.resource(
        (_rewritten(page) for page in pages or ()),
        name="avis",
        columns=AVIS,
        primary_key=["avis_id", "cree_le"],
    )
    yield dlt.resource(
        _services(client, products) if asked else iter(()),
        name="services",
        columns=SERVICES,
        primary_key="id",
    )
    yield dlt.resource(
        _statistics(client, products, since or date(2018, 1, 1), until or date.today())
        if asked
        else iter(()),
        name="statistiques",
        columns=STATISTIQUES,
        primary_key=["product_id", "form_id", "date", "category", "intention", "label"],
    )


def _services(client: RESTClient, products: list[int]) -> Iterator[dict[str, Any]]:
    yield {"whence": "services", "records": _readable(client, products)}


def _readable(client: RESTClient, products: list[int]) -> list[dict[str, Any]]:
    response = client.get("services")
    response.raise_for_status()
    services: list[dict[str, Any]] = response.json()["data"]
    if products:
        services = [service for service in services if int(service["id"]) in products]
    if not services:
        # The service refuses a call without products, and an empty answer would delete the window.
        raise LookupError(
            "la clé ne lit aucun des services demandés. Vérifier la clé et `products` dans "
            "dlt_pipelines/.dlt/config.toml"
        )
    return services


def _statistics(
    client: RESTClient, products: list[int], since: date, until: date
) -> Iterator[dict[str, Any]]:
    """Ask ten products and a month at a time: an answer holds 10,000 counts at most."""
    ids = [int(service["id"]) for service in _readable(client, products)]
    start = since
    while start <= until:
        end = min(until, (start.replace(day=1) + timedelta(days=32)).replace(day=1) - DAY)
        for i in range(0, len(ids), PRODUCTS_PER_CALL):
            response = client.post(
                "statistiques",
                json={
                    "start_date": f"{start}",
                    "end_date": f"{end}",
                    "product_ids": ids[i : i + PRODUCTS_PER_CALL],
                    "form_ids": [],
                    "field_codes": QUESTIONS,
                    "interval": "day",
                },
            )
            response.raise_for_status()
            yield {
                "whence": f"statistiques {start:%Y-%m} {i // PRODUCTS_PER_CALL + 1}",
                "records": list(_counts(response.json()["data"])),
            }
        start = end + DAY


def _counts(products: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Flatten the answer; whatever else its levels say goes along, for the door to report."""
    for product in products:
        for form in product.get("forms", ()):
            for interval in form.get("intervals", ()):
                above = {**_scalars(product), **_scalars(form), **_scalars(interval)}
                for asked in interval.get("data", ()):
                    question = _scalars(asked)
                    question["question"] = question.pop("label", None)
                    for hit in asked.get("number_hits", ()):
                        yield {**above, **question, **_scalars(hit)}


def _scalars(level: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in level.items() if not isinstance(value, list)}


def _rewritten(page: pa.Table) -> pa.Table:
    """Bring both exports to one writing: identifier of 7 hexadecimal digits, day and instant."""
    names = {name.strip().lower(): name for name in page.column_names}
    identifier, moment = names.get("id"), None
    for written in ("date de l'avis", "date de l’avis", "review created at", "date"):
        moment = moment or names.get(written)
    if identifier:
        page = _replaced(page, identifier, "avis_id", _shortened)
    if moment:
        page = page.append_column("cree_at", _mapped(page[moment], _instant))
        page = _replaced(page, moment, "cree_le", _day)
    return page.append_column("demarche", _mapped(page["_fichier"], _procedure))


def _replaced(page: pa.Table, old: str, new: str, rewrite: Any) -> pa.Table:
    return page.set_column(page.column_names.index(old), new, _mapped(page[old], rewrite))


def _mapped(column: pa.ChunkedArray, rewrite: Any) -> pa.Array:
    return pa.array([rewrite(text.strip()) for text in column.to_pylist()], pa.string())


def _shortened(identifier: str) -> str:
    """Return the identifier as the worker writes it, of the whole number of the legacy export."""
    return f"{int(identifier):x}"[-7:] if identifier.isdecimal() else identifier


def _instant(moment: str) -> str | None:
    """Return the instant of the worker's clock, which is in UTC."""
    return f"{moment}+00:00" if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", moment) else None


def _day(moment: str) -> str:
    """Return the day (UTC) of a clock or of a date in French words; else what was read."""
    if re.match(r"\d{4}-\d\d-\d\d ", moment):
        return moment[:10]
    words = re.fullmatch(r"(?:[^\W\d]+ )?(\d{1,2})(?:er)? ([^\W\d]{3,})\.? (\d{4})", moment.lower())
    for number, month in enumerate(MONTHS, start=1):
        if words and month.startswith(words[2]):
            return f"{words[3]}-{number:02}-{int(words[1]):02}"
    return moment


def _procedure(file: str) -> str | None:
    """Return the procedure that the name of an export names, accents and spaces lost."""
    named = re.match(r"(?i)avis_(.+?)_\d{4}-\d\d-\d\d", file)
    return re.sub(r"[^A-Za-z0-9-]+", "_", named[1]) if named else None
