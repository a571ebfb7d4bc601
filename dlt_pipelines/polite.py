"""A client that services like to meet: it waits as long as it is told, and never for ever.

The server's own word comes first (`Retry-After`, then the reset of its rate limit), else a random
exponential back-off. What cannot pass within the time budget stops the landing; the next one goes
on from where this one was. An answer that never ends, or unpacks into more than memory can hold, is
refused too.
"""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    retry_if_result,
    wait_random_exponential,
)

ATTEMPTS = 8
TIMEOUT = (10, 120)  # seconds to connect, and between two bytes
LONGEST = 900  # seconds of one answer, however it trickles
MAX_BYTES = 256 * 1024**2  # of one answer, once unpacked; our largest pages hold a few
_PASSING = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
_RESETS = ("x-rate-limit-reset", "x-ratelimit-reset", "ratelimit-reset")


class TimeBudgetError(requests.RequestException):
    """The service asks for more patience than the landing has left."""


class AnswerTooLargeError(requests.RequestException):
    """The answer is larger than any that the service should give."""


class Session(requests.Session):
    """A requests session that waits and tries again, up to `deadline` (monotonic seconds)."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self.headers["User-Agent"] = "CyberImpact (Gendarmerie nationale)"
        self.deadline = deadline

    def send(self, request: requests.PreparedRequest, **kwargs: object) -> requests.Response:
        kwargs["timeout"] = kwargs.get("timeout") or TIMEOUT
        retrying = Retrying(
            retry=retry_if_exception_type(_PASSING)
            | retry_if_exception(lambda error: _passes(getattr(error, "response", None)))
            | retry_if_result(_passes),
            wait=_wait,
            stop=lambda state: state.attempt_number >= ATTEMPTS or self._too_late(state),
            # The last answer is the caller's to judge; the last exception is raised as it was.
            retry_error_callback=self._given_up,
        )
        response: requests.Response = retrying(self._answer, request, **kwargs)
        # JSON is UTF-8 unless said otherwise; guessing would turn one bad byte into false letters.
        response.encoding = response.encoding or "utf-8"
        return response

    def _answer(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        is_streamed = kwargs.pop("stream", False)
        response = super().send(request, stream=True, **kwargs)
        if not is_streamed:
            self._read(response)
        return response

    @staticmethod
    def _read(response: requests.Response) -> None:
        content, end = bytearray(), time.monotonic() + LONGEST
        with response:
            for piece in response.iter_content(2**16):
                content += piece
                if len(content) > MAX_BYTES:
                    raise AnswerTooLargeError(
                        f"réponse de plus de {MAX_BYTES // 1024**2} Mo une fois décompressée"
                    )
                if time.monotonic() > end:
                    raise TimeBudgetError(f"une réponse dure plus de {LONGEST} s")
        response._content = bytes(content)  # where requests keeps what it reads itself

    def _too_late(self, state: RetryCallState) -> bool:
        return time.monotonic() + state.upcoming_sleep > self.deadline

    def _given_up(self, state: RetryCallState) -> requests.Response:
        assert state.outcome is not None  # noqa: S101 – tenacity calls this after an outcome
        if self._too_late(state):
            raise TimeBudgetError("le budget de temps de la prise est épuisé")
        response: requests.Response = state.outcome.result()
        return response


def _passes(response: requests.Response | None) -> bool:
    """Say whether the same question may be answered later; what is not implemented never is."""
    if response is None:
        return False
    return response.status_code in (429, *range(500, 600)) and response.status_code != 501


_BACK_OFF = wait_random_exponential(multiplier=0.5, max=60)


def _wait(state: RetryCallState) -> float:
    outcome = state.outcome
    asked = None
    if outcome is not None:
        # A hook may have turned the refusal into an error, which bears it.
        error = outcome.exception()
        refusal = getattr(error, "response", None) if error else outcome.result()
        asked = None if refusal is None else asked_wait(refusal.headers, datetime.now(UTC))
    # A little more than asked: clocks differ, and all clients wake at the same second.
    return _BACK_OFF(state) if asked is None else asked + _BACK_OFF(state) / 10


def asked_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that a refusal asks us to wait, None when it does not say."""
    if after := headers.get("Retry-After"):
        if re.fullmatch(r"[ \t]*[0-9]+[ \t]*", after):
            return float(after)
        try:
            return max(0.0, (parsedate_to_datetime(after) - now).total_seconds())
        except ValueError:
            return None
    for name in _RESETS:
        if reset := headers.get(name):
            return _until(reset, now)
    return None


def _until(reset: str, now: datetime) -> float | None:
    """Read a reset: an instant (epoch seconds or ISO 8601), or a number of seconds to wait."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", reset):
        value = float(reset)
        return max(0.0, value - now.timestamp()) if value > 1e9 else value
    try:
        moment = datetime.fromisoformat(reset)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
