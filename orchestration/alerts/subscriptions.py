"""Who wants to hear of what, where, from how serious on, when and through what: one TOML file.

A faulty subscription is named and left out; the others are served.
"""

import logging
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dlt_pipelines import PARIS, stores

SEVERITIES = {"faible": 1, "moderee": 2, "elevee": 3, "critique": 4}
FREQUENCIES = ("immediate", "quotidienne", "hebdomadaire")
DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
# Services of the State or of one's own house, each tried by the tests; what a service reads as
# markup is written in its own, so that no text of a signal is.
FORMATS = {"mailto": "html", "matrix": "html", "mmost": "markdown", "json": "text"}
SMTP = "CYBERIMPACT_SMTP"


@dataclass(frozen=True)
class Vocabulary:
    """The words a subscription may use, read from the published marts."""

    topics: frozenset[str]
    departements: Mapping[str, str]  # code -> region code
    regions: frozenset[str]


@dataclass(frozen=True)
class Channel:
    """One address of one recipient; `name` tells it apart without the secret it may hold."""

    name: str
    url: str = field(repr=False)

    @property
    def kind(self) -> str:
        return _kind(self.url)


@dataclass(frozen=True)
class Subscription:
    name: str
    channels: tuple[Channel, ...]
    topics: frozenset[str] = frozenset()  # none: all
    territory: frozenset[str] = frozenset()  # département codes; none: all
    is_national: bool = True  # what concerns the whole country too
    severity: int = 1
    frequency: str = "immediate"
    digest_at: time = time(8)
    digest_day: int = 0
    silence: tuple[time, time] | None = None
    critical_passes: bool = False
    since: datetime | None = None  # events of before are not told

    def covers(self, topic: str, departements: frozenset[str]) -> bool:
        """Say whether a signal about `topic` there (nowhere: the whole country) is of interest."""
        if self.topics and topic not in self.topics:
            return False
        if not self.territory:
            return self.is_national or bool(departements)
        return bool(self.territory & departements) if departements else self.is_national

    def opens(self, moment: datetime, severity: int) -> datetime:
        """Return the first instant from `moment` on (UTC) at which such news may be sent."""
        if severity == SEVERITIES["critique"] and self.critical_passes:
            return moment
        local = moment.astimezone(PARIS)
        if self.frequency != "immediate":
            days = 0
            if self.frequency == "hebdomadaire":
                days = (self.digest_day - local.weekday()) % 7
            due = _at(local.date() + timedelta(days), self.digest_at)
            if due < moment:
                step = 7 if self.frequency == "hebdomadaire" else 1
                due = _at(local.date() + timedelta(days + step), self.digest_at)
            return due
        if self.silence:
            start, end = self.silence
            clock = local.time()
            over_midnight = start > end
            if start <= clock < end or (over_midnight and (clock >= start or clock < end)):
                tomorrow = over_midnight and clock >= start
                return _at(local.date() + timedelta(tomorrow), end)
        return moment


@dataclass(frozen=True)
class Fault:
    line: int
    key: str
    said: str

    def __str__(self) -> str:
        return f"ligne {self.line}, {self.key} : {self.said}"


def path() -> Path:
    """Return the file of subscriptions: `$CYBERIMPACT_SUBSCRIPTIONS`, else one in the depot."""
    named = os.environ.get("CYBERIMPACT_SUBSCRIPTIONS")
    return Path(named) if named else stores.depot() / "abonnements.toml"


