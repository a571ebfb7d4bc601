"""Meta's Graph API, as the token of a system user sees the Pages and the Instagram accounts."""

import re
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_pipelines.sandbox import audience
from dlt_pipelines.sandbox.service import TOKEN, Refusal, instant_of
from dlt_pipelines.sandbox.social import Account
from dlt_pipelines.sandbox.story import World, days

PACIFIC = ZoneInfo("America/Los_Angeles")
KEPT = timedelta(days=731)
LONGEST = timedelta(days=93)
# Names of before v24.0 → names since.
RENAMED = {
    "page_fans": "page_follows",
    "page_impressions": "page_media_view",
    "page_impressions_unique": "page_total_media_view_unique",
}
PAGE_METRICS = (*RENAMED.values(), "page_post_engagements")
POSTS_A_PAGE = 100


class _Graph:
    """What both products share: versions, tokens, errors, days that end in California."""

    network: str

    def __init__(self, world: World) -> None:
        self.world = world

    def known(self, request: Request, *tokens: str) -> tuple[Account, datetime]:
        """Return the account asked and "now", for a caller who bears one of `tokens`."""
        said = request.headers.get("authorization", "").removeprefix("Bearer ")
        if "access_token" in request.query_params or not said:
            raise _error(2500, "An active access token must be used to query information.")
        asked = request.path_params["id"]
        if said not in {token.format(id=asked) for token in tokens}:
            raise _error(190, "Invalid OAuth access token - Cannot parse access token")
        for account in audience.followed(self.network):
            if account.id == asked:
                return account, instant_of(request, self.world)
        raise _error(
            100, f"Unsupported get request. Object with ID '{asked}' does not exist", subcode=33
        )

    def span(self, request: Request, now: datetime, longest: timedelta) -> list[date]:
        """Return the Pacific days asked that are over and still kept."""
        start, end = (_day(request.query_params.get(name)) for name in ("since", "until"))
        if end - start > longest:
            raise _error(
                100,
                f"(#100) There cannot be more than {longest.days} days between since and until",
            )
        today = now.astimezone(PACIFIC).date()
        return days(max(start, today - KEPT), min(end, today)) if start < end else []

    def metrics(self, request: Request, known: tuple[str, ...]) -> list[str]:
        asked = request.query_params.get("metric", "").split(",")
        if set(asked) - set(known):
            raise _error(100, "(#100) The value must be a valid insights metric")
        return asked

    def series(self, account: Account, name: str, values: dict[date, int]) -> dict[str, Any]:
        return {
            "name": name,
            "period": "day",
            "values": [{"value": value, "end_time": _end_of(day)} for day, value in values.items()],
            "title": name.replace("_", " ").capitalize(),
            "description": "",
            "id": f"{account.id}/insights/{name}/day",
        }


