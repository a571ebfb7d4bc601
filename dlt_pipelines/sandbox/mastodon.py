"""A Mastodon instance that shows its timelines only to those who have a token."""

import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_pipelines.sandbox import social
from dlt_pipelines.sandbox.service import TOKEN, Refusal, instant_of
from dlt_pipelines.sandbox.story import World

CALLS_PER_WINDOW = 300
WINDOW_SECONDS = 300
HOST = "demo.example"
# Hashtags that trend whatever happens.
IDLE = ("photographie", "chatsdemastodon", "jardinage", "cuisine", "lecture", "randonnée")


class Mastodon:
    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: Counter[tuple[datetime, int]] = Counter()

    def routes(self) -> list[Route]:
        root = "/mastodon/api/v1"
        return [
            Route("/mastodon/api/v2/instance", self.about),
            Route(f"{root}/timelines/tag/{{hashtag}}", self.timeline),
            Route(f"{root}/accounts/lookup", self.look_up),
            Route(f"{root}/trends/tags", self.trends),
        ]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {
            "instances": [f"{root}/mastodon"],
            "tokens": {urlsplit(root).netloc: TOKEN},
            "accounts": [
                {"acct": f"{account.username}@{HOST}", "departement_code": account.departement_code}
                for account in social.presence("mastodon")
            ],
            "subjects": {subject.name: social.hashtags(subject) for subject in social.SUBJECTS},
        }

    def about(self, _: Request) -> Response:
        return JSONResponse({"domain": HOST, "title": "Démonstration", "version": "4.5.0"})

    def look_up(self, request: Request) -> Response:
        now, headers = self.admit(request)
        name = request.query_params.get("acct", "").removesuffix(f"@{HOST}")
        known = {account.username: account for account in social.presence("mastodon")}
        if name not in known:
            raise Refusal(404, {"error": "Record not found"}, headers)
        account = known[name]
        [figures] = social.metrics(self.world.seed, [account], now)
        return JSONResponse(
            {
                "id": account.id,
                "username": name,
                "acct": name,
                "display_name": account.name,
                "bot": False,
                "created_at": "2022-11-07T00:00:00.000Z",
                "url": f"https://{HOST}/@{name}",
                "followers_count": figures.followers,
                "following_count": figures.following,
                "statuses_count": figures.posts,
            },
            headers=headers,
        )

    def timeline(self, request: Request) -> Response:
        now, headers = self.admit(request)
        asked = request.query_params
        tags = {request.path_params["hashtag"].lower(), *map(str.lower, asked.getlist("any[]"))}
        subjects = [subject for subject in social.SUBJECTS if tags & set(social.hashtags(subject))]
        if not subjects:
            raise Refusal(404, {"error": "Record not found"}, headers)
        limit = min(40, int(asked.get("limit", "20")))
        end = min(now, _moment(asked["max_id"])) if "max_id" in asked else now
        page: list[social.Post] = []
        # An instance answers from its index: we walk back, a week at a time, until a page is full.
        first = datetime(self.world.start.year, self.world.start.month, self.world.start.day)
        opened = end
        while len(page) <= limit and opened > first.replace(tzinfo=UTC):
            closed, opened = opened, opened - timedelta(days=7)
            found = [
                post
                for subject in subjects
                for post in social.between(
                    self.world.seed, self.world.size, subject.query, opened, closed, "mastodon"
                )
                if post.tag in tags
            ]
            page += sorted(found, key=_order, reverse=True)
        shown = page[:limit]
        if len(page) > limit:
            # The real one forgets `any[]`, `all[]` and `none[]` in its links.
            url = request.url.replace(query=f"limit={limit}&max_id={_id(shown[-1])}")
            newer = request.url.replace(query=f"limit={limit}&min_id={_id(shown[0])}")
            headers["Link"] = f'<{url}>; rel="next", <{newer}>; rel="prev"'
        return JSONResponse([self.status(post, now) for post in shown], headers=headers)

    def status(self, post: social.Post, now: datetime) -> dict[str, Any]:
        address = f"https://{HOST}/users/{post.author}/statuses/{_id(post)}"
        text = escape(post.text, quote=False).replace("@Gendarmerie", _mention("Gendarmerie"))
        tag = f'<a href="https://{HOST}/tags/{post.tag}" class="mention hashtag" rel="tag">'
        return {
            "id": _id(post),
            "created_at": f"{post.at:%Y-%m-%dT%H:%M:%S}.{post.at.microsecond // 1000:03}Z",
            "in_reply_to_id": None,
            "in_reply_to_account_id": None,
            "sensitive": False,
            "spoiler_text": "",
            "visibility": "public",
            "language": "fr",
            "uri": address,
            "url": f"https://{HOST}/@{post.author}/{_id(post)}",
            "replies_count": post.gathered(post.replies, now),
            "reblogs_count": post.gathered(post.reposts, now),
            "favourites_count": post.gathered(post.likes, now),
            "quotes_count": 0,
            "edited_at": None,
            "content": f"<p>{text}</p><p>{tag}#<span>{post.tag}</span></a></p>",
            "reblog": None,
            "account": {"id": post.author[5:], "acct": post.author, "bot": False},
            "media_attachments": [],
            "mentions": [],
            "tags": [{"name": post.tag, "url": f"https://{HOST}/tags/{post.tag}"}],
            "emojis": [],
            "card": None,
            "poll": None,
        }

    def trends(self, request: Request) -> Response:
        now, headers = self.admit(request)
        limit = min(20, int(request.query_params.get("limit", "10")))
        offset = int(request.query_params.get("offset", "0"))
        uses = self.uses(now)
        names = sorted(uses, key=lambda name: (-uses[name][0], name))[offset : offset + limit]
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        days = [int((midnight - timedelta(days=n)).timestamp()) for n in range(7)]
        return JSONResponse(
            [
                {
                    "id": str(200 + offset + rank),
                    "name": name,
                    "url": f"https://{HOST}/tags/{name}",
                    "history": [
                        {"day": str(day), "uses": str(used), "accounts": str(used * 4 // 5)}
                        for day, used in zip(days, uses[name], strict=True)
                    ],
                }
                for rank, name in enumerate(names)
            ],
            headers=headers,
        )

    def uses(self, now: datetime) -> dict[str, list[int]]:
        """Return, for each hashtag, its uses of today and of the six days before."""
        days = [(now - timedelta(days=n)).date() for n in range(7)]
        found = {name: [3 + len(name) - n % 3 for n in range(7)] for name in IDLE}
        for subject in social.SUBJECTS:
            for name in social.hashtags(subject):
                found[name] = [
                    sum(post.tag == name and post.at < now for post in self.posts(subject, day))
                    for day in days
                ]
        return found

    def posts(self, subject: social.Subject, day: Any) -> Iterable[social.Post]:
        world = self.world
        return social.written(world.seed, world.size, subject.query, day, "mastodon")

    def admit(self, request: Request) -> tuple[datetime, dict[str, str]]:
        """Return "now" and the rate-limit headers of a caller who may come in."""
        now = instant_of(request, self.world)
        window = int(time.time()) // WINDOW_SECONDS
        self.calls[now, window] += 1
        left = CALLS_PER_WINDOW - self.calls[now, window]
        reset = datetime.fromtimestamp((window + 1) * WINDOW_SECONDS, UTC)
        headers = {
            "X-RateLimit-Limit": str(CALLS_PER_WINDOW),
            "X-RateLimit-Remaining": str(max(0, left)),
            "X-RateLimit-Reset": f"{reset:%Y-%m-%dT%H:%M:%S.000000Z}",
        }
        if left < 0:
            raise Refusal(429, {"error": "Too many requests"}, headers)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, {"error": "The access token is invalid"}, headers)
        return now, headers


def _order(post: social.Post) -> int:
    return int(_id(post))


def _id(post: social.Post) -> str:
    return str((int(post.at.timestamp() * 1000) << 16) + post.serial % 65536)


def _moment(status_id: str) -> datetime:
    return datetime.fromtimestamp((int(status_id) >> 16) / 1000, UTC)


def _mention(name: str) -> str:
    address = f'<a href="https://{HOST}/@{name}" class="u-url mention">'
    return f'<span class="h-card" translate="no">{address}@<span>{name}</span></a></span>'
