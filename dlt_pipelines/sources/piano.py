"""Piano Analytics (AT Internet): visits by hour, pages seen by day, places and means by month.

Origin    : Data API v3, `getData`, key of a user who sees the sites.
Licence   : figures of our own sites.
Grain     : one row per part of a site (`site_level2`) and hour, Paris time; per page and day; per
            part of the world and month; per source, device and month.
Personal  : none (counts; unique visitors, that do not add up, are not asked).
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import count
from typing import Any

import dlt
from dlt.sources import DltResource
from dlt.sources.helpers.rest_client.auth import APIKeyAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from requests import Session

ROWS_A_PAGE = 10_000
ROWS_A_QUERY = 200_000  # whatever the pages

KEEP = {"x-personal": "keep"}
ID = {**KEEP, "nullable": False}
DAY = {**ID, "data_type": "date"}
COUNT = {**ID, "data_type": "bigint", "x-min": 0}

VISITS: dict[str, Any] = {
    "site_id": ID,
    "site_level2": ID,
    "date": DAY,
    # A number, or `N/A` for a visit whose hour was lost: part of the key, hence a text.
    "visit_hour": ID,
    "m_visits": COUNT,
}

PAGES: dict[str, Any] = {
    "site_id": ID,
    "site_level2": ID,
    "date": DAY,
    # The name of a page may bear what a visitor wrote in an address.
    "page_full_name": {"x-personal": "redact", "nullable": False},
    "m_page_loads": {**COUNT, "x-names": ["m_page_views"]},
}

GEO: dict[str, Any] = {
    "site_id": ID,
    "site_level2": ID,
    "month": {**ID, "x-format": "mois"},
    "geo_country": ID,
    "geo_region": ID,
    "geo_city": ID,
    "m_visits": COUNT,
}

MEANS: dict[str, Any] = {
    "site_id": ID,
    "site_level2": ID,
    "month": {**ID, "x-format": "mois"},
    "src": ID,
    "device_type": ID,
    "m_visits": COUNT,
}


@dlt.source
def piano(
    base_url: str = dlt.config.value,
    token: str = dlt.secrets.value,
    sites: list[int] = dlt.config.value,
    page_filter: str = dlt.config.value,
    since: date | None = None,
    until: date | None = None,
    session: Session | None = None,
) -> Iterable[DltResource]:
    """Yield the resources `visits`, `pages`, `geo` and `means`.

    Args:
        base_url: root of the Data API, with its version.
        token: access key and secret key, joined by an underscore.
        sites: ids of the sites.
        page_filter: what the name of a page must contain to be read; empty for every page.
        since: first day to read.
        until: the day that begins now, which is not read; None is today.
        session: the HTTP session to speak through.
    """
    client = RESTClient(base_url, auth=APIKeyAuth("x-api-key", token), session=session or Session())
    until = until or date.today()
    since = since or until - timedelta(days=1)

    def slices(
        start: date, columns: list[str], query: dict[str, Any]
    ) -> Iterator[tuple[int, date, Iterator[list[dict[str, Any]]]]]:
        for site in sites:
            for first, last in _months(start, until):
                asked = {"space": {"s": [site]}, "columns": columns, **query}
                yield site, first, _rows(client, asked, first, last)

    @dlt.resource(primary_key=["site_id", "site_level2", "date", "visit_hour"], columns=VISITS)
    def visits() -> Iterator[dict[str, Any]]:
        columns = ["date", "visit_hour", "site_level2", "m_visits"]
        for site, first, pages_of_rows in slices(since, columns, {}):
            yield from _answers("visits", site, first, pages_of_rows)

    @dlt.resource(primary_key=["site_id", "site_level2", "date", "page_full_name"], columns=PAGES)
    def pages() -> Iterator[dict[str, Any]]:
        columns = ["date", "page_full_name", "site_level2", "m_page_loads"]
        wanted = {"filter": {"property": {"page_full_name": {"$lk": page_filter}}}}
        for site, first, pages_of_rows in slices(since, columns, wanted if page_filter else {}):
            yield from _answers("pages", site, first, pages_of_rows)

    @dlt.resource(
        primary_key=["site_id", "site_level2", "month", "geo_country", "geo_region", "geo_city"],
        columns=GEO,
    )
    def geo() -> Iterator[dict[str, Any]]:
        columns = ["geo_country", "geo_region", "geo_city", "site_level2", "m_visits"]
        # A month is asked whole: half of it would replace the whole.
        for site, first, pages_of_rows in slices(since.replace(day=1), columns, {}):
            yield from _answers("geo", site, first, pages_of_rows, month=f"{first:%Y-%m}")

    @dlt.resource(
        primary_key=["site_id", "site_level2", "month", "src", "device_type"], columns=MEANS
    )
    def means() -> Iterator[dict[str, Any]]:
        columns = ["src", "device_type", "site_level2", "m_visits"]
        for site, first, pages_of_rows in slices(since.replace(day=1), columns, {}):
            yield from _answers("means", site, first, pages_of_rows, month=f"{first:%Y-%m}")

    return visits, pages, geo, means


def _answers(
    table: str, site: int, first: date, pages: Iterable[list[dict[str, Any]]], **own: str
) -> Iterator[dict[str, Any]]:
    for rows in pages:
        yield {
            "whence": f"getData {table} {site} {first}",
            "records": [{"site_id": str(site), **own, **row} for row in rows],
        }


def _rows(
    client: RESTClient, asked: dict[str, Any], first: date, last: date
) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages of a query over [first, last], in halves where it passes what is allowed."""
    for number in count(1):
        response = client.post(
            "getData",
            json={
                **asked,
                "period": {"p1": [{"type": "D", "start": f"{first}", "end": f"{last}"}]},
                # By every dimension: an order with ties would shuffle rows between pages.
                "sort": [name for name in asked["columns"] if not name.startswith("m_")],
                "max-results": ROWS_A_PAGE,
                "page-num": number,
            },
        )
        response.raise_for_status()
        rows = [] if response.status_code == 204 else response.json()["DataFeed"]["Rows"]
        yield rows
        if len(rows) < ROWS_A_PAGE:
            return
        if number * ROWS_A_PAGE >= ROWS_A_QUERY:
            break
    if first == last or "date" not in asked["columns"]:
        raise ValueError(
            f"plus de {ROWS_A_QUERY} lignes pour le {first} : Piano n’en rend pas plus"
        )
    middle = first + (last - first) // 2
    yield from _rows(client, asked, first, middle)
    yield from _rows(client, asked, middle + timedelta(days=1), last)


def _months(start: date, end: date) -> Iterator[tuple[date, date]]:
    """Cut the days from `start` to `end`, which is excluded, into months; both ends included."""
    while start < end:
        following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield start, min(following, end) - timedelta(days=1)
        start = following
