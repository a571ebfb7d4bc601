"""Alerts: published signals reach people by their subscriptions, and nobody twice.

A message is claimed in the journal before it is handed to its channel, and marked once the channel
took it: ADR 12 says why a run killed in between tells it again. Nothing here stops a publication.
"""

import csv
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any

import duckdb

from dlt_pipelines import privacy, registre, stores
from orchestration.alerts import journal, subscriptions
from orchestration.alerts.journal import (
    ANTERIOR,
    FAILED,
    GIVEN_UP,
    JOINED,
    SEEN,
    SENT,
    TRIED,
    WAITING,
    Stand,
)
from orchestration.alerts.messages import Message, News, compose
from orchestration.alerts.subscriptions import Channel, Fault, Subscription, Vocabulary

MARTS = ("fct_signaux", "fct_signaux_preuves", "fct_signaux__evenements")
CLOSING = ("explique", "clos")
# A better method finds old events anew: nobody is alerted of what is over.
OLDEST = timedelta(days=45)
# A subscription made wider does not bring the past back.
FRESH = timedelta(days=7)
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=5), timedelta(hours=12)
TRIES = 20  # of one event, on a channel that is down: nearly a week


@dataclass
class Outcome:
    """What one passage did; failures and faults are sentences for whoever tends the alerts."""

    subscriptions: int = 0
    sent: int = 0  # messages
    told: int = 0  # events in them
    deferred: int = 0  # events that wait for their hour, or for the next try
    anterior: int = 0  # events published before anybody subscribed: told to nobody
    failed: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    note: str = ""  # why there was nothing to do

    def __str__(self) -> str:
        if self.note:
            return self.note
        counts = {
            f"événements d'avant le premier abonnement : {self.anterior}": self.anterior,
            f"messages envoyés : {self.sent} ({self.told} événements)": True,
            f"événements en attente : {self.deferred}": self.deferred,
            f"canaux en panne : {len(self.failed)}": self.failed,
            f"fautes dans le fichier : {len(self.faults)}": self.faults,
        }
        said = [sentence for sentence, is_told in counts.items() if is_told]
        return f"abonnements : {self.subscriptions} · {', '.join(said)}"


Deliver = Callable[[Subscription, Channel, Message], str | None]


def path() -> Path:
    return stores.data() / "alertes.sqlite"


def site_address() -> str:
    """Return the address of the site that messages link to, with its final slash."""
    return os.environ.get("CYBERIMPACT_SITE_URL", "http://127.0.0.1:8000").rstrip("/") + "/"


def send(now: datetime | None = None) -> Outcome:
    """Tell each subscriber what is new to them and due, and return what was done."""
    with registre.alone("alertes"):
        return _pass(now or datetime.now(UTC), deliver, is_copy=False)


def rehearse(show: Deliver, now: datetime | None = None) -> Outcome:
    """Do as `send` would and write nothing: each message goes to `show` alone."""
    return _pass(now or datetime.now(UTC), show, is_copy=True)


def is_due(now: datetime | None = None) -> bool:
    """Say whether `send` would hand something over now."""
    return rehearse(lambda *_: None, now).sent > 0


def _pass(now: datetime, handed: Deliver, *, is_copy: bool) -> Outcome:
    file = subscriptions.path()
    if not file.exists():
        return Outcome(note="aucun abonnement")
    if not stores.published().exists():
        return Outcome(note="aucune publication")
    with duckdb.connect(str(stores.published()), read_only=True) as connection:
        known, news = vocabulary(connection), published_news(connection)
        still_open = _open_signals(connection)
    wanted, faults = subscriptions.read(file, known)
    outcome = Outcome(subscriptions=len(wanted), faults=faults)
    with journal.opened(path(), is_copy=is_copy) as log:
        is_first, seen = log.is_empty(), log.seen()
        if fresh := [one.key for one in news if one.key not in seen]:
            log.add(now, dict.fromkeys(fresh, Stand(ANTERIOR if is_first else SEEN)))
            seen = log.seen()
            outcome.anterior = len(fresh) if is_first else 0
        for subscription in wanted:
            for channel in subscription.channels:
                try:
                    _Round(log, subscription, channel, now, seen, outcome).run(
                        news, still_open, handed
                    )
                except Exception as error:  # a signal that cannot be told must not silence the rest
                    outcome.failed.append(
                        f"{subscription.name} ({channel.kind}) : {type(error).__name__} : {error}"
                    )
    return outcome


