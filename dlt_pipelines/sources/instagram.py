"""Instagram: followers of the Gendarmerie's accounts, and how far they reach each day.

Origin    : Meta Graph API (`/{account}`, `/{account}/insights`), token with
            `instagram_manage_insights`.
Licence   : Meta platform terms; figures of our own accounts.
Grain     : one row per account and day of observation; one row per account and day, that Meta
            counts from midnight to midnight in California.
Personal  : none (accounts of public bodies, counts).
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dlt
from dlt.sources import DltResource
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from requests import Response, Session

PACIFIC, PARIS = ZoneInfo("America/Los_Angeles"), ZoneInfo("Europe/Paris")
WINDOW = timedelta(days=30)  # new followers are told for thirty days
FEWEST = 100  # below, Meta tells nothing of new followers
# Meta says 400 where others say 401: codes of a token that is wrong, out of date or without rights.
REFUSED = {10, 102, 190, *range(200, 300)}

KEEP = {"x-personal": "keep"}
ID = {**KEEP, "nullable": False}
COUNT = {**KEEP, "data_type": "bigint", "x-min": 0}

ACCOUNTS: dict[str, Any] = {
    "id": ID,
    "observed_on": {**ID, "data_type": "date"},
    "observed_at": {**ID, "data_type": "timestamp"},
    "username": ID,
    "name": KEEP,
    "departement_code": KEEP,
    "followers_count": {**COUNT, "nullable": False},
    "follows_count": COUNT,
    "media_count": COUNT,
}

INSIGHTS: dict[str, Any] = {
    "account_id": ID,
    "day": {**ID, "data_type": "date"},
    "reach": COUNT,
    "views": {**COUNT, "x-names": ["impressions"]},
    "accounts_engaged": COUNT,
    "total_interactions": COUNT,
    "likes": COUNT,
    "comments": COUNT,
    "shares": COUNT,
    "follower_count": COUNT,
}


@dlt.source
def instagram(
    base_url: str = dlt.config.value,
    version: str = dlt.config.value,
    token: str = dlt.secrets.value,
    accounts: list[dict[str, str]] = dlt.config.value,
    metrics: list[str] = dlt.config.value,
    since: date | None = None,
    until: date | None = None,
    session: Session | None = None,
) -> Iterable[DltResource]:
    """Yield the resources `accounts` and `insights`.

    Args:
        base_url: root of the Graph API, without its version.
        version: version of the Graph API, such as `v25.0`.
        token: token of the user or system user who sees the accounts.
        accounts: the accounts followed, each `{"id": …, "departement_code": …}`.
        metrics: names of the metrics that Meta totals over a day.
        since: first day of the metrics, within the last thirty.
        until: the observation is made as this day begins, in Paris; None is now.
        session: the HTTP session to speak through.
    """
    client = RESTClient(
        f"{base_url}/{version}", auth=BearerTokenAuth(token), session=session or Session()
    )
    now = datetime.combine(until, time(), PARIS) if until else datetime.now(PARIS)
    today = now.astimezone(PACIFIC).date()
    start = max(since or date.min, today - WINDOW)
    known: list[dict[str, Any]] = []

    def observed() -> list[dict[str, Any]]:
        if not known:
            known.extend(_account(client, account, now) for account in accounts)
        return known

    # The names of resources are also those of the arguments.
    @dlt.resource(name="accounts", primary_key=["id", "observed_on"], columns=ACCOUNTS)
    def followers() -> Iterator[dict[str, Any]]:
        yield {"whence": f"accounts {now:%Y-%m-%d}", "records": observed()}

    @dlt.resource(primary_key=["account_id", "day"], columns=INSIGHTS)
    def insights() -> Iterator[dict[str, Any]]:
        for account in observed():
            came = {}
            if account["followers_count"] >= FEWEST and start < today:
                came = _new_followers(client, account["id"], start, today)
            # A total has no dates in it: one day is asked at a time.
            for day in (start + timedelta(n) for n in range((today - start).days)):
                totals = _totals(client, account["id"], metrics, day)
                if totals or day in came:
                    yield {
                        "whence": f"insights {account['id']} {day}",
                        "records": [
                            {
                                "account_id": account["id"],
                                "day": f"{day}",
                                "follower_count": came.get(day),
                                **totals,
                            }
                        ],
                    }

    return followers, insights


def _account(client: RESTClient, account: dict[str, str], now: datetime) -> dict[str, Any]:
    fields = "id,username,name,followers_count,follows_count,media_count"
    return {
        **_asked(client, account["id"], {"fields": fields}),
        "observed_on": f"{now:%Y-%m-%d}",
        "observed_at": now.isoformat(timespec="seconds"),
        "departement_code": account.get("departement_code"),
    }


def _totals(client: RESTClient, account: str, metrics: list[str], day: date) -> dict[str, Any]:
    """Return metric → total of `day`; Meta leaves out what it does not know."""
    answer = _asked(
        client,
        f"{account}/insights",
        {"metric": ",".join(metrics), "metric_type": "total_value", **_span(day, day)},
    )
    return {metric["name"]: metric["total_value"].get("value") for metric in answer["data"]}


def _new_followers(client: RESTClient, account: str, start: date, end: date) -> dict[date, Any]:
    """Return day → new followers, from `start` to `end`, which is excluded."""
    answer = _asked(
        client,
        f"{account}/insights",
        {"metric": "follower_count", **_span(start, end - timedelta(1))},
    )
    return {
        # A value is dated by the end of its day in California.
        (
            datetime.fromisoformat(point["end_time"]).astimezone(PACIFIC) - timedelta(seconds=1)
        ).date(): point.get("value")
        for metric in answer["data"]
        for point in metric["values"]
    }


def _span(first: date, last: date) -> dict[str, Any]:
    midnights = (datetime.combine(day, time(), PACIFIC) for day in (first, last + timedelta(1)))
    since, until = (int(midnight.timestamp()) for midnight in midnights)
    return {"period": "day", "since": since, "until": until}


def _asked(client: RESTClient, path: str, params: dict[str, Any]) -> dict[str, Any]:
    response = client.get(path, params=params, hooks={"response": [_judge]})
    body: dict[str, Any] = response.json()
    return body


def _judge(response: Response, *_: Any, **__: Any) -> None:
    """Raise what is wrong with an answer, once it wears the HTTP status that says what it is."""
    if response.status_code == 400:
        with suppress(ValueError, KeyError):
            if response.json()["error"].get("code") in REFUSED:
                response.status_code = 401
    response.raise_for_status()
