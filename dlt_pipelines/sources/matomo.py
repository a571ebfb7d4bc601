"""Matomo: visits of our sites and views of their pages, day by day.

Origin    : Reporting API (`index.php?module=API`), token of a user who sees the sites.
Licence   : figures of our own sites.
Grain     : one row per site and day, one row per page and day, in the time zone of the site.
Personal  : none in counts; the address of a page may bear what a visitor wrote: it is redacted.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import dlt
from dlt.sources import DltResource
from dlt.sources.helpers.rest_client.client import RESTClient
from requests import HTTPError, Session

KEEP = {"x-personal": "keep"}
DROP = {"x-personal": "drop"}
ID = {**KEEP, "nullable": False}
SITE = {**ID, "data_type": "bigint"}
DAY = {**ID, "data_type": "date"}
COUNT = {**KEEP, "data_type": "bigint", "x-min": 0}

SITES: dict[str, Any] = {
    "idsite": SITE,
    "name": ID,
    "main_url": KEEP,
    "timezone": KEEP,
}

VISITS: dict[str, Any] = {
    "idsite": SITE,
    "date": DAY,
    "nb_visits": {**COUNT, "nullable": False},
    "nb_uniq_visitors": COUNT,
    "nb_users": COUNT,
    "nb_actions": COUNT,
    "sum_visit_length": COUNT,
    "bounce_count": COUNT,
    "max_actions": COUNT,
}

PAGES: dict[str, Any] = {
    "idsite": SITE,
    "date": DAY,
    "label": {"x-personal": "redact", "nullable": False},
    "nb_visits": COUNT,
    "nb_hits": {**COUNT, "nullable": False},
    "sum_time_spent": COUNT,
    "entry_nb_visits": COUNT,
    "exit_nb_visits": COUNT,
    # The same address again, with what was typed in it.
    "url": DROP,
    "segment": DROP,
}


@dlt.source
def matomo(
    base_url: str = dlt.config.value,
    token: str = dlt.secrets.value,
    sites: list[int] = dlt.config.value,
    since: date | None = None,
    until: date | None = None,
    session: Session | None = None,
) -> Iterable[DltResource]:
    """Yield the resources `sites`, `visits` and `pages`.

    Args:
        base_url: root of the Matomo server.
        token: `token_auth`; it travels in the body of requests, never in an address.
        sites: ids of the sites.
        since: first day to read.
        until: the day that begins now, which is not read; None is today.
        session: the HTTP session to speak through.
    """
    client = RESTClient(base_url, session=session or Session())
    until = until or date.today()
    since = since or until - timedelta(days=1)

    def ask(method: str, **parameters: Any) -> Any:
        response = client.post(
            "index.php",
            data={
                "module": "API",
                "method": method,
                "format": "json",
                "format_metrics": 0,
                # Without it, Matomo stops at a hundred rows and says nothing.
                "filter_limit": -1,
                "token_auth": token,
                **parameters,
            },
        )
        response.raise_for_status()
        body = response.json()
        # An error is an answer like another to Matomo, that says 200.
        if isinstance(body, dict) and body.get("result") == "error":
            said = str(body.get("message", "")).lower()
            response.status_code = 401 if "token" in said or "access" in said else 400
            raise HTTPError("Matomo", response=response)
        return body

    def by_day(method: str, columns: dict[str, Any], **parameters: Any) -> Iterator[dict[str, Any]]:
        for site in sites:
            for first, last in _months(since, until):
                answer = ask(
                    method,
                    idSite=site,
                    period="day",
                    date=f"{first},{last}",
                    showColumns=",".join(name for name in columns if "_" in name),
                    **parameters,
                )
                yield {
                    "whence": f"{method} {site} {first}",
                    "records": [
                        {**row, "idsite": site, "date": day}
                        for day, told in _keyed(answer)
                        # A day is one row, several rows, or an empty list when nothing happened.
                        for row in (told if isinstance(told, list) else [told])
                    ],
                }

    # The names of resources are also those of the arguments.
    @dlt.resource(name="sites", primary_key="idsite", columns=SITES)
    def described() -> Iterator[dict[str, Any]]:
        for site in sites:
            answer = ask("SitesManager.getSiteFromId", idSite=site)
            told = answer[0] if isinstance(answer, list) else answer
            yield {
                "whence": f"SitesManager.getSiteFromId {site}",
                "records": [{name: told.get(name) for name in SITES}],
            }

    @dlt.resource(primary_key=["idsite", "date"], columns=VISITS)
    def visits() -> Iterator[dict[str, Any]]:
        yield from by_day("VisitsSummary.get", VISITS)

    @dlt.resource(primary_key=["idsite", "date", "label"], columns=PAGES)
    def pages() -> Iterator[dict[str, Any]]:
        yield from by_day("Actions.getPageUrls", PAGES, flat=1)

    return described, visits, pages


def _keyed(answer: Any) -> Iterable[tuple[str, Any]]:
    """Return (day, what is told of it); without any data, the whole answer is an empty list."""
    return answer.items() if isinstance(answer, dict) else ()


def _months(start: date, end: date) -> Iterator[tuple[date, date]]:
    """Cut the days from `start` to `end`, which is excluded, into months; both ends included."""
    while start < end:
        following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield start, min(following, end) - timedelta(days=1)
        start = following