class _Round:
    """One passage over one channel of one subscription."""

    def __init__(
        self,
        log: journal.Journal,
        subscription: Subscription,
        channel: Channel,
        now: datetime,
        seen: Mapping[str, datetime | None],
        outcome: Outcome,
    ) -> None:
        self._log, self._now, self._seen, self._outcome = log, now, seen, outcome
        self._subscription, self._channel = subscription, channel
        self._who = _pseudonym(subscription.name)
        self._where = f"{channel.kind}:{_pseudonym(f'{subscription.name} {channel.name}')}"
        self._stands = log.stands(self._where)

    def run(
        self, news: Sequence[News], still_open: Sequence[Mapping[str, Any]], handed: Deliver
    ) -> None:
        self._queue(news)
        pending = [
            one
            for one in news
            if one.key in self._stands and self._stands[one.key].step in (WAITING, TRIED, FAILED)
        ]
        due = self._due(pending)
        self._outcome.deferred += len(pending) - len(due)
        if due:
            self._send(due, still_open, handed)

    def _queue(self, news: Sequence[News]) -> None:
        """Write down what this channel is to be told, once."""
        joined = self._log.joined(self._where)
        if joined is None:
            joined = self._now
            self._add({"": Stand(JOINED)})
        told = {one.signal_id for one in news if one.key in self._stands}
        for one in news:
            if one.key in self._stands or not self._is_new(one, joined):
                continue
            # Who was told of a signal is told how it ends, however small it has become.
            if one.signal_id not in told and (one.kind in CLOSING or not self._wants(one)):
                continue
            told.add(one.signal_id)
            due = self._subscription.opens(self._now, one.severity)
            self._add({one.key: Stand(WAITING, due=due)})

    def _is_new(self, one: News, joined: datetime) -> bool:
        since, seen = self._subscription.since, self._seen[one.key]
        if since is not None and one.at >= since:
            return True
        return (
            seen is not None
            and seen >= joined
            and self._now - seen < FRESH
            and seen - one.at < OLDEST
        )

    def _due(self, pending: Sequence[News]) -> list[News]:
        """Return what may go now: what is due and, with it, what failed and waits to be retried."""
        allowed = [
            one
            for one in pending
            # A digest comes at the hour written down when its events were queued.
            if self._subscription.frequency != "immediate"
            or self._subscription.opens(self._now, one.severity) <= self._now
        ]
        due = {one.key for one in allowed if (self._stands[one.key].due or self._now) <= self._now}
        return [
            one
            for one in allowed
            if due and (one.key in due or self._stands[one.key].step == FAILED)
        ]

    def _send(
        self, due: Sequence[News], still_open: Sequence[Mapping[str, Any]], handed: Deliver
    ) -> None:
        message = compose(
            self._subscription,
            due,
            [row for row in still_open if self._covers(row)],
            site_address(),
            may_be_twice=any(self._stands[one.key].step == TRIED for one in due),
        )
        tries = {one.key: self._stands[one.key].tries + 1 for one in due}

        def write(step: str) -> None:
            stands = {key: Stand(step, count) for key, count in tries.items()}
            self._add(stands, reference=message.reference)

        write(TRIED)
        reason = handed(self._subscription, self._channel, message)
        if reason is None:
            write(SENT)
            self._outcome.sent += 1
            self._outcome.told += len(due)
            return
        self._outcome.failed.append(f"{self._subscription.name} ({self._channel.kind}) : {reason}")
        self._add(
            {
                key: Stand(GIVEN_UP, count)
                if count >= TRIES
                else Stand(FAILED, count, self._now + _wait(count))
                for key, count in tries.items()
            },
            reference=message.reference,
            reason=reason,
        )

    def _wants(self, one: News) -> bool:
        return one.severity >= self._subscription.severity and self._covers(one.signal)

    def _covers(self, signal: Mapping[str, Any]) -> bool:
        codes = signal["departements_codes"] or signal["departement_code"] or ""
        places = frozenset(filter(None, (code.strip() for code in codes.split(","))))
        return self._subscription.covers(signal["sujet"], places)

    def _add(self, stands: Mapping[str, Stand], **more: Any) -> None:
        self._log.add(self._now, stands, subscription=self._who, channel=self._where, **more)
        self._stands |= stands


def _wait(tries: int) -> timedelta:
    return min(FIRST_WAIT * (1 << min(tries - 1, TRIES)), LONGEST_WAIT)


def deliver(_: Subscription, channel: Channel, message: Message) -> str | None:
    """Hand a message to its channel; return None if it took it, else why not, in French."""
    import apprise

    form = subscriptions.FORMATS[channel.kind]
    joint = "&" if "?" in channel.url else "?"
    service = subscriptions.service(f"{channel.url}{joint}format={form}")
    # A chat has no title of its own, and would read the markup of a text made its first line.
    is_chat = channel.kind in ("matrix", "mmost")
    heading = f"<h2>{escape(message.subject)}</h2>" if is_chat else ""
    with apprise.Apprise(service).notify(
        body=heading + message.html,
        title="" if is_chat else message.subject,
        body_format=apprise.NotifyFormat.HTML,
    ) as result:
        if result:
            return None
        said = " ".join(str(getattr(entry, "message", entry)) for entry in result.logs())
    found = re.search(r"error=(\d{3})\b", said)
    return f"refusé, HTTP {found[1]}" if found else "injoignable, ou message refusé"


