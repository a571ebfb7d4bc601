"""Alerts: who hears of what, once, on real mail and web servers, whatever the texts hold."""

import email
import email.policy
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest
from aiosmtpd.controller import Controller

from orchestration import alerts
from orchestration.alerts import subscriptions
from orchestration.alerts.subscriptions import Subscription, Vocabulary

ROOT = Path(__file__).resolve().parents[1]
NOON = datetime(2026, 11, 30, 11, tzinfo=UTC)  # 12 h in Paris, a Monday


# ---- a published world, and those who receive ------------------------------------------------

SIGNAL = {
    "titre": "Arnaque au faux conseiller : trois fois l'attendu en Ille-et-Vilaine",
    "question": "Que se passe-t-il ?",
    "famille": "reseaux",
    "source": "x",
    "sujet": "arnaque",
    "sujet_label": "Arnaques",
    "departement_code": "35",
    "departements_codes": "35,22",
    "grain": "heure",
    "etat": "a_verifier",
    "etat_label": "à vérifier",
    "explication": None,
    "gravite": 3,
    "gravite_label": "élevée",
    "ouvert_at": datetime(2026, 11, 30, 8),
    "clos_at": None,
    "constat": "42 messages en une heure, quand 12 étaient attendus.",
    "certitude": "Une fausse alerte sur 200 heures, pour 600 séries surveillées.",
    "limites": "Ce n'est pas un compte de victimes.",
    "conduite": "Lire les messages, puis prévenir le référent cyber.",
    "est_arrondi": False,
    "origine": "reel",
}
EVIDENCE = {
    "nature": "serie",
    "source": "x",
    "departement_code": "35",
    "periode_at": datetime(2026, 11, 30, 8),
    "observe_count": 42,
    "attendu_label": "12",
    "intervalle_label": "de 6 à 20",
    "texte": None,
}
TABLES = """
create schema marts;
create table marts.ref_departements (
    departement_code text, departement_label text, region_code text
);
insert into marts.ref_departements values
    ('22', 'Côtes-d''Armor', '53'), ('35', 'Ille-et-Vilaine', '53'), ('2A', 'Corse-du-Sud', '94');
create table marts.ref_sources (source text, source_label text);
insert into marts.ref_sources values ('x', 'X'), ('perceval', 'Percev@l');
create table marts.fct_volumes_sociaux (sujet text);
insert into marts.fct_volumes_sociaux values ('arnaque'), ('inondation');
create table marts.fct_signaux (
    signal_id text, titre text, question text, famille text, source text, sujet text,
    sujet_label text, departement_code text, departements_codes text, grain text, etat text,
    etat_label text, explication text, gravite int, gravite_label text, ouvert_at timestamp,
    clos_at timestamp, constat text, certitude text, limites text, conduite text,
    est_arrondi boolean, origine text
);
create table marts.fct_signaux_preuves (
    signal_id text, rang int, nature text, source text, departement_code text,
    periode_at timestamp, observe_count double, attendu_label text, intervalle_label text,
    texte text
);
create table marts.fct_signaux__evenements (
    signal_id text, evenement text, evenement_at timestamp, gravite int, etat text, phrase text
);
"""


