"""LinkedIn's REST API, as the administrator of an organisation's page sees it."""

import re
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_pipelines import PARIS
from dlt_pipelines.sandbox import audience
from dlt_pipelines.sandbox.service import TOKEN, Refusal, instant_of
from dlt_pipelines.sandbox.social import Account
from dlt_pipelines.sandbox.story import World, days

KEPT = timedelta(days=366)
CALLS_A_DAY = 100_000
URN = re.compile(r"urn%3Ali%3Aorganization%3A(\d+)")
INTERVALS = re.compile(
    r"timeIntervals=\(timeRange:\(start:(\d+),end:(\d+)\),timeGranularityType:DAY\)(?:&|$)"
)


class LinkedIn:
    """Organisations, their followers, and the statistics of their shares."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: Counter[datetime] = Counter()

    def routes(self) -> list[Route]:
        root = "/linkedin/rest"
        return [
            Route(f"{root}/organizations/{{id}}", self.organization),
            Route(f"{root}/networkSizes/{{urn}}", self.size),
            Route(f"{root}/organizationalEntityShareStatistics", self.statistics),
        ]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {
            "base_url": f"{root}/linkedin/rest",
            "version": "202603",
            "token": TOKEN,
            "accounts": [
                {"id": account.id, "departement_code": account.departement_code}
                for account in audience.followed("linkedin")
            ],
        }

    async def organization(self, request: Request) -> Response:
        self.admit(request)
        account = _known(request.path_params["id"])
        return JSONResponse(
            {
                "id": int(account.id),
                "vanityName": account.username,
                "localizedName": account.name,
                "name": {"localized": {"fr_FR": account.name}},
                "primaryOrganizationType": "NONE",
            }
        )

    async def size(self, request: Request) -> Response:
        now = self.admit(request)
        account = _known(request.path_params["urn"].rpartition(":")[2])
        if request.query_params.get("edgeType") != "COMPANY_FOLLOWED_BY_MEMBER":
            raise _refused(400, "Invalid value for param; wrong type or other syntax error")
        return JSONResponse({"firstDegreeSize": self.followers(account, now)})

    async def statistics(self, request: Request) -> Response:
        now = self.admit(request)
        query = request.url.query
        urn, intervals = URN.search(query), INTERVALS.search(query)
        # Rest.li 2.0 wants its own syntax bare, and what is inside a value encoded.
        if urn is None or intervals is None:
            raise _refused(400, "Invalid query parameters passed to request")
        account = _known(unquote(urn[1]))
        start, end = (datetime.fromtimestamp(int(ms) / 1000, UTC) for ms in intervals.groups())
        if start < now - KEPT:
            raise _refused(400, "Time range is not within the past 12 months")
        told = [
            day
            for day in days(start.date(), end.date())
            if datetime.combine(day + timedelta(1), time(), UTC) <= now
        ]
        return JSONResponse(
            {
                "paging": {"start": 0, "count": len(told), "links": []},
                "elements": [
                    {
                        "organizationalEntity": f"urn:li:organization:{account.id}",
                        "timeRange": {
                            "start": _milliseconds(datetime.combine(day, time(), UTC)),
                            "end": _milliseconds(datetime.combine(day + timedelta(1), time(), UTC)),
                        },
                        "totalShareStatistics": self.day(account, now, day),
                    }
                    for day in told
                ],
            }
        )

    def day(self, account: Account, now: datetime, day: Any) -> dict[str, Any]:
        followers = self.followers(account, datetime.combine(day, time(12), UTC))
        views, engaged = audience.reach(self.world.seed, "linkedin", account, followers // 3, day)
        clicks, likes = round(engaged * 0.5), round(engaged * 0.4)
        comments = (engaged - clicks - likes) // 2
        return {
            "uniqueImpressionsCount": round(views * 0.6),
            "shareCount": engaged - clicks - likes - comments,
            "engagement": engaged / views if views else 0,
            "clickCount": clicks,
            "likeCount": likes,
            "impressionCount": views,
            "commentCount": comments,
        }

    def followers(self, account: Account, now: datetime) -> int:
        day = now.astimezone(PARIS).date() - timedelta(1)
        return audience.figures(self.world.seed, "linkedin", day, PARIS)[account.id].followers

    def admit(self, request: Request) -> datetime:
        """Return "now" for a caller who bears the token and names a version."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise _refused(401, "Invalid access token", "INVALID_ACCESS_TOKEN", 65600)
        if not re.fullmatch(r"20\d{4}", request.headers.get("linkedin-version", "")):
            raise _refused(400, "A version must be present. Please specify a version.")
        if request.headers.get("x-restli-protocol-version") != "2.0.0":
            raise _refused(400, "Invalid query parameters passed to request")
        now = instant_of(request, self.world)
        self.calls[now] += 1
        if self.calls[now] > CALLS_A_DAY:
            raise _refused(
                429, "Resource level throttle APPLICATION DAY limit", "TOO_MANY_REQUESTS"
            )
        return now


def _known(identifier: str) -> Account:
    for account in audience.followed("linkedin"):
        if account.id == identifier:
            return account
    raise _refused(404, f"Could not find organization {identifier}")


def _refused(
    status: int, message: str, code: str = "ILLEGAL_ARGUMENT", service_code: int = 100
) -> Refusal:
    return Refusal(
        status,
        {"status": status, "serviceErrorCode": service_code, "code": code, "message": message},
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
