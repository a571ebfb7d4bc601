"""One French message out of several events: what changed, on what evidence, how sure, what to do.

The texts of a signal come from outside: whatever they hold, it arrives as text. The body is HTML
alone; apprise turns it, escaped, into the text or the Markdown of the channels that want it.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import groupby
from typing import Any

from dlt_pipelines import PARIS
from orchestration.alerts.subscriptions import Subscription

DETAILED = 10  # signals told in full; the others by their title, on the same message
LISTED = 30
EVIDENCE = 5  # rows of evidence of one signal
LENGTH = 600  # of one text
SUBJECT = 120

CHANGES = {
    "ouvert": ("ouvert", "ouverts"),
    "aggrave": ("aggravé", "aggravés"),
    "deplace": ("déplacé", "déplacés"),
    "confirme": ("confirmé", "confirmés"),
    "explique": ("expliqué", "expliqués"),
    "clos": ("clos", "clos"),
}
DIGESTS = {"quotidienne": "Synthèse quotidienne", "hebdomadaire": "Synthèse hebdomadaire"}
MONTHS = (
    *("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre"),
    *("octobre", "novembre", "décembre"),
)


@dataclass(frozen=True)
class News:
    """An event of a signal, as published; `at` in UTC."""

    key: str
    kind: str
    at: datetime
    severity: int
    said: str
    signal: Mapping[str, Any]  # the row of fct_signaux, and the labels of its places and source
    evidence: Sequence[Mapping[str, Any]]  # rows of fct_signaux_preuves, in order

    @property
    def signal_id(self) -> str:
        return str(self.signal["signal_id"])


@dataclass(frozen=True)
class Message:
    subject: str
    html: str
    reference: str

    @property
    def text(self) -> str:
        """What a channel without markup receives."""
        from apprise.conversion import convert_between

        return str(convert_between("html", "text", self.html))  # type: ignore[no-untyped-call]


def compose(
    subscription: Subscription,
    news: Sequence[News],
    still_open: Sequence[Mapping[str, Any]],
    site: str,
    *,
    may_be_twice: bool = False,
) -> Message:
    """Return the message that tells `news`, the gravest first, several events of a signal as one.

    Args:
        subscription: whose message it is; a digest also lists `still_open`.
        news: at least one event.
        still_open: rows of fct_signaux.
        site: address of the report site, with its final slash.
        may_be_twice: an earlier sending was cut short before its outcome was known.
    """
    by_signal = groupby(sorted(news, key=_in_order), _id)
    told = [list(events) for _, events in by_signal]
    told.sort(key=lambda events: (-max(event.severity for event in events), events[0].at))
    reference = reference_of(subscription.name, (one.key for one in news))
    digest = DIGESTS.get(subscription.frequency)
    parts = [f"<p>{_intro(news, digest)}</p>"]
    if may_be_twice:
        parts.append(
            "<p><strong>Peut-être déjà reçu :</strong> un envoi précédent a été interrompu avant "
            "que le serveur ne réponde.</p>"
        )
    if any(one.signal["origine"] == "bac_a_sable" for one in news):
        parts.append(
            "<p><strong>Données de démonstration, inventées :</strong> ce message ne décrit aucune "
            "réalité.</p>"
        )
    parts += [_told(events, site) for events in told[:DETAILED]]
    if rest := told[DETAILED:]:
        titles = [f"{_changes(events)} : {_text(events[-1].signal['titre'])}" for events in rest]
        parts.append(f"<hr><h3>Et aussi</h3>{_list(titles)}")
    if digest:
        titles = [
            f"{_text(row['titre'])} ({_text(row['gravite_label'])}, depuis le "
            f"{_moment(row['ouvert_at'], row['grain'])})"
            for row in still_open
        ]
        title = f"<hr><h3>Signaux ouverts de votre périmètre : {len(titles)}</h3>"
        parts.append(title + (_list(titles) if titles else ""))
        parts.append(f"<p>Le bulletin de la semaine : {_link(f'{site}bulletin/')}</p>")
    parts.append(
        f"<hr><p>Abonnement « {_text(subscription.name)} », référence {reference}. "
        f"Tous les signaux : {_link(site + 'signaux/')}. Les textes cités viennent du public et "
        "n'ont pas été vérifiés ; leurs liens sont désarmés. Pour changer ou arrêter ces envois, "
        "écrire à qui tient le fichier des abonnements.</p>"
    )
    html = f'<div lang="fr">{"".join(parts)}</div>'
    return Message(_subject(told, digest), html, reference)


def reference_of(subscription: str, keys: Iterable[str]) -> str:
    """Return what tells a message apart: the same for the same events to the same subscription."""
    return hashlib.sha256(repr((subscription, sorted(keys))).encode()).hexdigest()[:10]


def _subject(told: Sequence[Sequence[News]], digest: str | None) -> str:
    gravest = max((event for events in told for event in events), key=lambda one: one.severity)
    grave = f"gravité {_clean(gravest.signal['gravite_label'])}"
    if digest:
        subject = f"{digest} : {_tally(told)}, {grave}"
    elif len(told) == 1:
        subject = (
            f"Signal {CHANGES[told[0][-1].kind][0]}, {grave} : {_clean(told[0][0].signal['titre'])}"
        )
    else:
        subject = f"{len(told)} signaux : {_tally(told)}, {grave}"
    return f"[CyberImpact] {_cut(subject, SUBJECT)}"


def _tally(told: Sequence[Sequence[News]]) -> str:
    last = [events[-1].kind for events in told]
    counts = {kind: last.count(kind) for kind in CHANGES if kind in last}
    return ", ".join(f"{count} {CHANGES[kind][count > 1]}" for kind, count in counts.items())


def _intro(news: Sequence[News], digest: str | None) -> str:
    first, last = min(one.at for one in news), max(one.at for one in news)
    span = f"du {_moment(first)} au {_moment(last)}" if first != last else f"du {_moment(first)}"
    count = len({one.signal_id for one in news})
    signals = f"{count} signaux ont bougé" if count > 1 else "un signal a bougé"
    return f"{digest or 'Alerte'} : {signals}, événements {span} (heure de Paris)."


def _told(events: Sequence[News], site: str) -> str:
    signal = events[-1].signal
    where = signal["lieux"] or "tout le pays"
    facts = (
        f"Gravité {_text(signal['gravite_label'])}",
        _text(signal["etat_label"]),
        _text(where),
        f"source : {_source(signal)}",
        f"depuis le {_moment(signal['ouvert_at'], signal['grain'])}",
    )
    rounded = " Les effectifs de personnes sont arrondis." if signal["est_arrondi"] else ""
    blocks = [
        f"<hr><h3>{_text(signal['titre'])}</h3>",
        f"<p><strong>{_changes(events).capitalize()}.</strong> {' · '.join(facts)}.</p>",
        _list(f"{_moment(one.at, signal['grain'])} : {_text(one.said)}" for one in events),
        _block("Ce que l'on voit", signal["constat"], rounded),
    ]
    if evidence := events[-1].evidence:
        shown = [_evidence(row, signal["grain"]) for row in evidence[:EVIDENCE]]
        if len(evidence) > EVIDENCE:
            shown.append(f"et {len(evidence) - EVIDENCE} autres éléments, sur la page du signal")
        blocks.append(f"<p><strong>Preuves</strong></p>{_list(shown)}")
    blocks += [
        _block("À quel point c'est sûr", signal["certitude"]),
        _block("Explication", signal["explication"]),
        _block("Ce que ce n'est pas", signal["limites"]),
        _block("Que faire", signal["conduite"]),
        f"<p>Le signal en entier : {_link(f'{site}signaux/{_path(events[-1].signal_id)}/')}</p>",
    ]
    return "".join(blocks)


def _changes(events: Sequence[News]) -> str:
    return ", puis ".join(CHANGES[kind][0] for kind in dict.fromkeys(one.kind for one in events))


def _evidence(row: Mapping[str, Any], grain: str) -> str:
    where = f", {_text(row['departement_label'])}" if row["departement_label"] else ""
    when = f", {_moment(row['periode_at'], grain)}" if row["periode_at"] else ""
    origin = f"{_source(row)}{where}{when}"
    told = _text(row["texte"]) if row["texte"] else ""
    if row["nature"] == "message":
        told = f"« {told} »"
    if row["observe_count"] is not None and row["attendu_label"]:
        bounds = f" ({_text(row['intervalle_label'])})" if row["intervalle_label"] else ""
        usual = f"d'ordinaire {_text(row['attendu_label'])}{bounds}"
        counts = f"{_number(row['observe_count'])} observés, {usual}"
        told = f"{counts}{'. ' if told else ''}{told}"
    return f"{origin} : {told}"


def _source(row: Mapping[str, Any]) -> str:
    """Return the name of a source; several networks counted together are none of the catalogue."""
    named = row["source_label"] or {"reseaux": "réseaux sociaux"}.get(row["source"], row["source"])
    return _text(named)


def _block(title: str, text: str | None, more: str = "") -> str:
    return f"<p><strong>{title} :</strong> {_text(text)}{more}</p>" if text else ""


def _list(items: Iterable[str]) -> str:
    shown = list(items)
    if len(shown) > LISTED:
        shown = [*shown[:LISTED], f"et {len(shown) - LISTED} autres"]
    return f"<ul>{''.join(f'<li>{item}</li>' for item in shown)}</ul>"


def _link(address: str) -> str:
    return f'<a href="{escape(address)}">{escape(address)}</a>'


def _path(signal_id: str) -> str:
    return re.sub(r"[^\w.~-]", lambda found: f"%{ord(found[0]):02X}", signal_id, flags=re.ASCII)


def _text(text: object) -> str:
    return escape(_cut(_clean(text), LENGTH))


def _clean(text: object) -> str:
    """Return text on one line that nobody's program obeys.

    No control or direction character, no address that a reader's program would make clickable, no
    `@` that a chat would take for the call of a person or of a whole room.
    """
    line = " ".join(str(text).split())
    line = "".join(one for one in line if unicodedata.category(one) not in ("Cc", "Cf", "Co", "Cs"))
    line = line.replace("://", "[:]//").replace("@", "@\N{WORD JOINER}")
    return re.sub(r"\bwww\.", "www[.]", line, flags=re.IGNORECASE)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _moment(moment: datetime, grain: str = "heure") -> str:
    """Return a date in words, with the hour in Paris unless the series is one of whole days."""
    local = moment.astimezone(PARIS)
    day = f"{'1er' if local.day == 1 else local.day} {MONTHS[local.month - 1]} {local.year}"
    return day if grain == "jour" else f"{day} à {local:%H} h {local:%M}"


def _id(one: News) -> str:
    return one.signal_id


def _in_order(one: News) -> tuple[str, datetime, int]:
    # A signal that opens grave, or confirmed, does it all at once.
    return one.signal_id, one.at, list(CHANGES).index(one.kind)
