"""How much of what is personal in French messages the door masks, how much else, and how fast.

Without data, a corpus of invented messages whose personal data are known by construction. With
`--data`, one JSON object a line: `{"text": …, "spans": [{"start": …, "end": …, "kind": …}]}`.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from benchmarks import Metric, record
from benchmarks.redaction_corpus import FAMILIES, Message, Span, corpus
from dlt_pipelines import privacy

PATTERNED = "motifs"
# A kind as others call it → ours; the first word found in the name decides.
_CALLED = {
    "courriel": "courriel email mail",
    "iban": "iban rib bankaccount accountnumber",
    "nir": "nir ssn insee secu socialsecurity",
    "carte": "carte card cb creditcard pan",
    "plaque": "plaque plate immatriculation licenseplate licenceplate vehicle registration",
    "ip": "ipaddress ipv4 ipv6 adresseip ip mac",
    "lien": "url lien link uri web",
    "naissance": "naissance birth dob ddn dateofbirth date",
    "telephone": "telephone phone tel mobile gsm",
    "compte": "compte handle pseudo username account social",
    "dossier": "dossier file complaint case reference procedure plainte ref number ticket",
    "adresse": "adresse address postal street location lieu",
    "nom": "nom name person per personne prenom patronyme firstname lastname surname identite",
}
KINDS = tuple(_CALLED)


def kind_of(called: str) -> str:
    """Return our word for a kind: `PERSON`, `FR_NIR`, `licence_plate`, `n° de téléphone`."""
    ascii_name = unicodedata.normalize("NFD", called).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", re.sub(r"^(?:fr|us|uk)_", "", ascii_name))
    joined = "".join(words)
    for kind, names in _CALLED.items():
        if joined in names.split():
            return kind
    for kind, names in _CALLED.items():
        if any(word in names.split() for word in words):
            return kind
    for kind, names in _CALLED.items():
        if any(len(name) > 3 and name in joined for name in names.split()):
            return kind
    return "autre"


def read(path: Path) -> list[Message]:
    """Read messages and their spans; a line that is none is said with its number."""
    messages = []
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            text = told["text"]
            spans = [_span(span) for span in told.get("spans") or told.get("entities") or ()]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise SystemExit(
                f"{path.name}, ligne {number} : {type(error).__name__} ({error}). Chaque ligne "
                "doit être"
                ' {"text": …, "spans": [{"start": …, "end": …, "kind": …}]}.'
            ) from None
        if any(not 0 <= span.start < span.end <= len(text) for span in spans):
            raise SystemExit(f"{path.name}, ligne {number} : un empan sort du texte.")
        messages.append(Message(text, tuple(sorted(spans))))
    return messages


def _span(told: object) -> Span:
    if isinstance(told, dict):
        kind = next(
            told[name]
            for name in ("kind", "label", "type", "entity_type", "entity")
            if name in told
        )
        return Span(int(told["start"]), int(told["end"]), kind_of(str(kind)))
    start, end, kind = told  # type: ignore[misc]
    return Span(int(start), int(end), kind_of(str(kind)))


class Score(NamedTuple):
    """What a set of findings is worth: `found` overlap or `exact`, of `wanted`."""

    wanted: int
    found: int
    exact: int
    marked: int
    right: int
    right_exact: int

    @property
    def recall(self) -> float:
        return self.found / self.wanted if self.wanted else 1.0

    @property
    def precision(self) -> float:
        return self.right / self.marked if self.marked else 1.0

    @property
    def f1(self) -> float:
        return _f1(self.recall, self.precision)

    @property
    def exact_recall(self) -> float:
        return self.exact / self.wanted if self.wanted else 1.0

    @property
    def exact_f1(self) -> float:
        precision = self.right_exact / self.marked if self.marked else 1.0
        return _f1(self.exact_recall, precision)


def _f1(recall: float, precision: float) -> float:
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def score(
    messages: Sequence[Message], answers: Sequence[Sequence[Span]], kinds: Iterable[str]
) -> Score:
    """Count over the spans of `kinds`.

    A wanted span is found when marks cover half of it, whatever the kind they say: what matters is
    that it can no longer be read. A mark is right when it covers some of a wanted span.
    """
    kinds = set(kinds)
    wanted = found = exact = marked = right = right_exact = 0
    for (_, spans), marks in zip(messages, answers, strict=True):
        bounds = {(span.start, span.end) for span in spans}
        for start, end, kind in spans:
            if kind in kinds:
                covered = sum(max(0, min(end, mark.end) - max(start, mark.start)) for mark in marks)
                wanted += 1
                found += covered * 2 >= end - start
                exact += any((mark.start, mark.end) == (start, end) for mark in marks)
        for mark in marks:
            if mark.kind in kinds:
                marked += 1
                right += any(mark.start < end and start < mark.end for start, end, _ in spans)
                right_exact += (mark.start, mark.end) in bounds
    return Score(wanted, found, exact, marked, right, right_exact)


def clean_touched(messages: Sequence[Message], answers: Sequence[Sequence[Span]]) -> float:
    clean = [bool(marks) for (_, spans), marks in zip(messages, answers, strict=True) if not spans]
    return sum(clean) / len(clean) if clean else 0.0


def ours(messages: Sequence[Message]) -> list[list[Span]]:
    return [
        [Span(start, end, mark.strip("[]")) for start, end, mark in privacy.find(message.text)]
        for message in messages
    ]


def _redact(texts: list[str]) -> int:
    return len(privacy.redact_column(pa.chunked_array([pa.array(texts, pa.string())])))


def effort(texts: list[str]) -> float:
    """Return the processor's microseconds per message: what other processes do not change much."""
    _redact(texts)
    start = time.process_time()
    _redact(texts)
    return (time.process_time() - start) / len(texts) * 1e6


