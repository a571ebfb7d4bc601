"""Bluesky: followers of the Gendarmerie's accounts, posts about our subjects.

Origin    : AT Protocol (`actor.getProfiles`, `feed.searchPostsV2`, else `feed.searchPosts`), with
            an app password: a passer-by gets the first page alone.
Licence   : terms of Bluesky; posts are public and belong to their authors.
Grain     : one row per account and day of observation; per subject and post.
Personal  : text of posts (redacted, kept 30 days at most); their authors are not loaded, and the
            address of a post, which holds its author's identifier, is pseudonymised.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import dlt
from dlt.sources import DltResource
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from requests import HTTPError, PreparedRequest, Session
from requests.auth import AuthBase

PARIS = ZoneInfo("Europe/Paris")
POSTS_PER_PAGE = 100
ACTORS_PER_CALL = 25

KEEP = {"x-personal": "keep"}
COUNT = {**KEEP, "data_type": "bigint", "x-min": 0}
MOMENT = {**KEEP, "data_type": "timestamp", "nullable": False}

PROFILES: dict[str, Any] = {
    "did": {**KEEP, "nullable": False},
    "observed_on": {**KEEP, "data_type": "date", "nullable": False},
    "observed_at": MOMENT,
    "handle": {**KEEP, "nullable": False},
    "display_name": {**KEEP, "x-names": ["displayName"]},
    "departement_code": KEEP,
    "followers_count": {**COUNT, "nullable": False, "x-names": ["followersCount"]},
    "follows_count": {**COUNT, "x-names": ["followsCount"]},
    "posts_count": {**COUNT, "x-names": ["postsCount"]},
}

POSTS: dict[str, Any] = {
    "sujet": {**KEEP, "nullable": False},
    "uri": {"x-personal": "pseudonymise", "nullable": False},
    "indexed_at": {**MOMENT, "x-names": ["indexedAt"]},
    # What the author's own clock said, as it was said: it may be false, and costs no row.
    "created_at": KEEP,
    "langs": KEEP,
    "text": {"x-personal": "redact"},
    "reply_count": {**COUNT, "x-names": ["replyCount"]},
    "repost_count": {**COUNT, "nullable": False, "x-names": ["repostCount"]},
    "like_count": {**COUNT, "nullable": False, "x-names": ["likeCount"]},
    "quote_count": {**COUNT, "x-names": ["quoteCount"]},
    "bookmark_count": {**COUNT, "x-names": ["bookmarkCount"]},
}
# What a view of a post holds and stays outside; a name that is not here is reported.
LEFT_OUT = {"author", "cid", "debug", "embed", "labels", "record", "threadgate", "viewer"}


class AppPassword(AuthBase):
    """Opens a session at the first request; it lasts longer than a landing."""

    def __init__(self, base_url: str, identifier: str, password: str, session: Session) -> None:
        self.url = f"{base_url}/xrpc/com.atproto.server.createSession"
        self.who = {"identifier": identifier, "password": password}
        self.session = session
        self.token: str | None = None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self.token is None:
            opened = self.session.post(self.url, json=self.who)
            opened.raise_for_status()
            self.token = opened.json()["accessJwt"]
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


@dlt.source
def bluesky(
    base_url: str = dlt.config.value,
    identifier: str = dlt.config.value,
    app_password: str = dlt.secrets.value,
    accounts: list[dict[str, str]] = dlt.config.value,
    subjects: dict[str, list[str]] = dlt.config.value,
    since: date | datetime | None = None,
    until: date | None = None,
    session: Session | None = None,
) -> Iterable[DltResource]:
    """Yield the resources `profiles` and `posts`.

    Args:
        base_url: root of the server of our account, or of any that speaks for the network.
        identifier: handle of our account, the one that searches.
        app_password: a password made for this use alone, never that of the account.
        accounts: the accounts followed, each `{"actor": handle or did, "departement_code": …}`.
        subjects: subject → queries; a post that answers several of them is read once.
        since: posts are read from this day or instant on.
        until: the observation is made as this day begins, in Paris; None is now.
        session: the HTTP session to speak through.
    """
    session = session or Session()
    client = RESTClient(
        f"{base_url}/xrpc",
        auth=AppPassword(base_url, identifier, app_password, session),
        session=session,
    )
    now = datetime.combine(until, time(), PARIS) if until else datetime.now(PARIS)
    if isinstance(since, datetime):
        start = since
    else:
        start = datetime.combine(since or now.date(), time(), PARIS)
    yield dlt.resource(
        _profiles(client, accounts, now),
        name="profiles",
        columns=PROFILES,
        primary_key=["did", "observed_on"],
    )
    yield dlt.resource(
        _posts(client, subjects, start, now),
        name="posts",
        columns=POSTS,
        primary_key=["sujet", "uri"],
    )


def _profiles(
    client: RESTClient, accounts: list[dict[str, str]], now: datetime
) -> Iterator[dict[str, Any]]:
    places = {account["actor"]: account.get("departement_code") for account in accounts}
    actors = list(places)
    for i in range(0, len(actors), ACTORS_PER_CALL):
        response = client.get(
            "app.bsky.actor.getProfiles", params={"actors": actors[i : i + ACTORS_PER_CALL]}
        )
        response.raise_for_status()
        asked = ("did", "handle", "displayName", "followersCount", "followsCount", "postsCount")
        yield {
            "whence": f"getProfiles {now:%Y-%m-%d}",
            "records": [
                {
                    **{name: profile.get(name) for name in asked},
                    "observed_on": f"{now:%Y-%m-%d}",
                    "observed_at": now.isoformat(timespec="seconds"),
                    "departement_code": places.get(profile["handle"], places.get(profile["did"])),
                }
                for profile in response.json()["profiles"]
            ],
        }


def _posts(
    client: RESTClient, subjects: dict[str, list[str]], start: datetime, end: datetime
) -> Iterator[dict[str, Any]]:
    search = Search(client, start, end)
    for subject, queries in subjects.items():
        seen: set[str] = set()
        for query in queries:
            for page in search.pages(query):
                fresh = [post for post in page if post["uri"] not in seen]
                seen.update(post["uri"] for post in fresh)
                yield {
                    "whence": f"{search.method} {subject} {end:%Y-%m-%d}",
                    "records": [
                        {
                            **{k: v for k, v in post.items() if k not in LEFT_OUT},
                            "sujet": subject,
                            "text": post["record"].get("text"),
                            "created_at": post["record"].get("createdAt"),
                            "langs": ",".join(post["record"].get("langs") or []),
                        }
                        for post in fresh
                    ],
                }


class Search:
    """The search of posts in [start, end[: its second version where the server has it."""

    def __init__(self, client: RESTClient, start: datetime, end: datetime) -> None:
        self.client = client
        self.window = {
            "since": _stamp(start),
            "until": _stamp(end),
            "limit": POSTS_PER_PAGE,
        }
        self.method = "searchPostsV2"

    def pages(self, query: str) -> Iterator[list[dict[str, Any]]]:
        if self.method == "searchPostsV2":
            try:
                # Without `allTime`, only a recent window is searched, whose length is not said.
                yield from self._asked(query=query, sort="recent", languages=["fr"], allTime="true")
                return
            except HTTPError as error:
                if error.response is None or error.response.status_code not in (404, 501):
                    raise
                self.method = "searchPosts"
        yield from self._asked(q=query, sort="latest", lang="fr")

    def _asked(self, **words: Any) -> Iterator[list[dict[str, Any]]]:
        return self.client.paginate(
            f"app.bsky.feed.{self.method}",
            params={**self.window, **words},
            data_selector="posts",
            paginator=JSONResponseCursorPaginator("cursor", "cursor", stop_after_empty_page=True),
        )


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
