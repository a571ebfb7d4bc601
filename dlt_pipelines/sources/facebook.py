"""Facebook: daily audience of the Gendarmerie's Pages, and the posts that they published.

Origin    : Meta Graph API (`/{page}`, `/{page}/insights`, `/{page}/posts`), token of a system user
            with `read_insights` and `pages_read_engagement`.
Licence   : Meta platform terms; figures of our own Pages.
Grain     : one row per Page and day, that Meta counts from midnight to midnight in California; one
            row per post, whose reactions change for some days.
Personal  : none in figures; posts are ours, their text is redacted; who reacts is never asked.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dlt
from dlt.sources import DltResource
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from requests import Response, Session

PACIFIC = ZoneInfo("America/Los_Angeles")
KEPT = timedelta(days=730)  # Meta answers for two years
LONGEST = timedelta(days=90)  # between `since` and `until` of one call
# Meta says 400 where others say 401: codes of a token that is wrong, out of date or without rights.
REFUSED = {10, 102, 190, *range(200, 300)}

KEEP = {"x-personal": "keep"}
ID = {**KEEP, "nullable": False}
COUNT = {**KEEP, "data_type": "bigint", "x-min": 0}

# Meta retires a name now and then; the settings say which are asked, either lands here.
PAGE_INSIGHTS: dict[str, Any] = {
    "page_id": ID,
    "day": {**ID, "data_type": "date"},
    "username": ID,
    "name": KEEP,
    "departement_code": KEEP,
    "page_follows": {**COUNT, "x-names": ["page_fans"]},
    "page_media_view": {**COUNT, "x-names": ["page_impressions"]},
    "page_total_media_view_unique": {**COUNT, "x-names": ["page_impressions_unique"]},
    "page_post_engagements": COUNT,
}

POSTS: dict[str, Any] = {
    "id": ID,
    "page_id": ID,
    "created_at": {**ID, "data_type": "timestamp", "x-names": ["created_time"]},
    "message": {"x-personal": "redact"},
    "permalink_url": KEEP,
    "shares_count": {**COUNT, "x-names": ["shares.count"]},
    "comments_count": {**COUNT, "x-names": ["comments.summary.total_count"]},
    "reactions_count": {**COUNT, "x-names": ["reactions.summary.total_count"]},
    # Who comments and who reacts: asked empty, and never kept if they came.
    "comments": {"x-personal": "drop", "x-names": ["comments.data"]},
    "reactions": {"x-personal": "drop", "x-names": ["reactions.data"]},
}


@dlt.source
def facebook(
    base_url: str = dlt.config.value,
    version: str = dlt.config.value,
    token: str = dlt.secrets.value,
    accounts: list[dict[str, str]] = dlt.config.value,
    metrics: list[str] = dlt.config.value,
    since: date | None = None,
    until: date | None = None,
    session: Session | None = None,
) -> Iterable[DltResource]:
    """Yield the resources `page_insights` and `posts`.

    Args:
        base_url: root of the Graph API, without its version.
        version: version of the Graph API, such as `v25.0`.
        token: token of the system user, or of the only Page.
        accounts: the Pages followed, each `{"id": …, "departement_code": …}`.
        metrics: names of the daily metrics to ask, in the words of `version`.
        since: first day to read, within the two years that Meta keeps.
        until: the day that begins now, which is not read; None is today.
        session: the HTTP session to speak through.
    """
    session = session or Session()
    client = RESTClient(f"{base_url}/{version}", auth=BearerTokenAuth(token), session=session)
    until = until or date.today()
    since = max(since or date.min, until - KEPT)
    pages: list[dict[str, Any]] = []

    def known() -> list[dict[str, Any]]:
        if not pages:
            pages.extend(_page(client, account) for account in accounts)
        return pages

    @dlt.resource(primary_key=["page_id", "day"], columns=PAGE_INSIGHTS)
    def page_insights() -> Iterator[dict[str, Any]]:
        for page in known():
            start = since
            while start < until:
                end = min(until, start + LONGEST)
                response = client.get(
                    f"{page['id']}/insights",
                    auth=page["auth"],
                    hooks={"response": [_judge]},
                    params={
                        "metric": ",".join(metrics),
                        "period": "day",
                        "since": f"{start}",
                        "until": f"{end}",
                    },
                )
                yield {
                    "whence": f"insights {page['id']} {start}",
                    "records": _by_day(page, response.json()["data"]),
                }
                start = end

    @dlt.resource(primary_key="id", columns=POSTS)
    def posts() -> Iterator[dict[str, Any]]:
        for page in known():
            # The cursor, not `paging.next`: that address bears the token.
            answers = client.paginate(
                f"{page['id']}/posts",
                auth=page["auth"],
                params={
                    "fields": "id,created_time,message,permalink_url,shares,"
                    "comments.limit(0).summary(total_count),"
                    "reactions.limit(0).summary(total_count)",
                    "since": f"{since}",
                    "until": f"{until}",
                    "limit": 100,
                },
                data_selector="data",
                paginator=_Cursor(),
                hooks={"response": [_judge]},
            )
            for answer in answers:
                yield {
                    "whence": f"posts {page['id']} {since}",
                    "records": [{**post, "page_id": page["id"]} for post in answer],
                }

    return page_insights, posts


def _page(client: RESTClient, account: dict[str, str]) -> dict[str, Any]:
    """Return who a Page is, and the token by which it tells of itself."""
    page = client.get(
        account["id"],
        params={"fields": "id,name,username,access_token"},
        hooks={"response": [_judge]},
    ).json()
    own = page.get("access_token")
    return {
        "id": page["id"],
        "name": page.get("name"),
        # A Page may never have chosen a username.
        "username": page.get("username") or page["id"],
        "departement_code": account.get("departement_code"),
        "auth": BearerTokenAuth(own) if own else client.auth,
    }


def _by_day(page: dict[str, Any], metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turn series of values, dated by the end of their day in California, into a row per day."""
    rows: dict[date, dict[str, Any]] = {}
    for metric in metrics:
        for point in metric["values"]:
            end = datetime.fromisoformat(point["end_time"]).astimezone(PACIFIC)
            day = (end - timedelta(seconds=1)).date()
            row = rows.setdefault(
                day,
                {
                    "page_id": page["id"],
                    "day": f"{day}",
                    "username": page["username"],
                    "name": page["name"],
                    "departement_code": page["departement_code"],
                },
            )
            row[metric["name"]] = point.get("value")
    return list(rows.values())


def _judge(response: Response, *_: Any, **__: Any) -> None:
    """Raise what is wrong with an answer, once it wears the HTTP status that says what it is."""
    if response.status_code == 400:
        with suppress(ValueError, KeyError):
            if response.json()["error"].get("code") in REFUSED:
                response.status_code = 401
    response.raise_for_status()


class _Cursor(JSONResponseCursorPaginator):
    """The cursor of Graph, that is given on the last page too; only `paging.next` ends there."""

    def __init__(self) -> None:
        super().__init__("paging.cursors.after", "after")

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        if "next" not in response.json().get("paging", {}):
            self._next_reference = None