def vocabulary(connection: duckdb.DuckDBPyConnection) -> Vocabulary:
    """Return the words that subscriptions may use."""
    marts = connection.execute(
        "select table_name from duckdb_columns()"
        " where schema_name = 'marts' and column_name = 'sujet'"
    ).fetchall()
    topics = {
        topic
        for (mart,) in marts
        for (topic,) in connection.execute(
            f'select distinct sujet from marts."{mart}" where sujet is not null'  # noqa: S608
        ).fetchall()
    }
    # A subject that never gave a signal may be subscribed to.
    with (stores.ROOT / "dbt_project/seeds/taxo_sujets.csv").open(encoding="utf-8") as seed:
        topics |= {row["sujet"] for row in csv.DictReader(seed)}
    places = connection.execute(
        "select departement_code, region_code from marts.ref_departements"
    ).fetchall()
    return Vocabulary(frozenset(topics), dict(places), frozenset(dict(places).values()))


def published_news(connection: duckdb.DuckDBPyConnection) -> list[News]:
    """Return every published event with its signal and evidence, oldest first."""
    if not _has_signals(connection):
        return []
    signals = {row["signal_id"]: row for row in _signals(connection)}
    evidence: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(
        connection,
        "select preuves.*, source_label, departement_label from marts.fct_signaux_preuves"
        " as preuves"
        " left join marts.ref_sources on preuves.source = ref_sources.source"
        " left join marts.ref_departements"
        " on preuves.departement_code = ref_departements.departement_code"
        " order by signal_id, rang",
    ):
        evidence.setdefault(row["signal_id"], []).append(row)
    return [
        News(
            key=f"{row['signal_id']} {row['evenement']} {row['evenement_at']:%Y-%m-%dT%H:%M}",
            kind=row["evenement"],
            at=row["evenement_at"],
            severity=row["gravite"],
            said=row["phrase"],
            signal=signals[row["signal_id"]],
            evidence=evidence.get(row["signal_id"], []),
        )
        for row in _rows(
            connection,
            "from marts.fct_signaux__evenements order by evenement_at, signal_id, evenement",
        )
        if row["signal_id"] in signals
    ]


def _open_signals(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    if not _has_signals(connection):
        return []
    return [row for row in _signals(connection) if row["clos_at"] is None]


def _has_signals(connection: duckdb.DuckDBPyConnection) -> bool:
    ((count,),) = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'marts' and table_name in ?",
        [MARTS],
    ).fetchall()
    return bool(count == len(MARTS))


def _signals(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    return _rows(
        connection,
        "with lieux as ("
        " select signal_id, trim(unnest(string_split("
        "coalesce(departements_codes, departement_code), ','))) as code from marts.fct_signaux"
        "), noms as ("
        " select signal_id, string_agg(departement_label, ', ' order by code) as lieux from lieux"
        " inner join marts.ref_departements on code = departement_code group by signal_id"
        ") select signaux.*, lieux, source_label"
        " from marts.fct_signaux as signaux left join noms on signaux.signal_id = noms.signal_id"
        " left join marts.ref_sources on signaux.source = ref_sources.source"
        " order by gravite desc, ouvert_at desc, signaux.signal_id",
    )


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """Return rows by column name; the instants, which are UTC, say so."""
    found = connection.execute(query)
    names = [column[0] for column in found.description or ()]

    def aware(value: Any) -> Any:
        return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value

    return [dict(zip(names, map(aware, row), strict=True)) for row in found.fetchall()]


def _pseudonym(name: str) -> str:
    # Under the first key: the journal cannot be written anew when another is added.
    return privacy.renamed(name, privacy.pseudonym_keys()[:1])[0][:16]


def summary(now: datetime | None = None) -> str:
    """Return one line on the subscriptions, and on the alerts of the last seven days."""
    moment = now or datetime.now(UTC)
    outcome = rehearse(lambda *_: None, moment)
    if outcome.note:
        return outcome.note
    with journal.opened(path(), is_copy=True) as log:
        found = log.summary(moment - timedelta(days=7))
    said = (
        f"abonnements : {outcome.subscriptions} ; en 7 jours, messages envoyés : {found.sent} ; "
        f"événements en attente : {found.waiting}"
    )
    if found.reasons:
        said += f" ; [red]canaux en panne : {found.down}[/] ({', '.join(found.reasons)})"
    if outcome.faults:
        said += f" ; [red]fautes dans le fichier : {len(outcome.faults)}[/]"
    return said
