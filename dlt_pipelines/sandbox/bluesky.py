"""A Bluesky server: sessions by app password, profiles, and both versions of the search."""

import threading
import time
from bisect import bisect_left
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_pipelines.sandbox import social
from dlt_pipelines.sandbox.service import TOKEN, Refusal, instant_of, moment_of
from dlt_pipelines.sandbox.story import World

CALLS_PER_WINDOW = 3000
SESSIONS_PER_WINDOW = 30
WINDOW_SECONDS = 300
JWT = f"jwt-{TOKEN}"
DOMAIN = "demo.example"
SECOND_VERSION = datetime(2026, 6, 1, tzinfo=UTC)
SORTABLE = "234567abcdefghijklmnopqrstuvwxyz"


class Bluesky:
    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: Counter[tuple[datetime, int, int]] = Counter()
        self.written: list[social.Post] = []  # by whoever has a session, the oldest first
        self.writing = threading.Lock()

    def routes(self) -> list[Route]:
        root = "/bluesky/xrpc"
        return [
            Route(f"{root}/com.atproto.server.createSession", self.open, methods=["POST"]),
            Route(f"{root}/com.atproto.repo.createRecord", self.write, methods=["POST"]),
            Route(f"{root}/app.bsky.actor.getProfiles", self.profiles),
            Route(f"{root}/app.bsky.feed.searchPosts", self.search),
            Route(f"{root}/app.bsky.feed.searchPostsV2", self.search_second),
        ]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {
            "base_url": f"{root}/bluesky",
            "identifier": f"demo.{DOMAIN}",
            "app_password": TOKEN,
            "accounts": [
                {"actor": _handle(account), "departement_code": account.departement_code}
                for account in social.presence("bluesky")
            ],
            "subjects": {
                subject.name: [subject.name.replace("_", " ")] for subject in social.SUBJECTS
            },
        }

    async def open(self, request: Request) -> Response:
        now = instant_of(request, self.world)
        headers = self.count(now, SESSIONS_PER_WINDOW)
        asked = await request.json()
        if asked.get("password") != TOKEN:
            raise Refusal(
                401,
                {"error": "AuthenticationRequired", "message": "Invalid identifier or password"},
                headers,
            )
        handle = asked.get("identifier", "")
        return JSONResponse(
            {"accessJwt": JWT, "refreshJwt": JWT, "handle": handle, "did": f"did:web:{handle}"},
            headers=headers,
        )

    async def write(self, request: Request) -> Response:
        """Take a post: it is found, by the words it holds, from now on."""
        now, headers = self.admit(request)
        asked = await request.json()
        if asked.get("collection") != "app.bsky.feed.post":
            raise _invalid("Error: collection must be app.bsky.feed.post", headers)
        with self.writing:
            serial = len(self.written)
            author = f"demo_{serial % 10_000:04}"
            post = social.Post(now, author, asked["record"]["text"], "demo", 0, 0, 0, serial)
            self.written.append(post)
        view = self.view(post, now)
        return JSONResponse({"uri": view["uri"], "cid": view["cid"]}, headers=headers)

    def profiles(self, request: Request) -> Response:
        now, headers = self.admit(request)
        actors = request.query_params.getlist("actors")
        if not 1 <= len(actors) <= 25:
            raise _invalid("Error: actors must have between 1 and 25 elements", headers)
        known = {_handle(account): account for account in social.presence("bluesky")}
        found = [known[actor] for actor in actors if actor in known]
        figures = social.metrics(self.world.seed, found, now)
        return JSONResponse(
            {
                "profiles": [
                    {
                        "did": f"did:web:{_handle(account)}",
                        "handle": _handle(account),
                        "displayName": account.name,
                        "followersCount": own.followers,
                        "followsCount": own.following,
                        "postsCount": own.posts,
                        "indexedAt": "2024-01-01T00:00:00.000Z",
                    }
                    for account, own in zip(found, figures, strict=True)
                ]
            },
            headers=headers,
        )

    def search(self, request: Request) -> Response:
        return self.found(request, "q")

    def search_second(self, request: Request) -> Response:
        if instant_of(request, self.world) < SECOND_VERSION:
            raise Refusal(
                501, {"error": "MethodNotImplemented", "message": "Method Not Implemented"}
            )
        return self.found(request, "query")

    def found(self, request: Request, words: str) -> Response:
        now, headers = self.admit(request)
        asked = request.query_params
        query, limit = asked.get(words, ""), asked.get("limit", "25")
        if not query:
            raise _invalid(f'Error: Params must have the property "{words}"', headers)
        if not limit.isdigit() or not 1 <= int(limit) <= 100:
            raise _invalid("Error: limit can not be greater than 100", headers)
        try:
            until = min(now, moment_of(asked.get("until", now.isoformat())))
            since = moment_of(asked.get("since", (until - timedelta(days=30)).isoformat()))
            offset = int(asked.get("cursor", "0"))
        except ValueError as malformed:
            raise _invalid(f"Error: {malformed}", headers) from malformed
        world = self.world
        posts = social.between(world.seed, world.size, query, since, until, "bluesky")
        first, last = (bisect_left(self.written, at, key=_at) for at in (since, until))
        posts += [post for post in self.written[first:last] if query in post.text.lower()]
        posts.sort(key=_at, reverse=True)
        page = posts[offset : offset + int(limit)]
        body: dict[str, Any] = {
            "hitsTotal": len(posts),
            "posts": [self.view(post, now) for post in page],
        }
        if offset + len(page) < len(posts):
            body["cursor"] = str(offset + len(page))
        return JSONResponse(body, headers=headers)

    def view(self, post: social.Post, now: datetime) -> dict[str, Any]:
        author = f"did:plc:{post.author.replace('_', '')}"
        # Some clocks lie: that of the author is not ours.
        said = post.at - timedelta(days=9000 if post.serial % 50 == 7 else 0, seconds=1)
        return {
            "uri": f"at://{author}/app.bsky.feed.post/{_record_key(post)}",
            "cid": f"bafy{_record_key(post)}",
            "author": {"did": author, "handle": f"{post.author}.{DOMAIN}"},
            "record": {
                "$type": "app.bsky.feed.post",
                "text": f"{post.text} #{post.tag}",
                "createdAt": _stamp(said),
                "langs": ["fr"],
                "tags": [post.tag],
            },
            "replyCount": post.gathered(post.replies, now),
            "repostCount": post.gathered(post.reposts, now),
            "likeCount": post.gathered(post.likes, now),
            "quoteCount": 0,
            "bookmarkCount": 0,
            "indexedAt": _stamp(post.at),
            "labels": [],
        }

    def count(self, now: datetime, most: int) -> dict[str, str]:
        window = int(time.time()) // WINDOW_SECONDS
        self.calls[now, window, most] += 1
        left = most - self.calls[now, window, most]
        headers = {
            "RateLimit-Limit": str(most),
            "RateLimit-Remaining": str(max(0, left)),
            "RateLimit-Reset": str((window + 1) * WINDOW_SECONDS),
            "RateLimit-Policy": f"{most};w={WINDOW_SECONDS}",
        }
        if left < 0:
            refused = {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}
            raise Refusal(429, refused, headers)
        return headers

    def admit(self, request: Request) -> tuple[datetime, dict[str, str]]:
        """Return "now" and the rate-limit headers of a caller who may come in."""
        now = instant_of(request, self.world)
        headers = self.count(now, CALLS_PER_WINDOW)
        if request.headers.get("authorization") != f"Bearer {JWT}":
            raise Refusal(
                401, {"error": "AuthMissing", "message": "Authentication Required"}, headers
            )
        return now, headers


def _invalid(message: str, headers: dict[str, str]) -> Refusal:
    return Refusal(400, {"error": "InvalidRequest", "message": message}, headers)


def _at(post: social.Post) -> datetime:
    return post.at


def _handle(account: social.Account) -> str:
    return f"{account.username.replace('_', '-')}.{DOMAIN}"


def _record_key(post: social.Post) -> str:
    """Return the key of a record: the microsecond of its writing, in sortable base 32."""
    number = int(post.at.timestamp() * 1_000_000) << 10 | post.serial % 1024
    key = ""
    for _ in range(13):
        key, number = SORTABLE[number & 31] + key, number >> 5
    return key


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
