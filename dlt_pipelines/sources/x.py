"""X: followers of the Gendarmerie's accounts; volumes and latest posts about our subjects.

Origin    : X API v2 (`users`, `tweets/counts/recent`, `tweets/search/recent`), bearer token, pay
            per use.
Licence   : X developer agreement: what is deleted there is deleted here, hence the ids of posts.
Grain     : one row per account and day of observation; per subject and hour; per subject and post.
Personal  : text of posts (redacted, kept 30 days at most); their authors are never asked for.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dlt
from dlt.sources import DltResource
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from requests import Session

# `tweets/counts/recent` answers for seven days; asking for the last second of them is refused.
WINDOW = timedelta(days=7) - timedelta(minutes=1)
IDS_PER_CALL = 100
POSTS_PER_PAGE = 100
RETENTION = timedelta(days=30)
PARIS = ZoneInfo("Europe/Paris")

KEEP = {"x-personal": "keep"}
COUNT = {**KEEP, "data_type": "bigint", "x-min": 0}
MOMENT = {**KEEP, "data_type": "timestamp", "nullable": False}

USERS: dict[str, Any] = {
    "id": {**KEEP, "nullable": False},
    "observed_on": {**KEEP, "data_type": "date", "nullable": False},
    "observed_at": MOMENT,
    "username": {**KEEP, "nullable": False},
    "name": KEEP,
    "departement_code": KEEP,
    "followers_count": {
        **COUNT,
        "nullable": False,
        "x-names": ["public_metrics.followers_count"],
    },
    "following_count": {**COUNT, "x-names": ["public_metrics.following_count"]},
    # The API renames tweets to posts: both dialects are met.
    "post_count": {
        **COUNT,
        "x-names": ["public_metrics.post_count", "public_metrics.tweet_count"],
    },
    "listed_count": {**COUNT, "x-names": ["public_metrics.listed_count"]},
}

TWEET_COUNTS: dict[str, Any] = {
    "sujet": {**KEEP, "nullable": False},
    "start_at": {**MOMENT, "x-names": ["start"]},
    "end_at": {**MOMENT, "x-names": ["end"]},
    "post_count": {**COUNT, "nullable": False, "x-names": ["post_count", "tweet_count"]},
}

TWEETS: dict[str, Any] = {
    "sujet": {**KEEP, "nullable": False},
    "id": {**KEEP, "nullable": False},
    "created_at": MOMENT,
    "lang": KEEP,
    "text": {"x-personal": "redact"},
    "reply_count": {**COUNT, "x-names": ["public_metrics.reply_count"]},
    "repost_count": {
        **COUNT,
        "nullable": False,
        "x-names": ["public_metrics.repost_count", "public_metrics.retweet_count"],
    },
    "like_count": {**COUNT, "nullable": False, "x-names": ["public_metrics.like_count"]},
    "quote_count": {**COUNT, "x-names": ["public_metrics.quote_count"]},
    "bookmark_count": {**COUNT, "x-names": ["public_metrics.bookmark_count"]},
    "impression_count": {**COUNT, "x-names": ["public_metrics.impression_count"]},
}


@dlt.source
def x(
    base_url: str = dlt.config.value,
    token: str = dlt.secrets.value,
    accounts: list[dict[str, str]] = dlt.config.value,
    subjects: dict[str, str] = dlt.config.value,
    posts_per_subject: int = dlt.config.value,
    since: date | datetime | None = None,
    until: date | None = None,
    session: Session | None = None,
) -> Iterable[DltResource]:
    """Yield the resources `users`, `tweet_counts` and `tweets`.

    Args:
        base_url: root of the API, with its version.
        token: bearer token of the application.
        accounts: the accounts followed, each `{"id": …, "departement_code": …}`.
        subjects: subject → query of the search syntax of X.
        posts_per_subject: most posts read of a subject, the latest first; each one is paid for.
        since: counts and posts are asked from this day or instant on, within the seven days that X
            keeps.
        until: the observation is made as this day begins, in Paris; None is now.
        session: the HTTP session to speak through.
    """
    client = RESTClient(base_url, auth=BearerTokenAuth(token), session=session or Session())
    now = datetime.combine(until, time(), PARIS) if until else datetime.now(PARIS)
    # Seven times 24 hours, which are not seven days of Paris when clocks change.
    start = max(_moment(since or date(2006, 1, 1)), now.astimezone(UTC) - WINDOW)
    yield dlt.resource(
        _users(client, accounts, now),
        name="users",
        columns=USERS,
        primary_key=["id", "observed_on"],
    )
    # Asked from an instant on, the hour that it cuts was not told yet.
    before = timedelta(hours=1) if isinstance(since, datetime) else timedelta(0)
    yield dlt.resource(
        _counts(client, subjects, start - before, now),
        name="tweet_counts",
        columns=TWEET_COUNTS,
        primary_key=["sujet", "start_at"],
    )
    yield dlt.resource(
        _tweets(client, subjects, posts_per_subject, start, now),
        name="tweets",
        columns=TWEETS,
        primary_key=["sujet", "id"],
    )


def _users(
    client: RESTClient, accounts: list[dict[str, str]], now: datetime
) -> Iterator[dict[str, Any]]:
    places = {account["id"]: account.get("departement_code") for account in accounts}
    ids = list(places)
    for i in range(0, len(ids), IDS_PER_CALL):
        response = client.get(
            "users",
            params={
                "ids": ",".join(ids[i : i + IDS_PER_CALL]),
                "user.fields": "public_metrics,username,name",
            },
        )
        response.raise_for_status()
        yield {
            "whence": f"users {now:%Y-%m-%d}",
            "records": [
                {
                    **user,
                    "observed_on": f"{now:%Y-%m-%d}",
                    "observed_at": now.isoformat(timespec="seconds"),
                    "departement_code": places.get(user["id"]),
                }
                for user in response.json().get("data", [])
            ],
        }


def _counts(
    client: RESTClient, subjects: dict[str, str], start: datetime, end: datetime
) -> Iterator[dict[str, Any]]:
    # Only whole hours: a bucket cut by the window would replace the full one. X counts up to a few
    # seconds ago, so that the hour which just ended is left to the next call.
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    first = _hour(start + timedelta(hours=1) - timedelta(microseconds=1))
    last = _hour(end - timedelta(seconds=30))
    if first >= last:
        return
    for subject, query in subjects.items():
        pages = client.paginate(
            "tweets/counts/recent",
            params={
                "query": query,
                "granularity": "hour",
                "start_time": f"{first:%Y-%m-%dT%H:%M:%SZ}",
                "end_time": f"{last:%Y-%m-%dT%H:%M:%SZ}",
            },
            # An empty answer has no `data` at all.
            data_selector="data[*]",
            paginator=JSONResponseCursorPaginator("meta.next_token", "next_token"),
        )
        for page in pages:
            yield {
                "whence": f"tweets/counts/recent {subject} {first:%Y-%m-%dT%H}",
                "records": [{**bucket, "sujet": subject} for bucket in page],
            }


def _tweets(
    client: RESTClient, subjects: dict[str, str], most: int, start: datetime, end: datetime
) -> Iterator[dict[str, Any]]:
    # What would be purged on arrival is not paid for.
    if end < datetime.now(UTC) - RETENTION:
        return
    for subject, query in subjects.items():
        pages = client.paginate(
            "tweets/search/recent",
            params={
                "query": query,
                "max_results": POSTS_PER_PAGE,
                "tweet.fields": "created_at,lang,public_metrics",
                "since_id": _first_id(start),
                "end_time": f"{end.astimezone(UTC) - timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ}",
            },
            data_selector="data",  # an empty page has none
            paginator=JSONResponseCursorPaginator("meta.next_token", "next_token"),
        )
        for read, page in enumerate(pages, start=1):
            yield {
                "whence": f"tweets/search/recent {subject} {end:%Y-%m-%d}",
                "records": [{**post, "sujet": subject} for post in page],
            }
            if read * POSTS_PER_PAGE >= most:
                break


def _first_id(moment: datetime) -> str:
    """Return the id that X would have given at `moment`: its ids hold their millisecond.

    Where the last landing ended is a day; `since_id` made of it reads the day before once more,
    whose counts of likes and reposts still move.
    """
    return str(int(moment.timestamp() * 1000) - 1_288_834_974_657 << 22)


def _moment(since: date | datetime) -> datetime:
    return since if isinstance(since, datetime) else datetime.combine(since, time(), PARIS)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
