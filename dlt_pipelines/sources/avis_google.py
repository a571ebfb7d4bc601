"""Reviews that people leave on Google about the units of the Gendarmerie.

Origin    : Partoo REST API v2 (`groups`, `business/search`, `reviews`), key in a header.
Licence   : terms of use of Partoo and of Google; internal use.
Grain     : one row per review, in its last state; one per unit (a business of Partoo); one per
            group of units.
Personal  : text of reviews (redacted); who wrote them, and who answered, is never loaded.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import dlt
from dlt.sources import DltResource
from dlt.sources.helpers.rest_client.auth import APIKeyAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator
from requests import Session

GOOGLE = "google_my_business"
PER_PAGE = 100
# The search answers with open units alone by default: reviews of the others would have no place.
STATUSES = "open,opening_soon,temporarily_closed,closed"

KEEP = {"x-personal": "keep"}
DROP = {"x-personal": "drop"}

GROUPS: dict[str, Any] = {
    "id": {**KEEP, "nullable": False},
    "name": {**KEEP, "nullable": False},
}

BUSINESSES: dict[str, Any] = {
    "id": {**KEEP, "nullable": False},
    "code": KEEP,
    "name": {**KEEP, "nullable": False},
    "group_id": KEEP,
    "status": KEEP,
    "city": KEEP,
    "zipcode": KEEP,
    "country": KEEP,
    "lat": {**KEEP, "data_type": "double"},
    "long": {**KEEP, "data_type": "double"},
}

REVIEWS: dict[str, Any] = {
    "id": {**KEEP, "nullable": False},
    "business_id": {**KEEP, "nullable": False},
    "partner": KEEP,
    "date": {**KEEP, "data_type": "timestamp", "nullable": False},
    "update_date": {**KEEP, "data_type": "timestamp"},
    "delete_date": {**KEEP, "data_type": "timestamp"},
    "rating": {**KEEP, "data_type": "bigint", "x-min": 0},
    "content": {"x-personal": "redact"},
    "state": KEEP,
    "reply_date": {**KEEP, "data_type": "timestamp"},
    **dict.fromkeys(
        ("author_name", "key", "link", "org_id", "partner_id", "recommended", "tags", "title"), DROP
    ),
}


@dlt.source
def avis_google(
    base_url: str = dlt.config.value,
    token: str = dlt.secrets.value,
    since: date | None = None,
    until: date | None = None,
    session: Session | None = None,
) -> Iterable[DltResource]:
    """Yield the resources `reviews`, `businesses` and `groups`.

    Args:
        base_url: root of the API, with its version.
        token: API key of Partoo.
        since: reviews are asked that changed from this day on (UTC).
        until: last day on which they changed (inclusive); None is today.
        session: the HTTP session to speak through.
    """
    client = RESTClient(
        base_url,
        auth=APIKeyAuth(name="x-APIKey", api_key=token, location="header"),
        session=session or Session(),
    )
    yield dlt.resource(
        _reviews(client, since or date(2016, 1, 1), until or date.today()),
        name="reviews",
        columns=REVIEWS,
        primary_key="id",
    )
    yield dlt.resource(_businesses(client), name="businesses", columns=BUSINESSES, primary_key="id")
    yield dlt.resource(_groups(client), name="groups", columns=GROUPS, primary_key="id")


def _reviews(client: RESTClient, since: date, until: date) -> Iterator[dict[str, Any]]:
    asked = {"update_date__gte": f"{since}T00:00:00", "update_date__lte": f"{until}T23:59:59"}
    for number, page in _pages(client, "reviews", "reviews", asked):
        # Reviews found elsewhere (Facebook, Tripadvisor) ask other questions.
        records = [_review(row) for row in page if row.get("partner", GOOGLE) == GOOGLE]
        yield {"whence": f"reviews {since} {number}", "records": records}


def _review(row: dict[str, Any]) -> dict[str, Any]:
    """Replace the answers, that are signed, by the date of the first one."""
    answers = row.pop("comments", None) or []
    answers = [answers] if isinstance(answers, dict) else answers
    dates = [answer.get("date") or answer.get("created") for answer in answers]
    return {**row, "reply_date": min((moment for moment in dates if moment), default=None)}


def _businesses(client: RESTClient) -> Iterator[dict[str, Any]]:
    for number, page in _pages(client, "business/search", "businesses", {"status": STATUSES}):
        if lost := {"id", "name", "zipcode"} - page[0].keys():
            # A unit tells dozens of fields that we leave: a name that changed must be said here.
            raise LookupError(
                f"les établissements n’ont plus de {', '.join(sorted(lost))} parmi : "
                + ", ".join(sorted(page[0]))
            )
        yield {
            "whence": f"business/search {number}",
            "records": [{name: row.get(name) for name in BUSINESSES} for row in page],
        }


def _groups(client: RESTClient) -> Iterator[dict[str, Any]]:
    for number, page in _pages(client, "groups", "groups", {}):
        yield {
            "whence": f"groups {number}",
            "records": [{name: row.get(name) for name in GROUPS} for row in page],
        }


def _pages(
    client: RESTClient, path: str, field: str, asked: dict[str, Any]
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Yield (number, records) of each page that is not empty."""
    pages = client.paginate(
        path,
        params={**asked, "per_page": PER_PAGE},
        data_selector=field,
        paginator=PageNumberPaginator(base_page=1, page_param="page", total_path="max_page"),
    )
    yield from ((number, list(page)) for number, page in enumerate(pages, start=1) if page)