class World:
    """A published file that signals are added to, and the file of subscriptions."""

    def __init__(self, data: Path, clock: datetime) -> None:
        self.data, self.clock = data, clock
        self._file = data / "published/cyberimpact.duckdb"
        self._file.parent.mkdir()
        with duckdb.connect(self._file) as connection:
            connection.execute(TABLES)

    def signal(self, signal_id: str, **columns: Any) -> None:
        """Publish a signal, its evidence and its opening, two hours ago."""
        self._insert("fct_signaux", {"signal_id": signal_id, **SIGNAL, **columns})
        self._insert("fct_signaux_preuves", {"signal_id": signal_id, "rang": 1, **EVIDENCE})
        self.event(signal_id, gravite=columns.get("gravite", 3))

    def event(
        self,
        signal_id: str,
        evenement: str = "ouvert",
        at: datetime | None = None,
        gravite: int = 3,
        phrase: str = "Le signal s'ouvre.",
    ) -> None:
        row = {"signal_id": signal_id, "evenement": evenement, "gravite": gravite}
        at = (at or self.clock - timedelta(hours=2)).replace(tzinfo=None)
        row |= {"evenement_at": at, "etat": "a_verifier", "phrase": phrase}
        self._insert("fct_signaux__evenements", row)

    def evidence(self, signal_id: str, **columns: Any) -> None:
        self._insert("fct_signaux_preuves", {"signal_id": signal_id, **EVIDENCE, **columns})

    def subscribe(self, *lines: str) -> None:
        """Add a subscription, and let the journal meet it before anything is new."""
        file = self.data / "depot/abonnements.toml"
        file.parent.mkdir(exist_ok=True)
        before = file.read_text("utf-8") if file.exists() else ""
        file.write_text(before + "\n".join(["[[abonnement]]", *lines, ""]), "utf-8")
        alerts.send(self.clock - timedelta(days=1))

    def journal(self) -> list[tuple]:
        with sqlite3.connect(alerts.path()) as connection:
            return connection.execute(
                "select etape, evenement, essai from journal where evenement <> '' order by numero"
            ).fetchall()

    def _insert(self, mart: str, row: dict[str, Any]) -> None:
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        with duckdb.connect(self._file) as connection:
            query = f"insert into marts.{mart} ({names}) values ({marks})"
            connection.execute(query, list(row.values()))


