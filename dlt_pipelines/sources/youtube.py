"""YouTube: subscribers of the Gendarmerie's channels, and the videos that they published.

Origin    : YouTube Data API v3 (`channels`, `playlistItems`, `videos`), API key. A call costs one
            unit of the day's 10,000: two for fifty videos. `search` costs a hundred: never asked.
Licence   : YouTube API terms of service.
Grain     : one row per channel and day of observation; one row per video, its counts as last seen.
Personal  : none (channels of public bodies); comments are counted, never read.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import dlt
from dlt.sources import DltResource
from dlt.sources.helpers.rest_client.auth import APIKeyAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from requests import RequestException, Response, Session

PARIS = ZoneInfo("Europe/Paris")
PER_CALL = 50

KEEP = {"x-personal": "keep"}
COUNT = {**KEEP, "data_type": "bigint", "x-min": 0}
MOMENT = {**KEEP, "data_type": "timestamp", "nullable": False}

CHANNELS: dict[str, Any] = {
    "id": {**KEEP, "nullable": False},
    "observed_on": {**KEEP, "data_type": "date", "nullable": False},
    "observed_at": MOMENT,
    "title": {**KEEP, "nullable": False, "x-names": ["snippet.title"]},
    "custom_url": {**KEEP, "x-names": ["snippet.customUrl"]},
    "departement_code": KEEP,
    # Rounded to three figures by YouTube, and absent when the channel hides it.
    "subscriber_count": {**COUNT, "x-names": ["statistics.subscriberCount"]},
    "hidden_subscriber_count": {**KEEP, "x-names": ["statistics.hiddenSubscriberCount"]},
    "view_count": {**COUNT, "nullable": False, "x-names": ["statistics.viewCount"]},
    "video_count": {**COUNT, "x-names": ["statistics.videoCount"]},
}

VIDEOS: dict[str, Any] = {
    "id": {**KEEP, "nullable": False},
    "channel_id": {**KEEP, "nullable": False, "x-names": ["snippet.channelId"]},
    "published_at": {**MOMENT, "x-names": ["snippet.publishedAt"]},
    "title": {**KEEP, "x-names": ["snippet.title"]},
    "language": {**KEEP, "x-names": ["snippet.defaultAudioLanguage", "snippet.defaultLanguage"]},
    "view_count": {**COUNT, "nullable": False, "x-names": ["statistics.viewCount"]},
    # Absent where the channel hides likes, or closes comments.
    "like_count": {**COUNT, "x-names": ["statistics.likeCount"]},
    "comment_count": {**COUNT, "x-names": ["statistics.commentCount"]},
}
# What is told of channels and videos and stays outside; a name that is not here is reported.
LEFT_OUT = {
    "snippet": {
        "categoryId", "channelTitle", "country", "description", "liveBroadcastContent", "localized",
        "publishedAt", "tags", "thumbnails",
    },
    "statistics": {"favoriteCount", "dislikeCount"},
}  # fmt: skip


@dlt.source
def youtube(
    base_url: str = dlt.config.value,
    key: str = dlt.secrets.value,
    accounts: list[dict[str, str]] = dlt.config.value,
    since: date | None = None,
    until: date | None = None,
    session: Session | None = None,
) -> Iterable[DltResource]:
    """Yield the resources `channels` and `videos`.

    Args:
        base_url: root of the API, with its version.
        key: API key; it goes in a header, never in a URL.
        accounts: the channels followed, each `{"id": …, "departement_code": …}`.
        since: unused; the API tells of now, and of every video.
        until: the observation is made as this day begins, in Paris; None is now.
        session: the HTTP session to speak through.
    """
    client = RESTClient(
        base_url,
        auth=APIKeyAuth(name="X-Goog-Api-Key", api_key=key, location="header"),
        session=session or Session(),
    )
    now = datetime.combine(until, time(), PARIS) if until else datetime.now(PARIS)
    yield dlt.resource(
        _channels(client, accounts, now),
        name="channels",
        columns=CHANNELS,
        primary_key=["id", "observed_on"],
    )
    yield dlt.resource(
        _videos(client, accounts, now), name="videos", columns=VIDEOS, primary_key="id"
    )


def _channels(
    client: RESTClient, accounts: list[dict[str, str]], now: datetime
) -> Iterator[dict[str, Any]]:
    places = {account["id"]: account.get("departement_code") for account in accounts}
    for items in _by_id(client, "channels", "snippet,statistics", list(places)):
        yield {
            "whence": f"channels {now:%Y-%m-%d}",
            "records": [
                {
                    **_told(channel),
                    "observed_on": f"{now:%Y-%m-%d}",
                    "observed_at": now.isoformat(timespec="seconds"),
                    "departement_code": places.get(channel["id"]),
                }
                for channel in items
            ],
        }


def _videos(
    client: RESTClient, accounts: list[dict[str, str]], now: datetime
) -> Iterator[dict[str, Any]]:
    ids = [account["id"] for account in accounts]
    for channels in _by_id(client, "channels", "contentDetails", ids):
        for channel in channels:
            uploads = channel["contentDetails"]["relatedPlaylists"]["uploads"]
            pages = client.paginate(
                "playlistItems",
                params={
                    "part": "contentDetails",
                    "playlistId": uploads,
                    "maxResults": PER_CALL,
                },
                data_selector="items",
                paginator=JSONResponseCursorPaginator("nextPageToken", "pageToken"),
                hooks={"response": [_judge]},
            )
            for page in pages:
                found = [item["contentDetails"]["videoId"] for item in page]
                for items in _by_id(client, "videos", "snippet,statistics", found):
                    yield {
                        "whence": f"videos {channel['id']} {now:%Y-%m-%d}",
                        "records": [_told(video, "publishedAt") for video in items],
                    }


def _by_id(
    client: RESTClient, kind: str, part: str, ids: list[str]
) -> Iterator[list[dict[str, Any]]]:
    """Yield the channels or videos of `ids`; those that are gone are not among them."""
    for i in range(0, len(ids), PER_CALL):
        response = client.get(
            kind,
            params={"part": part, "id": ",".join(ids[i : i + PER_CALL]), "maxResults": PER_CALL},
            hooks={"response": [_judge]},
        )
        yield response.json().get("items", [])


def _told(item: dict[str, Any], *wanted: str) -> dict[str, Any]:
    parts = {
        part: {k: v for k, v in item.get(part, {}).items() if k in wanted or k not in left_out}
        for part, left_out in LEFT_OUT.items()
    }
    return {"id": item["id"], **parts}


def _judge(response: Response, *_: Any, **__: Any) -> None:
    # Google says 400 to a wrong key, and 403 both to a key without rights and to a spent quota:
    # the quota comes back at midnight in California, waiting here would be in vain.
    if response.status_code == 400 and "API key" in response.text:
        response.status_code = 401
    if response.status_code == 403 and "quotaExceeded" in response.text:
        raise RequestException("quota")
    response.raise_for_status()