class Facebook(_Graph):
    """Pages: who they are, their daily metrics, their posts."""

    network = "facebook"

    def routes(self) -> list[Route]:
        page = "/facebook/{version}/{id}"
        return [
            Route(page, self.page),
            Route(f"{page}/insights", self.insights),
            Route(f"{page}/posts", self.posts),
        ]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {
            "base_url": f"{root}/facebook",
            "version": "v25.0",
            "token": TOKEN,
            "accounts": _settled("facebook"),
            "metrics": list(PAGE_METRICS),
        }

    async def page(self, request: Request) -> Response:
        account, _ = self.known(request, TOKEN)
        return JSONResponse(
            {
                "id": account.id,
                "name": account.name,
                "username": account.username,
                "access_token": f"{TOKEN}-{account.id}",
            }
        )

    async def insights(self, request: Request) -> Response:
        account, now = self.known(request, TOKEN + "-{id}")
        is_old = int(re.sub(r"^v(\d+)[.]\d+$", r"\1", request.path_params["version"])) < 24
        names = dict(zip(RENAMED.values(), RENAMED, strict=True)) if is_old else {}
        known = {names.get(name, name): name for name in PAGE_METRICS}
        asked = self.metrics(request, tuple(known))
        span = self.span(request, now, LONGEST)
        told = {day: self.day(account, day) for day in span}
        address = f"{request.url.path}?access_token={TOKEN}-{account.id}"
        return JSONResponse(
            {
                "data": [
                    self.series(account, name, {day: own[known[name]] for day, own in told.items()})
                    for name in asked
                    if told
                ],
                "paging": {"previous": f"{address}&until=0", "next": f"{address}&since=0"},
            }
        )

    def day(self, account: Account, day: date) -> dict[str, int]:
        seed = self.world.seed
        follows = audience.figures(seed, self.network, day, PACIFIC)[account.id].followers
        views, engaged = audience.reach(seed, self.network, account, follows, day)
        return {
            "page_follows": follows,
            "page_media_view": views,
            "page_total_media_view_unique": round(views * 0.6),
            "page_post_engagements": engaged,
        }

    async def posts(self, request: Request) -> Response:
        account, now = self.known(request, TOKEN + "-{id}")
        asked = request.query_params
        found = [
            post
            for day in days(_day(asked.get("since")), _day(asked.get("until")))
            for post in self.written(account, day, now)
        ]
        found.reverse()
        after = asked.get("after")
        first = next((i + 1 for i, post in enumerate(found) if post["id"] == after), 0)
        shown = found[first : first + min(int(asked.get("limit", 25)), POSTS_A_PAGE)]
        if not shown:
            return JSONResponse({"data": []})
        cursors = {"before": shown[0]["id"], "after": shown[-1]["id"]}
        paging: dict[str, Any] = {"cursors": cursors}
        if first + len(shown) < len(found):
            token = f"access_token={TOKEN}-{account.id}"
            paging["next"] = f"{request.url.path}?{token}&after={cursors['after']}"
        return JSONResponse({"data": shown, "paging": paging})

    def written(self, account: Account, day: date, now: datetime) -> list[dict[str, Any]]:
        """Return the post of `day`, if there is one, with the reactions it has by `now`."""
        rng = Random(f"{self.world.seed}/facebook/{account.username}/message/{day}")  # noqa: S311
        at = datetime.combine(day, time(rng.randint(8, 19), rng.randint(0, 59)), UTC)
        if rng.random() < 0.6 or at > now:
            return []
        follows = audience.figures(self.world.seed, self.network, day, PACIFIC)[account.id]
        _, engaged = audience.reach(self.world.seed, self.network, account, follows.followers, day)
        likes = round(engaged * min(1.0, (now - at) / timedelta(days=3)) ** 0.5)
        post: dict[str, Any] = {
            "id": f"{account.id}_{at:%Y%m%d%H%M}",
            "created_time": f"{at:%Y-%m-%dT%H:%M:%S+0000}",
            "message": rng.choice(MESSAGES),
            "permalink_url": f"https://www.example.org/{account.username}/{at:%Y%m%d%H%M}",
            "comments": {"data": [], "summary": {"total_count": likes // 9}},
            "reactions": {"data": [], "summary": {"total_count": likes}},
        }
        # Graph leaves out what nobody did.
        return [post | ({"shares": {"count": likes // 14}} if likes >= 14 else {})]


MESSAGES = (
    "Opération de sécurité routière ce week-end : prudence sur nos routes. (démonstration)",
    "Faux conseiller bancaire : raccrochez, et appelez votre banque. (démonstration)",
    "Vigilance crues : ne vous engagez pas sur une route inondée. (démonstration)",
    "Nos gendarmes vous accueillent en brigade et sur masecurite. (démonstration)",
    "Recrutement : venez rencontrer nos équipes. (démonstration)",
)


class Instagram(_Graph):
    """Accounts: public figures of now, metrics of a window."""

    network = "instagram"
    totals = (
        "reach", "views", "accounts_engaged", "total_interactions", "likes", "comments", "shares",
    )  # fmt: skip

    def routes(self) -> list[Route]:
        account = "/instagram/{version}/{id}"
        return [Route(account, self.account), Route(f"{account}/insights", self.insights)]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {
            "base_url": f"{root}/instagram",
            "version": "v25.0",
            "token": TOKEN,
            "accounts": _settled("instagram"),
            "metrics": list(Instagram.totals),
        }

    async def account(self, request: Request) -> Response:
        account, now = self.known(request, TOKEN)
        day = now.astimezone(PACIFIC).date() - timedelta(1)
        own = audience.figures(self.world.seed, self.network, day, PACIFIC)[account.id]
        return JSONResponse(
            {
                "id": account.id,
                "username": account.username,
                "name": account.name,
                "followers_count": own.followers,
                "follows_count": own.following,
                "media_count": own.posts,
            }
        )

    async def insights(self, request: Request) -> Response:
        account, now = self.known(request, TOKEN)
        span = self.span(request, now, timedelta(days=31))
        told = {day: self.day(account, day) for day in span}
        if request.query_params.get("metric_type") != "total_value":
            asked = self.metrics(request, ("reach", "follower_count"))
            data = [
                self.series(account, name, {day: own[name] for day, own in told.items()})
                for name in asked
                if told
            ]
        else:
            data = [
                {
                    "name": name,
                    "period": "day",
                    "title": name.replace("_", " ").capitalize(),
                    "description": "",
                    "total_value": {"value": sum(own[name] for own in told.values())},
                    "id": f"{account.id}/insights/{name}/day",
                }
                for name in self.metrics(request, self.totals)
                if told
            ]
        return JSONResponse({"data": data})

    def day(self, account: Account, day: date) -> dict[str, int]:
        seed = self.world.seed
        now, before = (
            audience.figures(seed, self.network, each, PACIFIC)[account.id].followers
            for each in (day, day - timedelta(1))
        )
        views, engaged = audience.reach(seed, self.network, account, now, day)
        return {
            "reach": round(views * 0.55),
            "views": views,
            "accounts_engaged": round(engaged * 0.8),
            "total_interactions": engaged,
            "likes": round(engaged * 0.7),
            "comments": round(engaged * 0.1),
            "shares": engaged - round(engaged * 0.7) - round(engaged * 0.1),
            # Those who came, without those who left.
            "follower_count": max(0, now - before) + 40,
        }


def _settled(network: str) -> list[dict[str, str | None]]:
    return [
        {"id": account.id, "departement_code": account.departement_code}
        for account in audience.followed(network)
    ]


def _error(code: int, message: str, subcode: int | None = None) -> Refusal:
    error: dict[str, Any] = {"message": message, "type": "OAuthException", "code": code}
    if subcode:
        error["error_subcode"] = subcode
    return Refusal(400, {"error": {**error, "fbtrace_id": "bac-a-sable"}})


def _day(text: str | None) -> date:
    """Read `since` or `until`: a day, or a Unix time in it."""
    try:
        if text and text.isdigit():
            return datetime.fromtimestamp(int(text), PACIFIC).date()
        return date.fromisoformat(text or "")
    except ValueError as malformed:
        raise _error(100, "(#100) Invalid parameter") from malformed


def _end_of(day: date) -> str:
    end = datetime.combine(day + timedelta(1), time(), PACIFIC).astimezone(UTC)
    return f"{end:%Y-%m-%dT%H:%M:%S+0000}"