def read(file: Path, words: Vocabulary) -> tuple[list[Subscription], list[Fault]]:
    """Return the subscriptions that are right, and what is wrong with the others, in French."""
    try:
        text = file.read_text("utf-8")
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        found = re.search(r"line (\d+)", str(error))
        said = "le fichier n'est pas du TOML en UTF-8. Remède : corriger cette ligne ; "
        said += "l'exemple commenté est dans docs/alertes.md."
        return [], [Fault(int(found[1]) if found else 1, file.name, said)]
    lines = text.splitlines()
    faults = [
        Fault(_line(lines, 0, key), key, _unknown(key, ["abonnement"]))
        for key in document
        if key != "abonnement"
    ]
    tables = document.get("abonnement", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        said = "une table est attendue. Remède : l'ouvrir par `[[abonnement]]`, deux crochets."
        faults.append(Fault(_line(lines, 0, "abonnement"), "abonnement", said))
        tables = []
    heads = [n for n, line in enumerate(lines) if re.match(r"\s*\[\[\s*abonnement\s*\]\]", line)]
    read_ones, names = [], set[str]()
    for rank, table in enumerate(tables):
        reader = _Reader(table, words, lines, heads[rank] if rank < len(heads) else 0)
        one = reader.subscription()
        if one.name in names:
            reader.fault("nom", f"« {one.name} » est déjà pris. Remède : choisir un autre nom.")
        names.add(one.name)
        faults += reader.faults
        if not reader.faults:
            read_ones.append(one)
    return read_ones, faults


class _Reader:
    """Reads one table of the file, and keeps what is wrong with it."""

    def __init__(
        self, table: dict[str, Any], words: Vocabulary, lines: list[str], head: int
    ) -> None:
        self.faults: list[Fault] = []
        self._table, self._words, self._lines, self._head = table, words, lines, head
        self._name = str(table.get("nom", f"abonnement de la ligne {head + 1}"))

    def fault(self, key: str, said: str) -> None:
        line = _line(self._lines, self._head, key)
        self.faults.append(Fault(line, f"{self._name} · {key}", said))

    def subscription(self) -> Subscription:
        known = {
            *("nom", "sujets", "departements", "regions", "national", "gravite", "frequence"),
            *("heure", "jour", "silence", "critique_passe", "depuis", "courriels", "canaux"),
        }
        for key in self._table.keys() - known:
            self.fault(key, _unknown(key, sorted(known)))
        if not self._words_of("nom", one=True):
            self.fault("nom", "il manque. Remède : nommer l'abonnement, d'un nom de service.")
        topics = self._among("sujets", self._words.topics)
        departements = self._among("departements", self._words.departements)
        regions = self._among("regions", self._words.regions)
        inside = {code for code, region in self._words.departements.items() if region in regions}
        frequency = self._one("frequence", FREQUENCIES)
        channels = [*self._mailboxes(), *self._channels()]
        if not channels and not self.faults:
            self.fault("canaux", "aucun canal. Remède : remplir `courriels` ou `canaux`.")
        return Subscription(
            name=self._name,
            channels=tuple(channels),
            topics=frozenset(topics),
            territory=frozenset({*departements, *inside}),
            is_national=self._flag("national", True),
            severity=SEVERITIES[self._one("gravite", tuple(SEVERITIES))],
            frequency=frequency,
            digest_at=self._read("heure", time.fromisoformat, "une heure, comme 08:00", time(8)),
            digest_day=DAYS.index(self._one("jour", DAYS)),
            silence=self._read("silence", _hours, "deux heures, comme 22:00-07:00", None),
            critical_passes=self._flag("critique_passe", False),
            since=self._since(),
        )

    def _words_of(self, key: str, one: bool = False) -> list[str]:
        value = self._table.get(key, [])
        values = value if isinstance(value, list) else [value]
        if (one and len(values) > 1) or not all(isinstance(word, str) for word in values):
            said = "un texte entre guillemets" if one else "une liste de textes entre guillemets"
            self.fault(key, f"{said} est attendu. Remède : l'écrire ainsi.")
            return []
        return values

    def _among(self, key: str, known: Any) -> list[str]:
        found = self._words_of(key)
        for word in found:
            if word not in known:
                self.fault(key, _unknown(word, sorted(known)))
        return found

    def _one(self, key: str, known: tuple[str, ...]) -> str:
        (word, *_) = [*self._words_of(key, one=True), known[0]]
        if word not in known:
            self.fault(key, _unknown(word, list(known)))
            return known[0]
        return word

    def _flag(self, key: str, default: bool) -> bool:
        value = self._table.get(key, default)
        if not isinstance(value, bool):
            self.fault(key, "true ou false est attendu. Remède : l'écrire sans guillemets.")
            return default
        return value

    def _read(self, key: str, reads: Callable[[str], Any], wanted: str, default: Any) -> Any:
        value = self._table.get(key)
        if value is None:
            return default
        try:
            return reads(value)
        except (ValueError, TypeError):
            self.fault(key, f"« {value} » n'est pas {wanted}. Remède : l'écrire ainsi.")
            return default

    def _since(self) -> datetime | None:
        value = self._table.get("depuis")
        if value is None:
            return None
        if type(value) is not date:
            self.fault(
                "depuis",
                "une date sans guillemets est attendue. Remède : écrire par exemple 2026-11-01.",
            )
            return None
        return _at(value, time(0))

    def _mailboxes(self) -> list[Channel]:
        found = self._words_of("courriels")
        server = os.environ.get(SMTP, "")
        if found and not server.startswith(("mailto://", "mailtos://")):
            self.fault(
                "courriels",
                f"aucun serveur de courriel. Remède : donner son adresse dans {SMTP} "
                "(docs/alertes.md).",
            )
            return []
        channels = []
        for address in found:
            if not re.fullmatch(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+\.[^\s@<>,;\"]+", address):
                self.fault("courriels", f"« {address} » n'est pas une adresse. Remède : la revoir.")
                continue
            joint = "&" if "?" in server else "?"
            channels += self._tried(
                "courriels", SMTP, address, f"{server}{joint}to={quote(address)}"
            )
        return channels

    def _channels(self) -> list[Channel]:
        channels = []
        for name in self._words_of("canaux"):
            url = os.environ.get(name, "")
            if "://" in name:
                self.fault(
                    "canaux",
                    "une adresse n'a pas sa place ici, elle porte un secret. Remède : la mettre "
                    "dans une variable d'environnement et écrire le nom de la variable.",
                )
            elif not url:
                self.fault(
                    "canaux",
                    f"la variable d'environnement {name} est vide. Remède : y mettre l'adresse du "
                    "canal (docs/alertes.md), puis relancer.",
                )
            else:
                channels += self._tried("canaux", name, name, url)
        return channels

    def _tried(self, key: str, variable: str, name: str, url: str) -> list[Channel]:
        """Return the channel, unless its address is wrong; the address itself is never told."""
        kind = _kind(url)
        if kind not in FORMATS:
            self.fault(
                key,
                f"« {kind} » ({variable}) n'est pas un canal admis. Remède : courriel (mailtos://),"
                " Tchap et Matrix (matrixs://), Mattermost (mmosts://) ou webhook (jsons://).",
            )
            return []
        one = service(url)
        if not one or max(len(getattr(one, "targets", ())), len(one)) > 1:
            said = "désigne plusieurs destinataires" if one else "ne se lit pas"
            self.fault(
                key,
                f"l'adresse de {variable} {said}. Remède : une adresse et un destinataire par "
                "canal, comme dans docs/alertes.md.",
            )
            return []
        return [Channel(name, url)]


def service(url: str) -> Any:
    """Return what apprise makes of an address, or None if it cannot read it."""
    import apprise  # 0.2 s that only those who have subscriptions pay

    # Its log holds addresses: it is read where a message is sent, and goes nowhere else.
    log = logging.getLogger("apprise")
    log.handlers, log.propagate = [logging.NullHandler()], False
    asset = apprise.AppriseAsset(
        app_id="CyberImpact",
        app_desc="Alertes CyberImpact",
        storage_mode="memory",
        image_url_mask="",  # pictures of the library's own site
        image_url_logo="",
        async_mode=False,
    )
    return apprise.Apprise.instantiate(url, asset=asset)


def _kind(url: str) -> str:
    scheme = url.partition("://")[0].lower()
    return scheme if scheme in FORMATS else scheme.removesuffix("s")


def _hours(text: str) -> tuple[time, time]:
    start, end = (time.fromisoformat(part.strip()) for part in text.split("-"))
    if start == end:
        raise ValueError
    return start, end


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, PARIS).astimezone(UTC)


def _unknown(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, 1, 0.6)
    remedy = f"écrire « {near[0]} » ?" if near else f"choisir parmi {', '.join(known[:40])}."
    return f"« {word} » est inconnu. Remède : {remedy}"


def _line(lines: list[str], head: int, key: str) -> int:
    """Return the line of `key` in the table that starts at `head`, else that of the table."""
    for number, line in enumerate(lines[head:], head + 1):
        if number > head + 1 and re.match(r"\s*\[", line) and not line.strip().endswith(","):
            break
        if re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number
    return head + 1
