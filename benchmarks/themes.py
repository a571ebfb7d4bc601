"""Needs and themes read in messages, against the labels that somebody else gave them.

`--test`: a CSV of `theme,description`, one row per message and label; our labels are set against
theirs (contingency, purity, adjusted mutual information) and, with `--map` (a CSV of `theme,code`:
one of theirs, one of our needs or themes), scored by label. Without `--test`: the five tags that
authors of Services Publics+ tick, present or not.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from sklearn.metrics import adjusted_mutual_info_score, f1_score

from benchmarks import Metric, record
from benchmarks.experiences import (
    TAGS,
    TRAIN,
    Experience,
    Unreadable,
    experiences,
    lexicon,
    parents,
    plain,
    rows,
    threshold,
)
from dbt_project.udfs import messages

FOLDS = 5
SHOWN = 12
# Our themes that say what each tag asks.
THEMES_OF_TAGS = {
    "accessibilite": ("acces", "fonctionnement"),
    "information": ("information", "orientation_service"),
    "relation": ("relation", "accueil"),
    "reactivite": ("reactivite",),
    "simplicite": ("simplicite",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Besoins et thèmes lus, face à ceux d'autrui.")
    parser.add_argument("--test", type=Path, help="CSV de colonnes theme,description")
    parser.add_argument("--map", type=Path, help="CSV de colonnes theme,code : le leur, le nôtre")
    parser.add_argument("--train", type=Path, default=TRAIN, help="export SP+, sans --test")
    asked = parser.parse_args()
    if asked.map and not asked.test:
        raise Unreadable("--map accompagne --test. Remède : donner aussi --test.")
    metrics = (
        list(_labelled(asked.test, asked.map))
        if asked.test
        else list(_tags(experiences(asked.train)))
    )
    path = record(
        "themes",
        metrics,
        test=str(asked.test) if asked.test else f"cinq étiquettes SP+ de {asked.train}",
        map=str(asked.map) if asked.map else None,
        columns=["description"] if asked.test else ["Titre", "Description"],
    )
    print(f"→ {path}")


def read_labels(texts: Sequence[str], taxonomy: str) -> list[dict[str, float]]:
    """Return the codes of each text, of either level, with their score; none if undetermined."""
    found = messages.labels(
        messages.read(pa.array(texts, pa.string())),
        lexicon(taxonomy),
        parents(taxonomy),
        threshold(f"lexique_{taxonomy}"),
    )
    given: list[dict[str, float]] = [{} for _ in texts]
    above = parents(taxonomy)
    for text, code, score in zip(
        found.texts.tolist(), found.codes.to_pylist(), found.scores.tolist(), strict=True
    ):
        for one in (code, above.get(code)):
            if one is not None and one != messages.UNKNOWN:
                given[text][one] = max(score, given[text].get(one, 0.0))
    return given


def _labelled(test: Path, mapping: Path | None) -> Iterator[Metric]:
    read = rows(test, ("theme", "topic", "label"), ("description", "texte", "text", "verbatim"))

    def first(row: dict[str, str], *names: str) -> str:
        return next((row[name].strip() for name in names if row.get(name)), "")

    pairs = [
        (
            first(row, "theme", "topic", "label"),
            first(row, "description", "texte", "text", "verbatim"),
        )
        for row in read
    ]
    pairs = [(theme, text) for theme, text in pairs if theme and text]
    if not pairs:
        raise Unreadable(f"{test} n'a aucune ligne remplie. Remède : vérifier ses deux colonnes.")
    themes, texts = [theme for theme, _ in pairs], [text for _, text in pairs]
    yield Metric("messages", len(pairs))
    yield Metric("leurs thèmes", len(set(themes)))
    given: dict[str, list[dict[str, float]]] = {}
    for taxonomy, name in (("besoins", "besoins"), ("themes", "thèmes")):
        given[taxonomy] = read_labels(texts, taxonomy)
        above = parents(taxonomy)
        for level, is_kept in (
            ("premier niveau", lambda code, above=above: above.get(code) is None),
            ("second niveau", lambda code, above=above: above.get(code) is not None),
        ):
            best = [
                max(
                    (code for code in one if is_kept(code)),
                    key=lambda code, one=one: (one[code], code),
                    default=messages.UNKNOWN,
                )
                for one in given[taxonomy]
            ]
            _show(f"{name}, {level}", themes, best)
            yield from _agreement(f"{name}, {level}", themes, best)
        silent = sum(not one for one in given[taxonomy]) / len(texts)
        yield Metric(f"{name} · part indéterminée", silent)
    usual = Counter(themes).most_common(1)[0][1] / len(themes)
    yield Metric("majorité · pureté", usual)
    if mapping:
        yield from _mapped(mapping, themes, given)


def _agreement(name: str, theirs: list[str], ours: list[str]) -> Iterator[Metric]:
    inside = Counter(zip(ours, theirs, strict=True))
    best = {one: max(n for (o, _), n in inside.items() if o == one) for one in set(ours)}
    yield Metric(f"{name} · pureté", sum(best.values()) / len(theirs))
    yield Metric(f"{name} · information mutuelle ajustée", adjusted_mutual_info_score(theirs, ours))
    told = [row for row, one in enumerate(ours) if one != messages.UNKNOWN]
    if len(told) > 1:
        mutual = adjusted_mutual_info_score([theirs[r] for r in told], [ours[r] for r in told])
        yield Metric(f"{name} · information mutuelle ajustée, déterminés", mutual)


def _mapped(
    mapping: Path, themes: list[str], given: dict[str, list[dict[str, float]]]
) -> Iterator[Metric]:
    """Score each of their themes by whether one of our codes that stand for it was read."""
    codes_of: dict[str, set[str]] = {}
    ours = {code: taxonomy for taxonomy in given for code in parents(taxonomy)}
    for number, row in enumerate(rows(mapping, ("theme",), ("code",)), start=2):
        code = row.get("code", "").strip()
        if code not in ours:
            raise Unreadable(
                f"{mapping}, ligne {number} : « {code} » n'est ni un besoin ni un thème. Remède : "
                "prendre un code de taxo_besoins.csv ou de taxo_themes.csv."
            )
        codes_of.setdefault(plain(row["theme"]), set()).add(code)
    theirs = sorted({theme for theme in themes if plain(theme) in codes_of})
    if not theirs:
        raise Unreadable(f"{mapping} ne nomme aucun thème du fichier. Remède : le compléter.")
    # A message has one label of theirs: it is given the theme whose codes weigh most.
    answer = []
    for row in range(len(themes)):
        weights = {
            theme: max(given[ours[code]][row].get(code, 0.0) for code in codes_of[plain(theme)])
            for theme in theirs
        }
        best = max(theirs, key=lambda theme, weights=weights: weights[theme])
        answer.append(best if weights[best] > 0 else messages.UNKNOWN)
    kept = [row for row, theme in enumerate(themes) if theme in theirs]
    truth, said = [themes[row] for row in kept], [answer[row] for row in kept]
    usual = [Counter(truth).most_common(1)[0][0]] * len(truth)
    yield Metric("thèmes du fichier mis en regard", len(theirs))

    def score(answer: list[str]) -> float:
        return float(f1_score(truth, answer, labels=theirs, average="macro", zero_division=0))

    yield Metric("lexique · F-mesure moyenne", score(said))
    yield Metric("majorité · F-mesure moyenne", score(usual))
    for theme in theirs:
        one = f1_score(truth, said, labels=[theme], average="macro", zero_division=0)
        yield Metric(f"lexique · F-mesure, {theme}", float(one))


def _tags(read: list[Experience]) -> Iterator[Metric]:
    """Score the presence of each tag: the lexicon, a model in folds, and always yes."""
    read = [one for one in read if one.tags]
    texts = [one.text for one in read]
    given = read_labels(texts, "themes")
    fold = messages.folds(texts, FOLDS)
    words = messages.read(pa.array(texts))
    scores: dict[str, list[float]] = {"toujours oui": [], "lexique": [], "modèle": []}
    yield Metric("messages étiquetés", len(read))
    for tag in TAGS:
        truth = np.array([tag in one.tags for one in read], dtype=np.int64)
        if not 0 < truth.sum() < len(truth):
            continue
        learned = np.zeros_like(truth)
        for held in np.unique(fold):
            inside, outside = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
            model = messages.Model(("non", "oui")).fit(_pick(texts, inside), truth[inside])
            learned[outside] = model.opinions(_pick(texts, outside)).argmax(axis=1)
        guess = np.array([any(code in one for code in THEMES_OF_TAGS[tag]) for one in given])
        for name, answer in (
            ("toujours oui", np.ones_like(truth)),
            ("lexique", guess.astype(np.int64)),
            ("modèle", learned),
        ):
            scores[name].append(float(f1_score(truth, answer, zero_division=0)))
            yield Metric(f"{name} · F-mesure, {TAGS[tag]}", scores[name][-1])
    for name, of_tags in scores.items():
        yield Metric(f"{name} · F-mesure moyenne", float(np.mean(of_tags)))
    yield Metric("part indéterminée", sum(not one for one in given) / words.count)


def _pick(texts: list[str], index: np.ndarray) -> messages.Words:
    return messages.read(pa.array([texts[row] for row in index], pa.string()))


def _show(title: str, theirs: list[str], ours: list[str]) -> None:
    """Print theirs in rows, ours in columns, the most frequent first."""
    columns = [code for code, _ in Counter(ours).most_common(SHOWN)]
    counts = Counter(zip(theirs, ours, strict=True))
    table = Table("", *columns, "autres", title=f"Leurs thèmes × nos {title}")
    for theme, _ in Counter(theirs).most_common():
        shown = [counts[theme, code] for code in columns]
        rest = sum(n for (one, _), n in counts.items() if one == theme) - sum(shown)
        table.add_row(theme, *map(str, shown), str(rest))
    Console(width=max(100, 16 * (len(columns) + 2))).print(table)


if __name__ == "__main__":
    main()
