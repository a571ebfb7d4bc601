"""LinkedIn: followers of the Gendarmerie's organisation pages, and how their posts fare each day.

Origin    : LinkedIn REST API (`organizations`, `networkSizes`,
            `organizationalEntityShareStatistics`), token with `rw_organization_admin`.
Licence   : LinkedIn API terms of use; figures of our own pages.
Grain     : one row per organisation and day of observation; one row per organisation and day (UTC).
Personal  : none (accounts of public bodies, counts).
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import dlt
from dlt.sources import DltResource
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from requests import Session

PARIS = ZoneInfo("Europe/Paris")
KEPT = timedelta(days=364)  # LinkedIn answers for the last twelve months, and refuses one day more

KEEP = {"x-personal": "keep"}
ID = {**KEEP, "nullable": False}
COUNT = {**KEEP, "data_type": "bigint", "x-min": 0}

ORGANIZATIONS: dict[str, Any] = {
    "id": ID,
    "observed_on": {**ID, "data_type": "date"},
    "observed_at": {**ID, "data_type": "timestamp"},
    "vanity_name": {**ID, "x-names": ["vanityName"]},
    "localized_name": {**KEEP, "x-names": ["localizedName"]},
    "departement_code": KEEP,
    "followers_count": {**COUNT, "nullable": False, "x-names": ["firstDegreeSize"]},
}


def _total(name: str) -> list[str]:
    return [f"totalShareStatistics.{name}"]


SHARE_STATISTICS: dict[str, Any] = {
    "organization_id": ID,
    "day": {**ID, "data_type": "date"},
    "impression_count": {**COUNT, "x-names": _total("impressionCount")},
    "unique_impressions_count": {
        **COUNT,
        "x-names": [*_total("uniqueImpressionsCount"), *_total("uniqueImpressionsCounts")],
    },
    "click_count": {**COUNT, "x-names": _total("clickCount")},
    "like_count": {**COUNT, "x-names": _total("likeCount")},
    "comment_count": {**COUNT, "x-names": _total("commentCount")},
    "share_count": {**COUNT, "x-names": _total("shareCount")},
    "engagement": {**KEEP, "data_type": "double", "x-names": _total("engagement")},
}


@dlt.source
def linkedin(
    base_url: str = dlt.config.value,
    version: str = dlt.config.value,
    token: str = dlt.secrets.value,
    accounts: list[dict[str, str]] = dlt.config.value,
    since: date | None = None,
    until: date | None = None,
    session: Session | None = None,
) -> Iterable[DltResource]:
    """Yield the resources `organizations` and `share_statistics`.

    Args:
        base_url: root of the REST API.
        version: month of the API, `YYYYMM`; LinkedIn retires one after a year.
        token: token of an administrator of the pages.
        accounts: the organisations followed, each `{"id": …, "departement_code": …}`.
        since: first day of the statistics, within the last twelve months.
        until: the observation is made as this day begins, in Paris; None is now.
        session: the HTTP session to speak through.
    """
    client = RESTClient(
        base_url,
        headers={"LinkedIn-Version": version, "X-Restli-Protocol-Version": "2.0.0"},
        auth=BearerTokenAuth(token),
        session=session or Session(),
    )
    now = datetime.combine(until, time(), PARIS) if until else datetime.now(PARIS)
    yield dlt.resource(
        _organizations(client, accounts, now),
        name="organizations",
        columns=ORGANIZATIONS,
        primary_key=["id", "observed_on"],
    )
    today = now.astimezone(UTC).date()
    yield dlt.resource(
        _share_statistics(client, accounts, max(since or date.min, today - KEPT), today),
        name="share_statistics",
        columns=SHARE_STATISTICS,
        primary_key=["organization_id", "day"],
    )


def _organizations(
    client: RESTClient, accounts: list[dict[str, str]], now: datetime
) -> Iterator[dict[str, Any]]:
    for account in accounts:
        organization = _asked(client, f"organizations/{account['id']}")
        size = _asked(
            client,
            f"networkSizes/{_urn(account)}?edgeType=COMPANY_FOLLOWED_BY_MEMBER",
        )
        yield {
            "whence": f"organizations {account['id']} {now:%Y-%m-%d}",
            "records": [
                {
                    # Of the page itself LinkedIn tells far more than its name.
                    "id": account["id"],
                    "vanityName": organization["vanityName"],
                    "localizedName": organization.get("localizedName"),
                    "firstDegreeSize": size.get("firstDegreeSize"),
                    "observed_on": f"{now:%Y-%m-%d}",
                    "observed_at": now.isoformat(timespec="seconds"),
                    "departement_code": account.get("departement_code"),
                }
            ],
        }


def _share_statistics(
    client: RESTClient, accounts: list[dict[str, str]], start: date, end: date
) -> Iterator[dict[str, Any]]:
    if start >= end:
        return
    for account in accounts:
        # Rest.li reads its parentheses and colons bare: the query is written, not encoded.
        statistics = _asked(
            client,
            "organizationalEntityShareStatistics?q=organizationalEntity"
            f"&organizationalEntity={_urn(account)}"
            f"&timeIntervals=(timeRange:(start:{_milliseconds(start)},end:{_milliseconds(end)}),"
            "timeGranularityType:DAY)",
        )
        yield {
            "whence": f"share_statistics {account['id']} {start}",
            "records": [
                {
                    "totalShareStatistics": element["totalShareStatistics"],
                    "organization_id": account["id"],
                    "day": f"{_day(element['timeRange']['start'])}",
                }
                for element in statistics["elements"]
            ],
        }


def _asked(client: RESTClient, path: str) -> dict[str, Any]:
    response = client.get(path)
    response.raise_for_status()
    body: dict[str, Any] = response.json()
    return body


def _urn(account: dict[str, str]) -> str:
    return quote(f"urn:li:organization:{account['id']}", safe="")


def _milliseconds(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp() * 1000)


def _day(milliseconds: int) -> date:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date()
