"""Observatoire « Vos démarches essentielles »: the quality of online procedures, every quarter.

Origin    : public JSON API of observatoire.numerique.gouv.fr (DINUM), no key.
Licence   : Licence Ouverte 2.0.
Grain     : one row per edition; one per edition and procedure; one per procedure and indicator.
Personal  : none.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import cache
from typing import Any

import dlt
from dlt.sources import DltResource
from dlt.sources.helpers.rest_client.client import RESTClient
from requests import Session

KEEP = {"x-personal": "keep"}
ID = {**KEEP, "nullable": False}
MOMENT = {**KEEP, "data_type": "timestamp"}
UNREAD = {"x-personal": "drop"}

EDITIONS: dict[str, Any] = {
    "id": ID,
    "name": KEEP,
    "start_date": {**MOMENT, "nullable": False},
    "end_date": {**MOMENT, "nullable": False},
    "created_at": MOMENT,
    "version": KEEP,
}
# The same procedure bears another id in each edition; `jdma_identifier` and the title follow it.
PROCEDURES: dict[str, Any] = {
    "id": ID,
    "edition_id": {**ID, "x-names": ["editionId"]},
    "grist_identifier": {**KEEP, "x-names": ["airtable_identifier"]},
    "jdma_identifier": KEEP,
    "title": ID,
    "ministere": KEEP,
    "administration": KEEP,
    "administration_central": KEEP,
    "sousorg": KEEP,
    "volume": {**KEEP, "data_type": "bigint", "x-min": 0},
    "no_jdma": {**KEEP, "x-names": ["noJdma"]},
    "title_normalized": UNREAD,
    "fields": UNREAD,
    "edition": {**UNREAD, "x-names": [f"edition.{name}" for name in EDITIONS]},
}
INDICATEURS: dict[str, Any] = {
    "procedure_id": {**ID, "x-names": ["procedureId"]},
    "slug": ID,
    "label": KEEP,
    # A score, a percentage, a word or nothing, as it is shown.
    "value": KEEP,
    "color": KEEP,
    "goal_reached": {**KEEP, "x-names": ["goalReached"]},
    "id": UNREAD,
    "no_background": {**UNREAD, "x-names": ["noBackground"]},
}


@dlt.source
def observatoire(
    base_url: str = dlt.config.value,
    since: date | None = None,
    until: date | None = None,
    session: Session | None = None,
) -> Iterable[DltResource]:
    """Yield the resources `editions`, `procedures` and `indicateurs`.

    Args:
        base_url: root of the API.
        since: editions that end before this day are not asked again.
        until: unused; the API tells what is published.
        session: the HTTP session to speak through.
    """
    client = RESTClient(base_url, session=session or Session())

    @cache
    def editions() -> list[dict[str, Any]]:
        return [
            edition
            for edition in _asked(client, "editions")
            if since is None or (edition["end_date"] or "9999") >= f"{since}"
        ]

    @cache
    def procedures(edition: str) -> list[dict[str, Any]]:
        # Without an edition the service answers for the latest one, whatever was meant.
        return _asked(client, "procedures", {"editionId": edition})

    yield dlt.resource(
        _told(editions),
        name="editions",
        columns=EDITIONS,
        primary_key="id",
    )
    for name, columns, key, rows in (
        ("procedures", PROCEDURES, ["id"], lambda procedure: [procedure]),
        ("indicateurs", INDICATEURS, ["procedure_id", "slug"], _indicators),
    ):
        yield dlt.resource(
            _pages(editions, procedures, rows), name=name, columns=columns, primary_key=key
        )


def _told(editions: Callable[[], list[dict[str, Any]]]) -> Iterator[Any]:
    yield {"whence": "editions", "records": editions()}


def _pages(
    editions: Callable[[], list[dict[str, Any]]],
    procedures: Callable[[str], list[dict[str, Any]]],
    rows: Callable[[dict[str, Any]], list[dict[str, Any]]],
) -> Iterator[Any]:
    for edition in editions():
        yield {
            "whence": f"procedures {edition['id']}",
            "records": [
                row
                for procedure in procedures(edition["id"])
                for row in rows({"editionId": edition["id"], **procedure})
            ],
        }


def _indicators(procedure: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**field, "procedureId": procedure["id"]} for field in procedure.get("fields") or ()]


def _asked(
    client: RESTClient, path: str, params: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    response = client.get(path, params=params)
    response.raise_for_status()
    records: list[dict[str, Any]] = response.json()
    return records
