"""Tone of a message, and the service it is about, against what its author said.

`--train` alone: 5 folds by experience. With `--test`: learned on the one, scored on the other. Only
the title and the description are read: neither the tags, nor the service, nor the answer.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from benchmarks import Metric, record
from benchmarks.experiences import (
    TRAIN,
    Experience,
    Unreadable,
    experiences,
    lexicon,
    parents,
    plain,
    threshold,
)
from dbt_project.udfs import messages
from dbt_project.udfs.messages import TONES

FOLDS = 5
REPEATS = 3
SERVICES = 10
TIMED = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Tonalité et service concerné, mesurés.")
    parser.add_argument("--train", type=Path, default=TRAIN, help="export SP+ (46 colonnes)")
    parser.add_argument("--test", type=Path, help="autre export, sur lequel noter")
    asked = parser.parse_args()
    train = experiences(asked.train)
    test = experiences(asked.test) if asked.test else None
    if test is not None:
        known = {one.text for one in test}
        train = [one for one in train if one.text not in known]
    metrics = [*_tone(train, test), *_service(train, test), *_speed(train)]
    path = record(
        "tone",
        metrics,
        train=str(asked.train),
        test=str(asked.test) if asked.test else f"{FOLDS} plis × {REPEATS}, par expérience",
        columns=["Titre", "Description"],
    )
    print(f"→ {path}")


def _tone(train: list[Experience], test: list[Experience] | None) -> Iterator[Metric]:
    words, limit = lexicon("tonalite"), threshold("lexique_tonalite")
    train = [one for one in train if one.tone]
    scored = train if test is None else [one for one in test if one.tone]
    _enough(scored, "Ressenti usager")
    truth = np.array([TONES.index(str(one.tone)) for one in scored])
    known = np.array([TONES.index(str(one.tone)) for one in train])
    weights = words.scores(_read(scored))
    runs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {
        "majorité": [],
        "lexique": [(messages.tone_of_lexicon(weights, limit), weights[:, 2] - weights[:, 0])],
        "modèle": [],
    }
    for splits in _splits(known, scored is train):
        most, learned = np.empty_like(truth), np.empty((len(truth), len(TONES)))
        for inside, outside in splits:
            model = messages.Model(TONES, words).fit(
                _read([train[row] for row in inside]), known[inside]
            )
            rows = np.arange(len(scored)) if outside is None else outside
            most[rows] = Counter(known[inside].tolist()).most_common(1)[0][0]
            learned[rows] = model.opinions(_read([scored[row] for row in rows]))
        runs["majorité"].append((most, most - 1.0))
        runs["modèle"].append((learned.argmax(axis=1), learned[:, 2] - learned[:, 0]))
    polar = truth != 1
    yield Metric("messages au ressenti connu", len(scored))
    for name, answers in runs.items():
        aims = ("≥ 0,72", "≥ 0,72", "≥ 0,92") if name == "modèle" else ("", "", "")
        yield Metric(f"{name} · F-mesure moyenne", _mean(_f1, truth, answers), aim=aims[0])
        yield Metric(f"{name} · exactitude", _mean(accuracy_score, truth, answers), aim=aims[1])
        sure = [accuracy_score(truth[polar] > 1, lean[polar] > 0) for _, lean in answers]
        yield Metric(f"{name} · positif contre négatif", float(np.mean(sure)), aim=aims[2])
    kept = messages.learn_tone(
        [one.text for one in train],
        [str(one.tone) for one in train],
        words,
        limit,
        at_least=int(threshold("lineaire_tonalite", "lignes_min")),
        at_most=int(threshold("lineaire_tonalite", "lignes_max")),
    )[0]
    yield Metric("méthode retenue à l'apprentissage", next(t.method for t in kept if t.is_kept))
    answer = runs["modèle"][0][0]
    counts = confusion_matrix(truth, answer, labels=range(len(TONES)))
    for row, said in enumerate(TONES):
        for column, found in enumerate(TONES):
            yield Metric(f"dit {said}, lu {found}", int(counts[row, column]), "messages")
    _show_confusion(counts)
    _show_worst(scored, truth, learned, words)


def _service(train: list[Experience], test: list[Experience] | None) -> Iterator[Metric]:
    common = Counter(one.service for one in train if one.service).most_common(SERVICES)
    names = [name for name, _ in common]
    train = [one for one in train if one.service in names]
    scored = train if test is None else [one for one in test if one.service in names]
    if len(names) < 2 or not scored:
        return
    truth = np.array([names.index(str(one.service)) for one in scored])
    known = np.array([names.index(str(one.service)) for one in train])
    answers, most = [], []
    for splits in _splits(known, scored is train):
        found, usual = np.empty_like(truth), np.empty_like(truth)
        for inside, outside in splits:
            rows = np.arange(len(scored)) if outside is None else outside
            # What a service and its structures are called says something of what is written of it.
            called = [(str(train[row].structure or ""), known[row]) for row in inside]
            called += [(name, index) for index, name in enumerate(names)] * 2
            texts = [_headed(train[row]) for row in inside] + [name for name, _ in called]
            labels = [*known[inside], *(index for _, index in called)]
            found[rows] = (
                _topic().fit(texts, labels).predict([_headed(scored[row]) for row in rows])
            )
            usual[rows] = Counter(known[inside].tolist()).most_common(1)[0][0]
        answers.append((found, found))
        most.append((usual, usual))
    yield Metric("messages d'un des dix services", len(scored))
    for name, given in (("majorité", most), ("modèle", answers)):
        aim = "≥ 0,85" if name == "modèle" else ""
        yield Metric(f"{name} · service, exactitude", _mean(accuracy_score, truth, given), aim=aim)
        yield Metric(f"{name} · service, F-mesure moyenne", _mean(_f1, truth, given))


def _headed(one: Experience) -> str:
    """Return the text with its title once more: there, people name the service."""
    return f"{one.title}. {one.text}"


def _topic() -> object:
    """Return what tells ten subjects apart: roots of words, alone and by two, and characters."""

    def roots(text: str) -> list[str]:
        return [word[:6] for word in plain(text).split()]

    return make_pipeline(
        make_union(
            TfidfVectorizer(
                tokenizer=roots,
                token_pattern=None,
                lowercase=False,
                ngram_range=(1, 2),
                sublinear_tf=True,
                min_df=2,
            ),
            TfidfVectorizer(
                preprocessor=plain,
                analyzer="char_wb",
                ngram_range=(2, 5),
                sublinear_tf=True,
                min_df=2,
            ),
        ),
        LinearSVC(C=0.3, class_weight="balanced"),
    )


def _speed(train: list[Experience]) -> Iterator[Metric]:
    """Time the path of the warehouse: tone, needs and themes of real texts, repeated."""
    labelled = [one for one in train if one.tone]
    texts = [one.text for one in train]
    lexicons = {name: lexicon(name) for name in ("besoins", "themes", "tonalite")}
    model = messages.Model(TONES, lexicons["tonalite"]).fit(
        _read(labelled), np.array([TONES.index(str(one.tone)) for one in labelled])
    )
    reader = messages.Reader(
        lexicons,
        {name: parents(name) for name in ("besoins", "themes")},
        {name: threshold(f"lexique_{name}") for name in lexicons},
        model,
    )
    many = pa.array((texts * (TIMED // len(texts) + 1))[:TIMED])
    names = pa.array([str(row) for row in range(len(many))])
    rates: dict[int, tuple[float, float]] = {}
    for size in (TIMED // 4, TIMED):
        taken = []
        for _ in range(3):
            wall, processor = time.perf_counter(), time.process_time()
            reader.analyse(names[:size], many[:size])
            taken.append((time.perf_counter() - wall, time.process_time() - processor))
        rates[size] = tuple(float(np.median(column)) for column in zip(*taken, strict=True))  # type: ignore[assignment]
    wall, processor = rates[TIMED]
    yield Metric("vitesse (4 fils)", TIMED / wall, "messages/s", "≥ 20 000")
    yield Metric("vitesse par cœur", TIMED / processor, "messages/s de processeur")
    yield Metric("coût pour 4 fois plus de messages", processor / rates[TIMED // 4][1], "fois")
    yield Metric("longueur moyenne", float(np.mean([len(text) for text in texts])), "caractères")


def _splits(
    known: np.ndarray, is_folded: bool
) -> Iterator[list[tuple[np.ndarray, np.ndarray | None]]]:
    if not is_folded:
        yield [(np.arange(len(known)), None)]
        return
    for seed in range(REPEATS):
        yield list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(known, known))


def _read(some: list[Experience]) -> messages.Words:
    return messages.read(pa.array([one.text for one in some], pa.string()))


def _f1(truth: np.ndarray, answer: np.ndarray) -> float:
    return float(f1_score(truth, answer, average="macro"))


def _mean(score: object, truth: np.ndarray, answers: list[tuple[np.ndarray, np.ndarray]]) -> float:
    return float(np.mean([score(truth, answer) for answer, _ in answers]))  # type: ignore[operator]


def _enough(scored: list[Experience], column: str) -> None:
    if len(scored) < FOLDS * len(TONES):
        raise Unreadable(
            f"{len(scored)} messages ont un « {column} » (Positif, Neutre, Négatif) : c'est "
            "trop peu pour mesurer. Remède : donner un export qui en a."
        )


def _show_confusion(counts: np.ndarray) -> None:
    table = Table("dit \\ lu", *TONES, title="Matrice de confusion du modèle")
    for said, row in zip(TONES, counts, strict=True):
        table.add_row(said, *map(str, row))
    Console().print(table)


def _show_worst(
    scored: list[Experience],
    truth: np.ndarray,
    learned: np.ndarray,
    words: messages.Lexicon,
) -> None:
    """Print the ten surest errors: on the screen, for whoever holds the file, and nowhere else."""
    lost = learned.max(axis=1) - learned[np.arange(len(truth)), truth]
    table = Table("dit", "lu", "mots", "début du message", title="Dix plus fortes erreurs")
    for row in np.argsort(-lost)[:10]:
        one = scored[row]
        _, pattern, _ = words.find(_read([one]))
        why = ", ".join(words.patterns[index] for index in pattern[:6])
        table.add_row(TONES[truth[row]], TONES[learned[row].argmax()], why, one.text[:160])
    Console().print(table)


if __name__ == "__main__":
    main()
