"""Mastodon: followers of the Gendarmerie's accounts, posts about our subjects, trending hashtags.

Origin    : public API of each instance (`accounts/lookup`, `timelines/tag`, `trends/tags`), with a
            token where the instance does not show its timelines to passers-by.
Licence   : rules of each instance; posts are public and belong to their authors.
Grain     : one row per account and day of observation; per subject and post; per instance, hashtag
            and day.
Personal  : text of posts (redacted, kept 30 days at most); their authors are not loaded, and the
            address of a post, which holds its author's name, is pseudonymised.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from html.parser import HTMLParser
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlsplit
from zoneinfo import ZoneInfo

import dlt
from dlt.sources import DltResource
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import HeaderLinkPaginator, OffsetPaginator
from requests import HTTPError, Request, Session

PARIS = ZoneInfo("Europe/Paris")
STATUSES_PER_PAGE = 40
TAGS_PER_PAGE = 20
TRENDS = 40

KEEP = {"x-personal": "keep"}
COUNT = {**KEEP, "data_type": "bigint", "x-min": 0}
MOMENT = {**KEEP, "data_type": "timestamp", "nullable": False}

ACCOUNTS: dict[str, Any] = {
    "acct": {**KEEP, "nullable": False, "x-public": True},
    "observed_on": {**KEEP, "data_type": "date", "nullable": False},
    "observed_at": MOMENT,
    "display_name": KEEP,
    "departement_code": KEEP,
    "followers_count": {**COUNT, "nullable": False},
    "following_count": COUNT,
    "statuses_count": COUNT,
}

STATUSES: dict[str, Any] = {
    "sujet": {**KEEP, "nullable": False},
    # The id of a post differs from one instance to the next, its address does not.
    "uri": {"x-personal": "pseudonymise", "nullable": False},
    "created_at": MOMENT,
    "language": KEEP,
    "text": {"x-personal": "redact"},
    "replies_count": {**COUNT, "nullable": False},
    "reblogs_count": {**COUNT, "nullable": False},
    "favourites_count": {**COUNT, "nullable": False},
    "quotes_count": COUNT,
}
# What an instance tells of a post and stays outside; a name that is not here is reported.
LEFT_OUT = {
    "account", "application", "bookmarked", "card", "content", "edited_at", "emojis", "favourited",
    "filtered", "id", "in_reply_to_account_id", "in_reply_to_id", "media_attachments", "mentions",
    "muted", "pinned", "poll", "quote", "quote_approval", "reblog", "reblogged", "sensitive",
    "spoiler_text", "tags", "tagged_collections", "url", "visibility",
}  # fmt: skip

TRENDING_TAGS: dict[str, Any] = {
    "instance": {**KEEP, "nullable": False},
    "name": {"x-personal": "redact", "nullable": False},
    "day": {**KEEP, "data_type": "date", "nullable": False},
    "uses": {**COUNT, "nullable": False},
    "accounts": COUNT,
}


@dlt.source
def mastodon(
    instances: list[str] = dlt.config.value,
    accounts: list[dict[str, str]] = dlt.config.value,
    subjects: dict[str, list[str]] = dlt.config.value,
    tokens: dict[str, str] | None = None,
    since: date | datetime | None = None,
    until: date | None = None,
    session: Session | None = None,
) -> Iterable[DltResource]:
    """Yield the resources `accounts`, `statuses` and `trending_tags`.

    Args:
        instances: roots of the instances asked; the first one looks the accounts up, and tells of
            a post that several of them know.
        accounts: the accounts followed, each `{"acct": "name@instance", "departement_code": …}`.
        subjects: subject → its hashtags, without `#`, five at most (a limit of the API).
        tokens: host of an instance → its access token, sent to no other.
        since: posts are read from this day or instant on.
        until: the observation is made as this day begins, in Paris; None is now.
        session: the HTTP session to speak through.
    """
    session = session or Session()
    clients = {}
    for instance in instances:
        host = urlsplit(instance).netloc
        token = (tokens or {}).get(host)
        auth = BearerTokenAuth(token) if token else None
        clients[host] = RESTClient(f"{instance}/api", auth=auth, session=session)
    now = datetime.combine(until, time(), PARIS) if until else datetime.now(PARIS)
    if isinstance(since, datetime):
        start = since
    else:
        start = datetime.combine(since or now.date(), time(), PARIS)
    yield dlt.resource(
        _accounts(list(clients.values()), accounts, now),
        name="accounts",
        columns=ACCOUNTS,
        primary_key=["acct", "observed_on"],
    )
    yield dlt.resource(
        _statuses(clients, subjects, start, now),
        name="statuses",
        columns=STATUSES,
        primary_key=["sujet", "uri"],
    )
    yield dlt.resource(
        _trending_tags(clients),
        name="trending_tags",
        columns=TRENDING_TAGS,
        primary_key=["instance", "name", "day"],
    )


def _accounts(
    clients: list[RESTClient], accounts: list[dict[str, str]], now: datetime
) -> Iterator[dict[str, Any]]:
    for account in accounts:
        response = clients[0].get("v1/accounts/lookup", params={"acct": account["acct"]})
        if response.status_code == 404:  # closed, or not known there yet
            continue
        response.raise_for_status()
        found = response.json()
        asked = ("display_name", "followers_count", "following_count", "statuses_count")
        yield {
            "whence": f"accounts/lookup {now:%Y-%m-%d}",
            "records": [
                {
                    **{name: found.get(name) for name in asked},
                    # An instance leaves its own name out of its accounts.
                    "acct": account["acct"],
                    "observed_on": f"{now:%Y-%m-%d}",
                    "observed_at": now.isoformat(timespec="seconds"),
                    "departement_code": account.get("departement_code"),
                }
            ],
        }


def _statuses(
    clients: dict[str, RESTClient],
    subjects: dict[str, list[str]],
    start: datetime,
    end: datetime,
) -> Iterator[dict[str, Any]]:
    for subject, tags in subjects.items():
        seen: set[str] = set()
        for host, client in clients.items():
            for page in _timeline(client, tags, start, end):
                fresh = [status for status in page if status["uri"] not in seen]
                seen.update(status["uri"] for status in fresh)
                yield {
                    "whence": f"timelines/tag {host} {subject} {end:%Y-%m-%d}",
                    "records": [
                        {
                            **{k: v for k, v in status.items() if k not in LEFT_OUT},
                            "sujet": subject,
                            "text": plain_text(status.get("content") or ""),
                        }
                        for status in fresh
                    ],
                }


class OlderPages(HeaderLinkPaginator):
    """Goes on from the `max_id` of the link alone: the link itself forgets `any[]`."""

    def update_request(self, request: Request) -> None:
        if self._next_reference:
            (older,) = parse_qs(urlsplit(self._next_reference).query)["max_id"]
            cast(dict[str, Any], request.params)["max_id"] = older


def _timeline(
    client: RESTClient, tags: list[str], start: datetime, end: datetime
) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages of the timeline of `tags`, the latest first, from `end` back to `start`."""
    first, *others = tags
    params = {
        "limit": STATUSES_PER_PAGE,
        # Ids hold the millisecond of their post, so that a moment makes a bound.
        "max_id": str(int(end.timestamp() * 1000) << 16),
        "any[]": others,
    }
    pages = client.paginate(
        f"v1/timelines/tag/{quote(first)}",
        params=params,
        data_selector="$",
        paginator=OlderPages(),
    )
    try:
        for page in pages:
            recent = [s for s in page if datetime.fromisoformat(s["created_at"]) >= start]
            yield recent
            if len(recent) < len(page):
                return
    except HTTPError as error:
        # No post has ever borne this hashtag there.
        if error.response is None or error.response.status_code != 404:
            raise


def _trending_tags(clients: dict[str, RESTClient]) -> Iterator[dict[str, Any]]:
    for host, client in clients.items():
        about = client.get("v2/instance")
        about.raise_for_status()
        pages = client.paginate(
            "v1/trends/tags",
            data_selector="$",
            paginator=OffsetPaginator(TAGS_PER_PAGE, total_path=None, maximum_offset=TRENDS),
        )
        for page in pages:
            yield {
                "whence": f"trends/tags {host}",
                "records": [
                    {
                        "instance": about.json()["domain"],
                        "name": tag["name"],
                        "day": datetime.fromtimestamp(int(told["day"]), UTC).date().isoformat(),
                        "uses": told["uses"],
                        "accounts": told["accounts"],
                    }
                    for tag in page
                    for told in tag["history"]
                ],
            }


class _Text(HTMLParser):
    """The text of a fragment of HTML, its paragraphs and its line breaks."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("br", "li"):
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self.pieces.append("\n\n")


def plain_text(html: str) -> str:
    """Return the text of a post without its HTML."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    return "".join(parser.pieces).strip()