def speed(texts: list[str], processes: int) -> float:
    """Return messages per second through the door's own function, the median of three."""
    texts = texts * max(1, 20_000 // len(texts))
    share = -(-len(texts) // (processes * 4))
    parts = [texts[at : at + share] for at in range(0, len(texts), share)]
    times = []
    if processes == 1:
        _redact(texts[:200])
        for _ in range(3):
            start = time.perf_counter()
            _redact(texts)
            times.append(time.perf_counter() - start)
        return len(texts) / statistics.median(times)
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(_redact, [texts[:200]] * processes * 2))  # the lists are read once
        for _ in range(3):
            start = time.perf_counter()
            list(pool.map(_redact, parts))
            times.append(time.perf_counter() - start)
    return len(texts) / statistics.median(times)


def presidio(python: str, messages: Sequence[Message]) -> tuple[list[list[Span]], float]:
    """Ask Presidio, installed elsewhere; return what it found and its messages per second."""
    asked = "\n".join(json.dumps(message.text) for message in messages)
    outcome = subprocess.run(  # noqa: S603 – the interpreter that the user names
        [python, str(Path(__file__).with_name("redaction_presidio.py"))],
        input=asked,
        capture_output=True,
        text=True,
        check=False,
    )
    if outcome.returncode:
        raise SystemExit(
            f"Presidio n’a pas répondu avec {python} : {outcome.stderr.strip().splitlines()[-1]}\n"
            "Il faut un Python où `pip install presidio-analyzer` a été fait."
        )
    *lines, seconds = outcome.stdout.splitlines()
    answers = [[Span(s, e, kind_of(kind)) for s, e, kind in json.loads(line)] for line in lines]
    return answers, len(messages) / float(seconds)


def figures(
    messages: Sequence[Message], answers: Sequence[Sequence[Span]], prefix: str
) -> list[Metric]:
    """Return the figures of one set of findings."""
    all_kinds = [*KINDS, "autre"]
    patterned = [kind for kind in all_kinds if kind != "nom"]
    metrics = []
    for name, kinds, aim in (
        ("ensemble", all_kinds, ""),
        (PATTERNED, patterned, "≥ 0,995"),
        *((kind, [kind], "≥ 0,95" if kind == "nom" else "≥ 0,995") for kind in KINDS),
    ):
        counts = score(messages, answers, kinds)
        if not counts.wanted and not counts.marked:
            continue
        label = f"{prefix}{name}"
        metrics += [
            Metric(f"{label} · rappel", round(counts.recall, 4), f"sur {counts.wanted}", aim),
            Metric(
                f"{label} · précision", round(counts.precision, 4), f"sur {counts.marked}", "≥ 0,95"
            ),
            Metric(f"{label} · F1", round(counts.f1, 4)),
            Metric(f"{label} · F1 exact", round(counts.exact_f1, 4)),
        ]
    touched = clean_touched(messages, answers)
    return [
        *metrics,
        Metric(f"{prefix}messages sans rien de personnel touchés", round(touched, 4), "", "≤ 0,05"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.redaction", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--data", type=Path, metavar="JSONL", help="messages annotés ; sans lui, un corpus inventé"
    )
    parser.add_argument(
        "--messages", type=int, default=5000, help="taille du corpus inventé (défaut : 5000)"
    )
    parser.add_argument("--seed", type=int, default=20261124, help="graine du corpus inventé")
    parser.add_argument(
        "--presidio", metavar="PYTHON", help="interpréteur où Presidio est installé"
    )
    parser.add_argument(
        "--misses",
        type=int,
        default=0,
        metavar="N",
        help="montre N erreurs (corpus inventé seulement)",
    )
    parser.add_argument(
        "--families", nargs="+", choices=FAMILIES, help="familles de phrases du corpus inventé"
    )
    options = parser.parse_args()
    families: list[str] = []
    if options.data:
        if not options.data.is_file():
            parser.error(
                f"{options.data} n’existe pas : donner un fichier JSONL, ou rien pour un corpus "
                "inventé."
            )
        messages = read(options.data)
    else:
        drawn = corpus(options.messages, options.seed, tuple(options.families or ()) or None)
        families, messages = [family for family, _ in drawn], [message for _, message in drawn]
    if not messages:
        parser.error(f"{options.data} ne contient aucun message.")
    answers = ours(messages)
    metrics = figures(messages, answers, "")
    for family in dict.fromkeys(sorted(families)):
        chosen = [at for at, of in enumerate(families) if of == family]
        counts = score(
            [messages[at] for at in chosen], [answers[at] for at in chosen], [*KINDS, "autre"]
        )
        metrics += [
            Metric(f"famille {family} · rappel", round(counts.recall, 4), f"sur {counts.wanted}"),
            Metric(
                f"famille {family} · précision", round(counts.precision, 4), f"sur {counts.marked}"
            ),
        ]
    texts = [message.text for message in messages]
    metrics += [
        Metric("temps de processeur par message", round(effort(texts), 1), "µs"),
        Metric("messages par seconde, 1 processus", round(speed(texts, 1)), "/s"),
        Metric("messages par seconde, 4 processus", round(speed(texts, 4)), "/s", "≥ 10 000"),
    ]
    if options.presidio:
        found, rate = presidio(options.presidio, messages)
        metrics += [
            *figures(messages, found, "Presidio · "),
            Metric("Presidio · messages par seconde, 1 processus", round(rate), "/s"),
        ]
    if options.misses and not options.data:
        _show(messages, answers, options.misses)
    record(
        "redaction",
        metrics,
        data=str(options.data) if options.data else None,
        messages=len(messages),
        seed=None if options.data else options.seed,
        clean=sum(not message.spans for message in messages),
    )


def _show(messages: Sequence[Message], answers: Sequence[Sequence[Span]], count: int) -> None:
    """Print mistakes of the invented corpus; a file's are never shown."""
    shown = 0
    for (text, spans), marks in zip(messages, answers, strict=True):
        missed = [
            f"{kind}={text[start:end]!r}"
            for start, end, kind in spans
            if sum(max(0, min(end, m.end) - max(start, m.start)) for m in marks) * 2 < end - start
        ]
        wrong = [
            f"{m.kind}={text[m.start : m.end]!r}"
            for m in marks
            if not any(m.start < e and s < m.end for s, e, _ in spans)
        ]
        if (missed or wrong) and shown < count:
            shown += 1
            sys.stdout.write(f"manqué {missed} à tort {wrong}\n    {text!r}\n")


if __name__ == "__main__":
    main()
