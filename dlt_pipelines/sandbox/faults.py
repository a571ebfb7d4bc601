"""The bad days of a service: refusals, broken answers and disorder, switched on one by one.

A fault is drawn from the seed, the request and how many times it was made: the same seed gives the
same faults, in whatever order the requests come, and a request made again may pass. The very first
request always meets each fault that is switched on.
"""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What a list of objects holds when it does not hold the rows that were asked.
_NO_RECORDS = {"fields", "errors"}


@dataclass(frozen=True)
class Faults:
    """Which faults, and how often: each rate is a share of the answers, 1.0 being all of them.

    Attributes:
        service: the one service that suffers; empty for all.
        unauthorized: 401.
        limited: 429, with the header by which the real service says when to come back.
        broken: 503, with a page of HTML.
        slow: the answer waits for `wait` seconds.
        cut: the connection closes in the middle of the answer.
        duplicated: some records of the answer come twice.
        reordered: the records come in another order.
        emptied: the answer holds no record.
        garbled: a letter is written in another encoding than the one declared.
        renamed: old → new name of fields, in all answers.
    """

    seed: int = 1
    service: str = ""
    unauthorized: float = 0.0
    limited: float = 0.0
    broken: float = 0.0
    slow: float = 0.0
    cut: float = 0.0
    duplicated: float = 0.0
    reordered: float = 0.0
    emptied: float = 0.0
    garbled: float = 0.0
    renamed: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.3


class Faulty:
    """An ASGI application whose answers suffer `faults`."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self.app = app
        self.faults = faults
        self.asked: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = re.sub(r"^/at/[^/]+", "", scope["path"]).split("/")[1]
        if self.faults.service not in ("", service):
            await self.app(scope, receive, send)
            return
        request = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()}"
        strikes = self._draw(f"{request} {self.asked[request]}", first=not self.asked)
        self.asked[request] += 1
        if strikes("slow"):
            await asyncio.sleep(self.faults.wait)
        if refusal := _refusal(strikes, service):
            await refusal(scope, receive, send)
            return
        start, body = await _answer(self.app, scope, receive)
        if start["status"] == 200:
            body = self._spoiled(body, strikes, service)
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        start["headers"] = [*headers, (b"content-length", str(len(body)).encode())]
        await send(start)
        if strikes("cut"):
            # Nothing closes the answer: the server drops the connection short of its length.
            await send({"type": "http.response.body", "body": body[: len(body) // 2],
                        "more_body": True})  # fmt: skip
            return
        await send({"type": "http.response.body", "body": body})

    def _draw(self, request: str, first: bool) -> Callable[[str], Random | None]:
        """Return what says whether a fault strikes this request, by the dice to play it with."""

        def strikes(fault: str) -> Random | None:
            dice = Random(f"{self.faults.seed}/{fault}/{request}")  # noqa: S311 (a play)
            rate = getattr(self.faults, fault)
            return dice if dice.random() < rate or (first and rate) else None

        return strikes

    def _spoiled(self, body: bytes, strikes: Callable[[str], Random | None], service: str) -> bytes:
        for old, new in self.faults.renamed.items():
            body = body.replace(f'"{old}":'.encode(), f'"{new}":'.encode())
        duplicated, reordered = strikes("duplicated"), strikes("reordered")
        emptied, garbled = strikes("emptied"), strikes("garbled")
        if duplicated or reordered or emptied:
            document = json.loads(body)
            for records in _records(document):
                if duplicated:
                    records += duplicated.choices(records, k=len(records) // 3 + 1)
                if reordered:
                    reordered.shuffle(records)
                if emptied:
                    records.clear()
            if emptied and service == "x":
                document.pop("data", None)  # X sends no list at all rather than an empty one
            body = json.dumps(document, ensure_ascii=False).encode()
        if garbled and (letters := list(re.finditer(rb"\xc3[\x80-\xbf]", body))):
            letter = garbled.choice(letters)
            cp1252 = letter[0].decode().encode("cp1252")
            body = body[: letter.start()] + cp1252 + body[letter.end() :]
        return body


def _refusal(strikes: Callable[[str], Random | None], service: str) -> Response | None:
    if strikes("unauthorized"):
        return JSONResponse({"error": "Unauthorized"}, 401)
    if strikes("limited"):
        return JSONResponse({"error": "Too Many Requests"}, 429, _come_back(service))
    if strikes("broken"):
        return HTMLResponse("<h1>503 Service Unavailable</h1>", 503)
    return None


def _come_back(service: str) -> dict[str, str]:
    """Return the header by which a service says when it answers again: soon, for a play."""
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    if service == "x":
        return {"x-rate-limit-reset": str(int(time.time()) + 1)}
    if service == "bluesky":
        return {"ratelimit-reset": str(int(time.time()) + 1)}
    if service == "mastodon":
        return {"X-RateLimit-Reset": f"{soon:%Y-%m-%dT%H:%M:%S.%fZ}"}
    if service == "services_publics_plus":
        return {"X-RateLimit-Reset": str(soon)}
    return {"Retry-After": "1"}


async def _answer(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """Return the start of the answer of `app`, and its whole body."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


def _records(answer: Any) -> list[list[Any]]:
    """Return the lists of records of an answer, be it one, or an object that bears some."""
    if isinstance(answer, dict):
        borne = (_records(value) for name, value in answer.items() if name not in _NO_RECORDS)
        return [records for several in borne for records in several]
    is_records = isinstance(answer, list) and answer and all(isinstance(r, dict) for r in answer)
    return [answer] if is_records else []