@pytest.fixture
def world(data: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in ("CYBERIMPACT_SUBSCRIPTIONS", "CYBERIMPACT_SITE_URL", "CYBERIMPACT_SMTP"):
        monkeypatch.delenv(name, raising=False)
    return World(data, NOON)


@pytest.fixture
def world_of_today(world: World) -> World:
    """The world of a process of its own, which reads the clock of the machine."""
    world.clock = datetime.now(UTC)
    return world


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mail:
    """A mail server; it answers what `answer` returns, once that returns."""

    def __init__(self) -> None:
        self.port = free_port()
        self.raw: list[bytes] = []
        self.answer: Callable[[], str] = lambda: "250 OK"
        self.received = threading.Event()
        self._controller: Controller | None = None

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.raw.append(envelope.content)
        self.received.set()
        return self.answer()

    def start(self) -> None:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        if self._controller:
            self._controller.stop()
            self._controller = None

    @property
    def messages(self) -> list[EmailMessage]:
        return [email.message_from_bytes(raw, policy=email.policy.default) for raw in self.raw]

    @property
    def subjects(self) -> list[str]:
        return [message["Subject"] for message in self.messages]


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    server = Mail()
    server.start()
    address = f"mailto://127.0.0.1:{server.port}?mode=insecure&from=alertes@exemple.org"
    monkeypatch.setenv("CYBERIMPACT_SMTP", address)
    yield server
    server.stop()


class Web(ThreadingHTTPServer):
    """A web server that keeps what is posted and answers with `status` and `answer`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[tuple[str, Any]] = []
        self.status = 200
        self.answer = {"joined_rooms": [], "room_id": "!salon:exemple.org", "event_id": "$1"}

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Web

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        self.server.posted.append((self.path, json.loads(body) if body else None))
        self._respond()

    def do_GET(self) -> None:
        self._respond()

    do_PUT = do_POST  # noqa: N815

    def _respond(self) -> None:
        answer = json.dumps(self.server.answer).encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


MAILBOX = 'courriels = ["permanence35@exemple.org"]'


# ---- once -------------------------------------------------------------------------------------


def test_a_signal_is_told_once_whatever_the_number_of_runs(world: World, mail: Mail) -> None:
    world.subscribe('nom = "Permanence"', MAILBOX)
    world.signal("s1")
    assert alerts.is_due(NOON)
    first, second = alerts.send(NOON), alerts.send(NOON + timedelta(hours=1))
    assert (first.sent, second.sent) == (1, 0)
    assert not alerts.is_due(NOON + timedelta(hours=1))
    (message,) = mail.messages
    assert message["To"] == "permanence35@exemple.org"
    assert message["From"] == "alertes@exemple.org"


def test_what_is_new_since_the_last_run_is_one_message(world: World, mail: Mail) -> None:
    world.subscribe('nom = "Permanence"', MAILBOX)
    world.signal("s1")
    world.signal("s2", titre="Crue de la Vilaine", sujet="inondation", gravite=4)
    world.event("s1", "aggrave", NOON - timedelta(hours=1), 4, "Le compte a doublé.")
    assert alerts.send(NOON).sent == 1
    assert mail.subjects == ["[CyberImpact] 2 signaux : 1 ouvert, 1 aggravé, gravité élevée"]
    text = mail.messages[0].get_body(("plain",)).get_content()
    assert text.count("Le signal en entier") == 2


def test_two_runs_at_once_tell_it_once(world_of_today: World, mail: Mail) -> None:
    world = world_of_today
    world.subscribe('nom = "Permanence"', MAILBOX)
    world.signal("s1")
    runs = [start_run() for _ in range(2)]
    assert [run.wait(60) for run in runs] == [0, 0]
    assert len(mail.messages) == 1


def test_a_run_killed_before_the_server_answered_tells_it_again_and_says_so(
    world_of_today: World, mail: Mail
) -> None:
    world = world_of_today
    world.subscribe('nom = "Permanence"', MAILBOX)
    world.signal("s1")
    hold = threading.Event()

    def unanswered() -> str:
        hold.wait(30)
        return "250 OK"

    mail.answer = unanswered
    run = start_run()
    assert mail.received.wait(60)
    os.kill(run.pid, signal.SIGKILL)
    run.wait(10)
    hold.set()
    mail.answer = lambda: "250 OK"
    assert [step for step, *_ in world.journal()] == ["vu", "attendu", "tente"]

    assert alerts.send().sent == 1
    assert alerts.send().sent == 0
    first, again = (mail.get_body(("plain",)).get_content() for mail in mail.messages)
    assert "Peut-être déjà reçu" not in first
    assert "Peut-être déjà reçu" in again
    assert reference(first) == reference(again)


def start_run() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "orchestration", "alertes"],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def reference(text: str) -> str:
    return text.partition("référence ")[2][:10]


def test_the_journal_only_grows(world: World, mail: Mail) -> None:
    world.subscribe('nom = "Capitaine Invention"', MAILBOX)
    world.signal("s1")
    alerts.send(NOON)
    assert [step for step, *_ in world.journal()] == ["vu", "attendu", "tente", "envoye"]
    with sqlite3.connect(alerts.path()) as connection:
        for order in ("update journal set etape = 'vu'", "delete from journal"):
            with pytest.raises(sqlite3.IntegrityError, match="une ligne du journal"):
                connection.execute(order)
    raw = alerts.path().read_bytes()
    assert b"Invention" not in raw and b"permanence35" not in raw


# ---- who hears of what, and from when ---------------------------------------------------------


def test_who_subscribes_to_an_old_world_is_not_told_its_history(world: World, mail: Mail) -> None:
    for rank in range(12):
        world.signal(f"old{rank}")
    world.subscribe('nom = "Permanence"', MAILBOX)
    assert mail.messages == []
    world.signal("new")
    assert alerts.send(NOON).told == 1
    world.subscribe('nom = "Autre"', MAILBOX, "depuis = 2026-11-30")
    assert len(mail.messages) == 2
    assert mail.subjects[1].startswith("[CyberImpact] 13 signaux : 13 ouverts")


def test_a_signal_found_anew_long_after_alerts_nobody(world: World, mail: Mail) -> None:
    world.subscribe('nom = "Permanence"', MAILBOX)
    world.signal("s1")
    assert alerts.send(NOON + timedelta(days=60)).sent == 0


def test_a_subscription_made_wider_does_not_bring_the_past_back(world: World, mail: Mail) -> None:
    world.subscribe('nom = "Permanence"', MAILBOX, 'sujets = ["inondation"]')
    world.signal("s1")
    alerts.send(NOON)
    file = world.data / "depot/abonnements.toml"
    file.write_text(file.read_text().replace('"inondation"', '"inondation", "arnaque"'))
    assert alerts.send(NOON + timedelta(days=20)).sent == 0


@pytest.mark.parametrize(
    ("lines", "is_told"),
    [
        (['sujets = ["arnaque"]'], True),
        (['sujets = ["inondation"]'], False),
        (['departements = ["35"]'], True),
        (['departements = ["22"]'], True),  # the second place of the signal
        (['departements = ["2A"]'], False),
        (['regions = ["53"]'], True),
        (['gravite = "elevee"'], True),
        (['gravite = "critique"'], False),
    ],
)
def test_topic_territory_and_severity_decide(
    world: World, mail: Mail, lines: list[str], is_told: bool
) -> None:
    world.subscribe('nom = "Permanence"', MAILBOX, *lines)
    world.signal("s1")
    assert alerts.send(NOON).sent == is_told


@pytest.mark.parametrize("wants", [True, False])
def test_what_concerns_the_whole_country_is_told_to_a_territory_that_wants_it(
    world: World, mail: Mail, wants: bool
) -> None:
    told = f"national = {str(wants).lower()}"
    world.subscribe('nom = "Permanence"', MAILBOX, 'departements = ["2A"]', told)
    world.signal("s1", departement_code=None, departements_codes=None)
    assert alerts.send(NOON).sent == wants


def test_who_heard_of_a_signal_hears_of_its_end_and_nobody_else(world: World, mail: Mail) -> None:
    world.signal("old")
    world.subscribe('nom = "Permanence"', MAILBOX, 'gravite = "elevee"')
    world.signal("s1")
    alerts.send(NOON)
    for name in ("old", "s1"):
        world.event(name, "clos", NOON + timedelta(hours=1), 1, "Retour à la normale.")
    assert alerts.send(NOON + timedelta(hours=2)).told == 1
    assert mail.subjects[1].startswith("[CyberImpact] Signal clos, gravité élevée : Arnaque")


# ---- when -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2026-11-30 20:59", "2026-11-30 20:59"),  # 21 h 59 in Paris
        ("2026-11-30 21:00", "2026-12-01 06:00"),
        ("2026-12-01 05:59", "2026-12-01 06:00"),
        ("2026-12-01 06:00", "2026-12-01 06:00"),
        ("2026-03-28 22:00", "2026-03-29 05:00"),  # the clocks go forward in the night
        ("2026-10-24 21:00", "2026-10-25 06:00"),  # and back
    ],
)
def test_quiet_hours_are_those_of_paris(moment: str, opens: str) -> None:
    night = subscriptions._hours("22:00-07:00")
    one = Subscription("Permanence", (), silence=night)
    assert one.opens(utc(moment), 3) == utc(opens)


@pytest.mark.parametrize(
    ("frequency", "moment", "opens"),
    [
        ("quotidienne", "2026-11-30 06:59", "2026-11-30 07:00"),
        ("quotidienne", "2026-11-30 07:01", "2026-12-01 07:00"),
        ("hebdomadaire", "2026-11-30 06:59", "2026-11-30 07:00"),
        ("hebdomadaire", "2026-11-30 07:01", "2026-12-07 07:00"),
        ("hebdomadaire", "2026-12-03 12:00", "2026-12-07 07:00"),
    ],
)
def test_a_digest_comes_at_its_hour(frequency: str, moment: str, opens: str) -> None:
    one = Subscription("Permanence", (), frequency=frequency)
    assert one.opens(utc(moment), 3) == utc(opens)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_at_night_only_what_is_critical_and_wanted_so_passes(world: World, mail: Mail) -> None:
    night = 'silence = "22:00-07:00"'
    world.subscribe('nom = "Sourde"', MAILBOX, night)
    world.subscribe('nom = "Veilleuse"', MAILBOX, night, "critique_passe = true")
    late = utc("2026-11-30 23:00")
    world.signal("grave", gravite=4, gravite_label="critique")
    world.signal("moindre")
    outcome = alerts.send(late)
    assert (outcome.sent, outcome.told, outcome.deferred) == (1, 1, 3)
    assert not alerts.is_due(late + timedelta(hours=6))
    assert alerts.is_due(late + timedelta(hours=7))
    assert alerts.send(late + timedelta(hours=7)).told == 3


def test_a_digest_gathers_the_day_and_says_what_is_still_open(world: World, mail: Mail) -> None:
    world.signal("old", titre="Rumeur de fermeture")
    world.subscribe('nom = "Chefs"', MAILBOX, 'frequence = "quotidienne"', 'heure = "18:00"')
    world.signal("s1")
    assert alerts.send(NOON).sent == 0
    world.signal("s2")
    assert alerts.send(NOON + timedelta(hours=1)).sent == 0
    assert alerts.send(utc("2026-11-30 17:00")).told == 2
    assert mail.subjects == ["[CyberImpact] Synthèse quotidienne : 2 ouverts, gravité élevée"]
    text = mail.messages[0].get_body(("plain",)).get_content()
    assert "Signaux ouverts de votre périmètre : 3" in text
    assert "http://127.0.0.1:8000/bulletin/" in text
    assert "Rumeur de fermeture (élevée, depuis le 30 novembre 2026 à 09 h 00)" in text


# ---- channels ---------------------------------------------------------------------------------


def test_a_channel_that_is_down_gets_it_once_it_is_up(world: World, mail: Mail) -> None:
    world.subscribe('nom = "Permanence"', MAILBOX)
    world.signal("s1")
    mail.stop()
    moment, tried = NOON, []
    for _ in range(4):
        outcome = alerts.send(moment)
        assert outcome.failed == ["Permanence (mailto) : injoignable, ou message refusé"]
        tried.append(moment)
        while not alerts.is_due(moment):
            moment += timedelta(minutes=5)
    waits = [int((moment - tried[0]).total_seconds() / 60) for moment in [*tried[1:], moment]]
    assert waits == [5, 15, 35, 75]
    assert "canaux en panne : 1" in alerts.summary(moment)
    world.signal("s2")  # what is new goes with what failed
    mail.start()
    assert alerts.send(moment).told == 2
    assert len(mail.messages) == 1
    assert "messages envoyés : 1 ; événements en attente : 0" in alerts.summary(moment)
    world.subscribe('nom = "Fausse"')
    assert "abonnements : 1" in alerts.summary(moment)
    assert "fautes dans le fichier : 1" in alerts.summary(moment)


def test_a_channel_down_for_days_is_given_up_on_and_the_others_are_served(
    world: World, mail: Mail, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERTES_SALON", f"json://{web.host}/secret")
    web.status = 503
    world.subscribe('nom = "Permanence"', 'canaux = ["ALERTES_SALON"]', MAILBOX)
    world.signal("s1")
    outcome = alerts.send(NOON)
    assert (outcome.sent, outcome.failed) == (1, ["Permanence (json) : refusé, HTTP 503"])
    tries = 1
    while world.journal()[-1][0] != "abandonne":
        assert alerts.send(NOON + timedelta(hours=12 * tries)).failed
        tries += 1
    assert tries == alerts.TRIES
    web.status = 200
    assert alerts.send(NOON + timedelta(days=30)).sent == 0


def test_a_digest_of_the_week_that_fails_is_tried_again(world: World, mail: Mail) -> None:
    world.subscribe('nom = "Chefs"', MAILBOX, 'frequence = "hebdomadaire"')
    world.signal("s1")
    alerts.send(NOON)
    monday = utc("2026-12-07 07:00")
    mail.stop()
    assert alerts.send(monday).failed
    mail.start()
    assert alerts.send(monday + timedelta(minutes=5)).told == 1


def test_a_signal_that_cannot_be_told_does_not_silence_the_rest(world: World, mail: Mail) -> None:
    world.subscribe('nom = "Permanence"', MAILBOX, 'sujets = ["inondation"]')
    world.subscribe('nom = "Autre"', MAILBOX, 'sujets = ["arnaque"]')
    world.signal("s1", sujet="inondation")
    world.event("s1", "inconnu")
    world.signal("s2")
    outcome = alerts.send(NOON)
    assert outcome.sent == 1
    assert outcome.failed == ["Permanence (mailto) : ValueError : 'inconnu' is not in list"]


def test_mattermost_matrix_and_webhook_receive_it(
    world: World, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALON", f"mmost://{web.host}/jeton")
    monkeypatch.setenv("TCHAP", f"matrix://jeton@{web.host}/!salon:exemple.org?discovery=no")
    monkeypatch.setenv("WEBHOOK", f"json://{web.host}/crochet")
    world.subscribe('nom = "Salons"', 'canaux = ["SALON", "TCHAP", "WEBHOOK"]')
    world.signal("s1")
    outcome = alerts.send(NOON)
    assert (outcome.sent, outcome.failed) == (3, [])
    posted = {path.split("?")[0]: body for path, body in web.posted}
    chat = posted["/hooks/jeton"]["text"]
    assert chat.startswith("## \\[CyberImpact\\] Signal ouvert")
    assert "**Que faire :** Lire les messages" in chat
    assert "icon_url" not in posted["/hooks/jeton"]
    (room,) = (body for path, body in posted.items() if "m.room.message" in path)
    assert "<strong>Que faire :</strong>" in room["formatted_body"]
    assert "http://127.0.0.1:8000/signaux/s1/" in posted["/crochet"]["message"]
    assert "<" not in posted["/crochet"]["message"]


HOSTILE = (
    "Alerte\r\nBcc: tous@exemple.org\r\n\r\n<script>alert(1)</script> <b>gras</b> @all @channel "
    "@room [cliquer](http://piege.example/) ![image](https://piege.example/x.png) **fort** "
    "www.piege.example \u202egnirts &lt;i&gt;"
)


def test_texts_of_the_public_arrive_as_text(
    world: World, mail: Mail, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALON", f"mmost://{web.host}/jeton")
    monkeypatch.setenv("TCHAP", f"matrix://jeton@{web.host}/!salon:exemple.org?discovery=no")
    world.subscribe('nom = "Tous"', 'canaux = ["SALON", "TCHAP"]', MAILBOX)
    world.signal("s1", titre=HOSTILE, constat=HOSTILE, gravite_label="élevée", etat_label=HOSTILE)
    world.evidence("s1", rang=2, nature="message", texte=HOSTILE, observe_count=None)
    assert alerts.send(NOON).sent == 3

    (message,) = mail.messages
    assert message["Bcc"] is None
    assert message["Subject"].startswith("[CyberImpact] Signal ouvert, gravité élevée : Alerte Bcc")
    posted = {path.split("?")[0]: body for path, body in web.posted}
    (room,) = (body for path, body in posted.items() if "m.room.message" in path)
    html = message.get_body(("html",)).get_content()
    for body in (html, room["formatted_body"]):
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &lt;b&gt;gras&lt;/b&gt;" in body
        assert "&amp;lt;i&amp;gt;" in body
        assert "<script" not in body and "<b>" not in body and "<img" not in body
    chat = posted["/hooks/jeton"]["text"]
    assert "\\[cliquer\\]" in chat and "\\*\\*fort\\*\\*" in chat
    plain = message.get_body(("plain",)).get_content()
    for body in (html, plain, chat, room["body"], room["formatted_body"]):
        assert "://piege" not in body and "www.piege" not in body
        assert "@all" not in body and "@channel" not in body and "@room" not in body
        assert "\u202e" not in body


# ---- the message itself -----------------------------------------------------------------------

GOLDEN = """\
Alerte : un signal a bougé, événements du 30 novembre 2026 à 10 h 00 (heure de Paris).
Données de démonstration, inventées : ce message ne décrit aucune réalité.
---
Arnaque au faux conseiller : trois fois l'attendu en Ille-et-Vilaine
Ouvert. Gravité élevée · à vérifier · Côtes-d'Armor, Ille-et-Vilaine · source : X · depuis le \
30 novembre 2026 à 09 h 00.
- 30 novembre 2026 à 10 h 00 : Le signal s'ouvre.
Ce que l'on voit : 42 messages en une heure, quand 12 étaient attendus.
Preuves
- X, Ille-et-Vilaine, 30 novembre 2026 à 09 h 00 : 42 observés, d'ordinaire 12 (de 6 à 20)
- Percev@\u2060l, 30 novembre 2026 à 09 h 00 : Le compte de septembre montait déjà.
À quel point c'est sûr : Une fausse alerte sur 200 heures, pour 600 séries surveillées.
Ce que ce n'est pas : Ce n'est pas un compte de victimes.
Que faire : Lire les messages, puis prévenir le référent cyber.
Le signal en entier : https://cyberimpact.exemple.org/signaux/s1/
---
Abonnement « Permanence », référence {reference}. Tous les signaux : \
https://cyberimpact.exemple.org/signaux/. Les textes cités viennent du public et n'ont pas été \
vérifiés ; leurs liens sont désarmés. Pour changer ou arrêter ces envois, écrire à qui tient le \
fichier des abonnements."""


def test_the_message_reads_so(world: World, mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBERIMPACT_SITE_URL", "https://cyberimpact.exemple.org")
    world.subscribe('nom = "Permanence"', MAILBOX)
    world.signal("s1", origine="bac_a_sable")
    world.evidence(
        "s1",
        rang=2,
        source="perceval",
        departement_code=None,
        observe_count=None,
        texte="Le compte de septembre montait déjà.",
    )
    alerts.send(NOON)
    text = mail.messages[0].get_body(("plain",)).get_content().strip().replace("\r\n", "\n")
    assert text == GOLDEN.format(reference=reference(text))
    assert mail.messages[0]["Subject"].startswith("[CyberImpact] Signal ouvert, gravité élevée : ")


def test_what_happens_at_once_is_told_in_order_and_days_are_those_of_paris(
    world: World, mail: Mail
) -> None:
    world.subscribe('nom = "Permanence"', MAILBOX)
    midnight = datetime(2026, 11, 29, 23, tzinfo=UTC)
    world.signal("s1", grain="jour", ouvert_at=datetime(2026, 11, 29, 23))
    world.event("s1", "confirme", midnight, phrase="Les avis montent aussi.")
    world.event("s1", "aggrave", midnight, phrase="La gravité monte.")
    world.event("s1", "ouvert", midnight, phrase="Le signal s'ouvre.")
    alerts.send(NOON)
    text = mail.messages[0].get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert "Ouvert, puis aggravé, puis confirmé." in text
    assert "- 30 novembre 2026 : La gravité monte.\n" in text
    assert "29 novembre" not in text


# ---- the file ---------------------------------------------------------------------------------

WORDS = Vocabulary(frozenset({"arnaque", "inondation"}), {"35": "53"}, frozenset({"53"}))
FAULTY = """\
titre = "Alertes"

[[abonnement]]
nom = "Juste"
courriels = ["a@exemple.org"]

[[abonnement]]
nom = "Faux"
sujets = ["arnaqe"]
departements = ["35", "99"]
regions = ["7"]
gravite = "enorme"
frequence = "toujours"
silence = "22h"
critique_passe = "oui"
depuis = "hier"
couriels = []
courriels = ["a@b", "b@exemple.org\\nBcc: c@exemple.org"]
canaux = ["ABSENTE", "mmosts://serveur/secret", "FAUSSE", "DEUX", "AILLEURS"]

[[abonnement]]
nom = "Juste"
canaux = ["WEBHOOK"]

[[abonnement]]
sujets = "arnaque"
"""


def test_each_fault_of_the_file_is_named_with_its_line_and_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBERIMPACT_SMTP", "mailto://127.0.0.1:25?from=a@exemple.org")
    monkeypatch.setenv("FAUSSE", "jsons://")
    monkeypatch.setenv("DEUX", "mmosts://serveur/secret/?to=%23un,%23deux")
    monkeypatch.setenv("AILLEURS", "tgram://123456789:secret_secret_secret/1234")
    monkeypatch.setenv("WEBHOOK", "json://127.0.0.1/secret")
    file = tmp_path / "abonnements.toml"
    file.write_text(FAULTY, "utf-8")
    read, faults = subscriptions.read(file, WORDS)
    assert [one.name for one in read] == ["Juste"]
    found = {(fault.line, fault.key.split(" · ")[-1]) for fault in faults}
    assert found == {
        (1, "titre"),
        *((9, "sujets"), (10, "departements"), (11, "regions"), (12, "gravite")),
        *((13, "frequence"), (14, "silence"), (15, "critique_passe"), (16, "depuis")),
        *((17, "couriels"), (18, "courriels"), (19, "canaux"), (22, "nom"), (25, "nom")),
    }
    said = "\n".join(map(str, faults))
    assert "ligne 9, Faux · sujets : « arnaqe » est inconnu. Remède : écrire « arnaque » ?" in said
    assert said.count("Remède : ") == len(faults)
    assert len([fault for fault in faults if fault.key == "Faux · canaux"]) == 5
    assert len([fault for fault in faults if fault.key == "Faux · courriels"]) == 2
    assert "secret" not in said.replace("elle porte un secret", "")


@pytest.mark.parametrize(
    "text", ["[[abonnement]\n", "nom = \n", "\xe9", "[abonnement]\n", "abonnement = [1]\n"]
)
def test_a_file_that_is_no_list_of_subscriptions_is_said_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "abonnements.toml"
    file.write_bytes(text.encode("latin-1"))
    read, (fault,) = subscriptions.read(file, WORDS)
    assert read == [] and fault.line == 1 and "Remède" in fault.said


def test_the_example_of_the_documentation_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = (ROOT / "docs/alertes.md").read_text("utf-8")
    monkeypatch.setenv("CYBERIMPACT_SMTP", "mailtos://u:p@smtp.exemple.org:587?from=a@exemple.org")
    for line in guide.splitlines():
        if line.startswith("ALERTES_"):
            name, _, value = line.partition("=")
            monkeypatch.setenv(name, value.strip("'"))
    file = tmp_path / "abonnements.toml"
    file.write_text(guide.partition("```toml\n")[2].partition("```")[0], "utf-8")
    read, faults = subscriptions.read(file, WORDS)
    assert faults == [] and len(read) >= 3


# ---- where it runs ----------------------------------------------------------------------------


def test_a_rehearsal_shows_the_messages_and_sends_none(world_of_today: World, mail: Mail) -> None:
    world = world_of_today
    world.subscribe('nom = "Permanence"', MAILBOX)
    world.signal("s1")
    before = world.journal()
    outcome = subprocess.run(
        [sys.executable, "-m", "orchestration", "alertes", "--a-blanc"],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "Que faire : Lire les messages" in outcome.stdout
    assert "permanence35" not in outcome.stdout
    assert mail.messages == [] and world.journal() == before
