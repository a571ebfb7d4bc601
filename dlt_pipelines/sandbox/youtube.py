"""YouTube's Data API, as a project with a key and a daily quota sees it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_pipelines.sandbox import social
from dlt_pipelines.sandbox.service import TOKEN, Refusal, instant_of
from dlt_pipelines.sandbox.story import World

UNITS = 10_000
FIRST = datetime(2024, 1, 3, 17, tzinfo=UTC)
TITLES = (
    "Arnaque au faux conseiller : les bons réflexes", "Inondation : ce qu'il faut faire",
    "Une journée à la brigade", "Pré-plainte en ligne : mode d'emploi", "Rejoignez-nous",
    "Info ou intox ? Comment vérifier", "Sur la route des vacances", "Le peloton de montagne",
)  # fmt: skip


class YouTube:
    def __init__(self, world: World) -> None:
        self.world = world
        self.units: Counter[datetime] = Counter()

    def routes(self) -> list[Route]:
        root = "/youtube/v3"
        return [
            Route(f"{root}/channels", self.channels),
            Route(f"{root}/playlistItems", self.playlist_items),
            Route(f"{root}/videos", self.videos),
        ]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {
            "base_url": f"{root}/youtube/v3",
            "key": TOKEN,
            "accounts": [
                {"id": _channel(account), "departement_code": account.departement_code}
                for account in social.presence("youtube")
            ],
        }

    def channels(self, request: Request) -> Response:
        now, asked, parts = self.admit(request)
        known = {_channel(account): account for account in social.presence("youtube")}
        found = [known[each] for each in asked if each in known]
        figures = social.metrics(self.world.seed, found, now)
        items = []
        for account, own in zip(found, figures, strict=True):
            told = [self.counts(account, rank, now)["viewCount"] for rank in _ranks(now)]
            # Three figures, as the real one rounds.
            step = 10 ** max(0, len(str(own.followers)) - 3)
            whole = {
                "snippet": {"title": account.name, "customUrl": f"@{account.username}"},
                "contentDetails": {"relatedPlaylists": {"uploads": _playlist(account)}},
                "statistics": {
                    "viewCount": str(sum(map(int, told))),
                    "subscriberCount": str(own.followers // step * step),
                    "hiddenSubscriberCount": False,
                    "videoCount": str(len(told)),
                },
            }
            items.append({"id": _channel(account), **_parts(whole, parts)})
        return JSONResponse({"pageInfo": {"totalResults": len(items)}, "items": items})

    def playlist_items(self, request: Request) -> Response:
        now, _, _ = self.admit(request)
        query = request.query_params
        lists = {_playlist(account): account for account in social.presence("youtube")}
        account = lists.get(query.get("playlistId", ""))
        if account is None:
            raise _error(404, "playlistNotFound", "The playlist cannot be found.")
        ranks = _ranks(now)[::-1]
        size = min(50, int(query.get("maxResults", "5")))
        offset = int(query.get("pageToken", "P0").removeprefix("P"))
        body: dict[str, Any] = {
            "items": [
                {"contentDetails": {"videoId": _video(account, rank)}}
                for rank in ranks[offset : offset + size]
            ]
        }
        if offset + size < len(ranks):
            body["nextPageToken"] = f"P{offset + size}"
        return JSONResponse(body)

    def videos(self, request: Request) -> Response:
        now, asked, parts = self.admit(request)
        known = {
            _video(account, rank): (account, rank)
            for account in social.presence("youtube")
            for rank in _ranks(now)
        }
        items = []
        for each in asked:
            if each not in known:
                continue
            account, rank = known[each]
            whole = {
                "snippet": {
                    "channelId": _channel(account),
                    "channelTitle": account.name,
                    "publishedAt": f"{_published(rank):%Y-%m-%dT%H:%M:%SZ}",
                    "title": TITLES[rank % len(TITLES)],
                    "defaultAudioLanguage": "fr",
                },
                "statistics": self.counts(account, rank, now),
            }
            items.append({"id": each, **_parts(whole, parts)})
        return JSONResponse({"items": items})

    def counts(self, account: social.Account, rank: int, now: datetime) -> dict[str, str]:
        """Return the counts of a video; one in twenty is closed to comments."""
        fate = Random(f"{self.world.seed}/youtube/{account.username}/{rank}")  # noqa: S311
        age = (now - _published(rank)) / timedelta(days=1)
        views = int(account.followers * fate.lognormvariate(-1.5, 0.8) * (1 - 1 / (1 + age / 5)))
        told = {"viewCount": str(views), "likeCount": str(views // 40), "favoriteCount": "0"}
        return told if rank % 20 == 7 else told | {"commentCount": str(views // 400)}

    def admit(self, request: Request) -> tuple[datetime, list[str], set[str]]:
        """Return "now", the ids and the parts asked by a caller who may come in."""
        query = request.query_params
        key = request.headers.get("x-goog-api-key") or query.get("key")
        if key is None:
            raise _error(403, "forbidden", "Method doesn't allow unregistered callers.")
        if key != TOKEN:
            raise _error(400, "badRequest", "API key not valid. Please pass a valid API key.")
        now = instant_of(request, self.world)
        self.units[now] += 1
        if self.units[now] > UNITS:
            raise _error(403, "quotaExceeded", "You have exceeded your quota.")
        asked = [each for each in query.get("id", "").split(",") if each]
        if len(asked) > 50:
            raise _error(400, "invalidFilters", "The request specifies too many ids.")
        return now, asked, set(query.get("part", "").split(","))


def _error(status: int, reason: str, message: str) -> Refusal:
    errors = [{"message": message, "domain": "youtube.quota", "reason": reason}]
    return Refusal(status, {"error": {"code": status, "message": message, "errors": errors}})


def _parts(whole: dict[str, Any], asked: set[str]) -> dict[str, Any]:
    return {part: told for part, told in whole.items() if part in asked}


def _ranks(now: datetime) -> list[int]:
    """Return the ranks of the videos published by `now`: one a week."""
    return list(range(max(0, (now - FIRST) // timedelta(days=7) + 1)))


def _published(rank: int) -> datetime:
    return FIRST + timedelta(days=7 * rank)


def _channel(account: social.Account) -> str:
    return f"UC{account.username:_<22}"


def _playlist(account: social.Account) -> str:
    return f"UU{account.username:_<22}"


def _video(account: social.Account, rank: int) -> str:
    return f"demo{account.id[-3:]}{rank:04}"
