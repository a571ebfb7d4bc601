"""X as an application with a bearer token sees it: accounts, recent counts, recent posts."""

import base64
import binascii
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_pipelines.sandbox import social
from dlt_pipelines.sandbox.service import TOKEN, Refusal, instant_of, moment_of
from dlt_pipelines.sandbox.story import World

CALLS_PER_WINDOW = 300
WINDOW_SECONDS = 900
BUCKETS_PER_PAGE = 200  # seven days of hours stand in one page
RECENT = timedelta(days=7)
EPOCH = 1_288_834_974_657  # milliseconds; the ids of X count from there
STEPS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
USER_FIELDS = {
    "id", "name", "username", "created_at", "description", "location", "protected",
    "public_metrics", "url", "verified",
}  # fmt: skip
TWEET_FIELDS = {
    "author_id", "conversation_id", "created_at", "entities", "id", "lang", "public_metrics",
    "text",
}  # fmt: skip


class X:
    """The three endpoints that are asked, and the look-up by name."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: Counter[tuple[str, datetime, int]] = Counter()

    def routes(self) -> list[Route]:
        return [
            Route("/x/2/users", self.users),
            Route("/x/2/users/by", self.users_by),
            Route("/x/2/tweets/counts/recent", self.counts),
            Route("/x/2/tweets/search/recent", self.search),
        ]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {
            "base_url": f"{root}/x/2",
            "token": TOKEN,
            "accounts": [
                {"id": account.id, "departement_code": account.departement_code}
                for account in social.accounts()
            ],
            "subjects": {subject.name: subject.query for subject in social.SUBJECTS},
            "posts_per_subject": 100,
        }

    async def users(self, request: Request) -> Response:
        return self.look_up(request, "ids", "id")

    async def users_by(self, request: Request) -> Response:
        return self.look_up(request, "usernames", "username")

    def look_up(self, request: Request, parameter: str, field: str) -> Response:
        now, headers = self.admit(request)
        asked = [value for value in request.query_params.get(parameter, "").split(",") if value]
        if not 1 <= len(asked) <= 100:
            raise _invalid(
                {parameter: asked},
                f"The number of values in the `{parameter}` query parameter list [{len(asked)}] "
                "is not between 1 and 100",
            )
        fields = {"id", "name", "username"}
        fields |= {name for name in request.query_params.get("user.fields", "").split(",") if name}
        if unknown := sorted(fields - USER_FIELDS):
            raise _invalid(
                {"user.fields": unknown},
                f"The `user.fields` query parameter value [{unknown[0]}] is not one of "
                f"[{','.join(sorted(USER_FIELDS))}]",
            )
        known = {getattr(account, field).lower(): account for account in social.accounts()}
        found = [known[value.lower()] for value in asked if value.lower() in known]
        body: dict[str, Any] = {}
        if found:
            figures = social.metrics(self.world.seed, found, now)
            body["data"] = [
                self.user(account, own, fields, now)
                for account, own in zip(found, figures, strict=True)
            ]
        if missing := [value for value in asked if value.lower() not in known]:
            body["errors"] = [
                {
                    "value": value,
                    "detail": f"Could not find user with {parameter}: [{value}].",
                    "title": "Not Found Error",
                    "resource_type": "user",
                    "parameter": parameter,
                    "resource_id": value,
                    "type": "https://api.twitter.com/2/problems/resource-not-found",
                }
                for value in missing
            ]
        return JSONResponse(body, headers=headers)

    def user(
        self, account: social.Account, figures: social.Metrics, fields: set[str], now: datetime
    ) -> dict[str, Any]:
        whole: dict[str, Any] = {
            "id": account.id,
            "name": account.name,
            "username": account.username,
            "created_at": "2018-03-01T09:00:00.000Z",
            "description": "Compte inventé, pour la démonstration.",
            "location": "France",
            "protected": False,
            "url": "",
            "verified": False,
            "public_metrics": {
                "followers_count": figures.followers,
                "following_count": figures.following,
                self.dialect(now, "tweet_count"): figures.posts,
                "listed_count": figures.listed,
            },
        }
        return {name: value for name, value in whole.items() if name in fields}

    async def counts(self, request: Request) -> Response:
        now, headers = self.admit(request)
        asked = request.query_params
        query, granularity = asked.get("query", ""), asked.get("granularity", "hour")
        if not 1 <= len(query) <= 4096:
            raise _invalid({"query": [query]}, "The `query` query parameter can not be empty")
        if granularity not in STEPS:
            raise _invalid(
                {"granularity": [granularity]},
                f"The `granularity` query parameter value [{granularity}] is not one of "
                "[minute,hour,day]",
            )
        start, end = self.window(asked, now)
        if token := asked.get("next_token"):
            end = _open_token(token, start, end)
        edges = _edges(start, end, STEPS[granularity])
        page = edges[-BUCKETS_PER_PAGE - 1 :]
        name = self.dialect(now, "tweet_count")
        volumes = [self.volume(query, *piece) for piece in pairwise(page)]
        data = [
            {"start": _stamp(opened), "end": _stamp(closed), name: volume}
            for (opened, closed), volume in zip(pairwise(page), volumes, strict=True)
        ]
        meta: dict[str, Any] = {f"total_{name}": sum(volumes)}
        if page[0] > start:
            meta["next_token"] = _token(page[0])
        return JSONResponse({"data": data, "meta": meta}, headers=headers)

    def window(self, asked: QueryParams, now: datetime) -> tuple[datetime, datetime]:
        start = _moment(asked.get("start_time"), "start_time", now - RECENT)
        end = _moment(asked.get("end_time"), "end_time", now - timedelta(seconds=30))
        if start < now - RECENT:
            raise _invalid(
                {"start_time": [asked["start_time"]]},
                f"Invalid 'start_time':'{asked['start_time']}'. 'start_time' must be on or after "
                f"{now - RECENT:%Y-%m-%dT%H:%MZ}",
            )
        if end > now - timedelta(seconds=10):
            raise _invalid(
                {"end_time": [asked["end_time"]]},
                f"Invalid 'end_time':'{asked['end_time']}'. 'end_time' must be a minimum of "
                "10 seconds prior to the request time.",
            )
        if start >= end:
            raise _invalid(
                {"start_time": [asked.get("start_time")]},
                f"Invalid 'start_time':'{asked.get('start_time')}'. "
                "'start_time' must be before 'end_time'.",
            )
        return start, end

    async def search(self, request: Request) -> Response:
        now, headers = self.admit(request)
        asked = request.query_params
        query, size = asked.get("query", ""), asked.get("max_results", "10")
        if not 1 <= len(query) <= 4096:
            raise _invalid({"query": [query]}, "The `query` query parameter can not be empty")
        if not size.isdigit() or not 10 <= int(size) <= 100:
            raise _invalid(
                {"max_results": [size]},
                f"The `max_results` query parameter value [{size}] is not between 10 and 100",
            )
        fields = {"id", "text", *filter(None, asked.get("tweet.fields", "").split(","))}
        if unknown := sorted(fields - TWEET_FIELDS):
            raise _invalid(
                {"tweet.fields": unknown},
                f"The `tweet.fields` query parameter value [{unknown[0]}] is not one of "
                f"[{','.join(sorted(TWEET_FIELDS))}]",
            )
        start, end = self.window(asked, now)
        if since := asked.get("since_id"):
            start = _since(since, now)
        if token := asked.get("next_token"):
            end = _open_token(token, start, end)
        found = social.between(self.world.seed, self.world.size, query, start, end, "x")
        page = found[: -int(size) - 1 : -1]
        if not page:
            return JSONResponse({"meta": {"result_count": 0}}, headers=headers)
        data = [self.tweet(post, fields, now) for post in page]
        meta: dict[str, Any] = {
            "newest_id": data[0]["id"],
            "oldest_id": data[-1]["id"],
            "result_count": len(data),
        }
        if len(found) > len(page):
            meta["next_token"] = _token(page[-1].at)
        return JSONResponse({"data": data, "meta": meta}, headers=headers)

    def tweet(self, post: social.Post, fields: set[str], now: datetime) -> dict[str, Any]:
        reposts = self.dialect(now, "retweet_count")
        whole: dict[str, Any] = {
            "id": _snowflake(post),
            "text": post.text,
            "author_id": str(9_200_000_000_000_000_000 + int(post.author[5:])),
            "created_at": f"{post.at:%Y-%m-%dT%H:%M:%S}.{post.at.microsecond // 1000:03}Z",
            "lang": "fr",
            "conversation_id": _snowflake(post),
            "entities": {"hashtags": []},
            "public_metrics": {
                reposts: post.gathered(post.reposts, now),
                "reply_count": post.gathered(post.replies, now),
                "like_count": post.gathered(post.likes, now),
                "quote_count": 0,
                "bookmark_count": 0,
                "impression_count": post.gathered(40 + 25 * post.likes, now),
            },
        }
        return {name: value for name, value in whole.items() if name in fields}

    def volume(self, query: str, start: datetime, end: datetime) -> int:
        """Return the posts in [start, end[, an hour's posts being spread evenly over it."""
        total = 0
        hour = start.replace(minute=0, second=0, microsecond=0)
        while hour < end:
            posts = social.posts(self.world.seed, self.world.size, query, hour.date())[hour.hour]
            opened = max(0, int((start - hour).total_seconds()))
            closed = min(3600, int((end - hour).total_seconds()))
            total += posts * closed // 3600 - posts * opened // 3600
            hour += STEPS["hour"]
        return total

    def dialect(self, now: datetime, old: str) -> str:
        """Return the field name of the day: X documents `tweet_` and declares `post_`."""
        day = Random(f"{self.world.seed}/dialecte/{now:%Y-%m-%d}")  # noqa: S311
        return old if day.random() < 0.5 else old.replace("tweet", "post")

    def admit(self, request: Request) -> tuple[datetime, dict[str, str]]:
        """Return "now" and the rate-limit headers of a caller who may come in."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refusal(
                401,
                {
                    "title": "Unauthorized",
                    "type": "about:blank",
                    "status": 401,
                    "detail": "Unauthorized",
                },
            )
        now = instant_of(request, self.world)
        window = int(time.time()) // WINDOW_SECONDS
        path = request.url.path.rpartition("/x/2/")[2]
        self.calls[path, now, window] += 1
        left = CALLS_PER_WINDOW - self.calls[path, now, window]
        headers = {
            "x-rate-limit-limit": str(CALLS_PER_WINDOW),
            "x-rate-limit-remaining": str(max(0, left)),
            "x-rate-limit-reset": str((window + 1) * WINDOW_SECONDS),
        }
        if left < 0:
            raise Refusal(
                429,
                {
                    "title": "Too Many Requests",
                    "detail": "Too Many Requests",
                    "type": "about:blank",
                    "status": 429,
                },
                headers,
            )
        return now, headers


def _invalid(parameters: dict[str, Any], message: str) -> Refusal:
    return Refusal(
        400,
        {
            "errors": [{"parameters": parameters, "message": message}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": "https://api.twitter.com/2/problems/invalid-request",
        },
    )


def _moment(text: str | None, name: str, default: datetime) -> datetime:
    if text is None:
        return default
    try:
        return moment_of(text)
    except ValueError as malformed:
        raise _invalid(
            {name: [text]},
            f"The `{name}` query parameter value [{text}] is not a valid RFC3339 date-time",
        ) from malformed


def _snowflake(post: social.Post) -> str:
    return str((int(post.at.timestamp() * 1000) - EPOCH << 22) + post.serial % 4096)


def _since(text: str, now: datetime) -> datetime:
    oldest = int((now - RECENT).timestamp() * 1000) - EPOCH << 22
    if not text.isdigit() or int(text) < oldest:
        raise _invalid(
            {"since_id": [text]},
            f"'since_id' must be a tweet id created after {now - RECENT:%Y-%m-%dT%H:%MZ}. "
            f"Please use a 'since_id' that is larger than {oldest}",
        )
    after = datetime.fromtimestamp(((int(text) >> 22) + EPOCH) / 1000, UTC)
    return after + timedelta(milliseconds=1)


def _edges(start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """Cut [start, end[ on whole steps; the first and the last piece may be shorter."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    cut = midnight + ((start - midnight) // step + 1) * step
    edges = [start]
    while cut < end:
        edges.append(cut)
        cut += step
    return [*edges, end]


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.000Z}"


def _token(end: datetime) -> str:
    return base64.b32encode(f"{end:%Y%m%d%H%M%S%f}".encode()).decode().rstrip("=").lower()


def _open_token(token: str, start: datetime, end: datetime) -> datetime:
    try:
        text = base64.b32decode(token.upper() + "=" * (-len(token) % 8)).decode()
        older = datetime.strptime(text, "%Y%m%d%H%M%S%f").replace(tzinfo=UTC)
    except (binascii.Error, ValueError) as malformed:
        raise _invalid({"next_token": [token]}, f"Invalid 'next_token':'{token}'") from malformed
    if not start < older < end:
        raise _invalid({"next_token": [token]}, f"Invalid 'next_token':'{token}'")
    return older
