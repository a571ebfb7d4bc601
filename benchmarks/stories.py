"""How well posts are grouped into the events that they tell: `python -m benchmarks.stories`.

Protocol of Mazoyer et al. (2020) for Event2018 and Event2012: each event is compared with the
group that matches it best, F1 averaged over events. Posts without an event are read like the
others and leave the scores, but they count against the purity of alerts.
"""

import argparse
import csv
import gc
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from benchmarks import Metric, record
from benchmarks.posts import Post, generate
from dbt_project.udfs.stories import Stream, Vocabulary, language_of, plain, settings_for

NAMES = {
    "id": ("id", "tweet_id", "id_str", "post_id", "message_id", "publication_id", "status_id"),
    "text": ("text", "texte", "full_text", "tweet", "content", "message", "contenu"),
    "created_at": ("created_at", "date", "timestamp", "time", "datetime", "created", "publie_at"),
    "event": ("event", "event_id", "label", "evenement", "cluster", "topic", "class", "story"),
}
NO_EVENT = {"", "nan", "none", "null", "na", "n/a", "-1", "-1.0", "noise", "bruit"}
FORMATS = (
    "%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M",
    "%d/%m/%Y", "%d-%m-%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S %z",
    "%Y-%m-%d %H:%M:%S %Z", "%Y%m%d%H%M%S",
)  # fmt: skip
DAY = 86_400.0


def read(path: Path) -> list[Post]:
    """Read labelled posts, in order of time; what the file calls its columns is guessed."""
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        rows: list[dict] = pq.read_table(path).to_pylist()
    elif suffix in (".jsonl", ".ndjson", ".json"):
        rows = _read_json(_decode(path))
    else:
        rows = _read_table(_decode(path))
    if not rows:
        raise ValueError(f"{path} ne contient aucune ligne")
    columns = {_folded(name): name for name in rows[0] if name is not None}
    found = {
        wanted: next((columns[name] for name in names if name in columns), None)
        for wanted, names in NAMES.items()
    }
    missing = [name for name in ("text", "event") if found[name] is None]
    if missing:
        raise ValueError(
            f"{path} : colonne {' et '.join(missing)} introuvable parmi {', '.join(columns)} ; "
            "il faut id, text, created_at, event"
        )
    posts: dict[str, Post] = {}
    for number, row in enumerate(rows):
        post = str(row.get(found["id"])).strip() if found["id"] else ""
        post = post if post not in ("", "None") else f"ligne-{number}"
        event = str("" if row.get(found["event"]) is None else row[found["event"]]).strip()
        at = _moment(row.get(found["created_at"])) if found["created_at"] else float("nan")
        if at != at and re.fullmatch(r"\d{15,20}", post):
            at = ((int(post) >> 22) + 1_288_834_974_657) / 1000  # X writes the time in the number
        text = "" if row.get(found["text"]) is None else str(row[found["text"]])
        if post in posts and posts[post].text != text:  # numbers that a spreadsheet rounded
            post = f"{post}-{number}"
        kept = "" if event.lower() in NO_EVENT else event
        posts.setdefault(post, Post(post, text, at, kept))
    known = list(posts.values())
    return sorted(known, key=lambda p: (p.at if p.at == p.at else float("inf"), len(p.id), p.id))


def _decode(path: Path) -> str:
    raw = path.read_bytes()
    for encoding in ("utf-8-sig", "cp1252", "latin-1"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "replace")


def _read_json(text: str) -> list[dict]:
    if text.lstrip().startswith("["):
        return list(json.loads(text))
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def _read_table(text: str) -> list[dict]:
    csv.field_size_limit(sys.maxsize)
    header = text[: text.find("\n")]
    delimiter = max("\t;,|", key=header.count)
    text = text.replace("\0", "")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
    broken = sum(None in row or None in row.values() for row in rows)
    if broken and delimiter == "\t":  # quotes are part of the text
        lines = io.StringIO(text)
        rows = list(csv.DictReader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE))
    return [row for row in rows if any(row.values())]


def _folded(name: str) -> str:
    return re.sub(r"\W+", "_", plain(str(name)).strip().lower())


def _moment(value: object) -> float:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    text = str(value if value is not None else "").strip()
    if re.fullmatch(r"-?\d{9,19}(\.\d+)?", text):  # seconds, or thousandths, or millionths
        number = float(text)
        while abs(number) > 1e11:
            number /= 1000
        return number
    readers: list[Callable[[str], datetime]] = [datetime.fromisoformat]
    readers += [lambda text, form=form: datetime.strptime(text, form) for form in FORMATS]
    for reader in readers:
        try:
            at = reader(text)
        except ValueError:
            continue
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return float("nan")


# ---- the three ways compared: each returns a label per post


def ours(posts: Sequence[Post], language: str) -> tuple[np.ndarray, Stream, list[str | None]]:
    stream = Stream(language, settings_for(language))
    answers = stream.add([p.id for p in posts], [p.text for p in posts], [p.at for p in posts])
    names = stream.names()
    arrived = [answer.story for answer in answers]
    final = [names.get(s, s) if s else f"~{row}" for row, s in enumerate(arrived)]
    return _numbers(final), stream, arrived


def plain_fsd(posts: Sequence[Post], language: str, distance: float = 0.7) -> np.ndarray:
    """First-story detection as published: one nearest neighbour, idf of the whole file."""
    stop = sorted(Vocabulary(language, settings_for(language)).stop)
    texts = [plain(re.sub(r"https?\S+|@\S+", " ", post.text).lower()) for post in posts]
    counts = CountVectorizer(
        stop_words=stop, binary=True,
        min_df=min(10, max(1, len(texts) // 1000)),
    ).fit_transform(texts).astype(np.float32)  # fmt: skip
    df = np.asarray((counts > 0).sum(0)).ravel()
    vectors = counts @ sp.diags(np.log((len(texts) + 1) / (df + 1)) + 1)
    norms = np.sqrt(np.asarray(vectors.multiply(vectors).sum(1)).ravel())
    vectors = (sp.diags(1 / np.where(norms > 0, norms, 1)) @ vectors).astype(np.float32).tocsr()
    times = np.array([post.at for post in posts])
    days = max(1.0, float(np.nanmax(times) - np.nanmin(times)) / DAY) if len(posts) else 1.0
    window = max(1, int(len(posts) / days))
    labels = np.full(len(posts), -1)
    told = np.flatnonzero(norms > 0)
    vectors, found, fresh = vectors[told], np.full(len(told), -1), 0
    for begin in range(0, len(told), 64):
        end, low = min(begin + 64, len(told)), max(0, begin - window)
        near = (vectors[begin:end] @ vectors[low:end].T).toarray()
        for row in range(end - begin):
            past = near[row, : begin + row - low]
            best = int(past.argmax()) if len(past) else -1
            if best >= 0 and 1 - past[best] < distance:
                found[begin + row] = found[low + best]
            else:
                found[begin + row], fresh = fresh, fresh + 1
    labels[told] = found
    silent = np.flatnonzero(labels < 0)
    labels[silent] = fresh + np.arange(len(silent))
    return labels


def exact_copies(posts: Sequence[Post], _language: str) -> np.ndarray:
    """Group what is the same once links, mentions, accents, case and punctuation are gone."""
    texts = (plain(re.sub(r"https?\S+|@\S+", " ", post.text).lower()) for post in posts)
    return _numbers(" ".join(re.findall(r"\w+", text)) for text in texts)


def _numbers(names: Iterable[object]) -> np.ndarray:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names])


# ---- scores


def scores(events: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """Return best-match macro-F1, B³, pairwise F1, AMI and ARI."""
    table = sp.coo_matrix((np.ones(len(events)), (events, groups))).tocsr().tocoo()
    of_event, of_group = np.bincount(events), np.bincount(groups)
    shared = table.data
    f1 = 2 * shared / (of_event[table.row] + of_group[table.col])
    best = np.zeros(len(of_event))
    np.maximum.at(best, table.row, f1)
    precision = float((shared**2 / of_group[table.col]).sum() / len(events))
    recall = float((shared**2 / of_event[table.row]).sum() / len(events))
    both, same_group, same_event = (
        float((n * (n - 1)).sum()) for n in (shared, of_group.astype(float), of_event.astype(float))
    )
    return {
        "macro-F1": 100 * float(best[of_event > 0].mean()),
        "B³ précision": 100 * precision,
        "B³ rappel": 100 * recall,
        "B³ F1": 100 * 2 * precision * recall / (precision + recall),
        "F1 par paires": 100 * 2 * both / max(same_group + same_event, 1.0),
        "AMI": 100 * float(adjusted_mutual_info_score(events, groups)),
        "ARI": 100 * float(adjusted_rand_score(events, groups)),
    }


def alerts(posts: Sequence[Post], stream: Stream, arrived: list[str | None]) -> dict[str, float]:
    """Judge each alert on the posts of its story so far, as they were known at that moment."""
    codes = {name: code for code, name in enumerate(dict.fromkeys(s for s in arrived if s))}
    story = np.array([codes[s] if s else -1 for s in arrived])
    events = _numbers(post.event or ("", row) for row, post in enumerate(posts))
    sizes = np.bincount(events)
    labelled = np.array([bool(post.event) for post in posts])
    big = {int(e) for e in np.unique(events[labelled]) if sizes[e] >= 20}
    rows = {post.id: row for row, post in enumerate(posts)}
    merges = iter([*stream.merges, None])
    merge = next(merges)
    now = np.arange(len(codes))
    detected: dict[int, int] = {}
    pure = 0
    for alert in stream.alerts:
        row = rows[alert.post]
        while merge and merge.after <= row:
            now[now == now[codes[merge.absorbed]]] = now[codes[merge.into]]
            merge = next(merges)
        so_far = story[: row + 1]
        members = np.flatnonzero(now[so_far] == now[codes[alert.story]])
        members = members[so_far[members] >= 0]
        event, counts = np.unique(events[members], return_counts=True)
        if counts.max() >= 0.8 * len(members):
            pure += 1
            detected.setdefault(int(event[counts.argmax()]), row)
    told, delays = [], []
    for event in big & detected.keys():
        seen = np.flatnonzero(events == event)
        told.append(int((seen <= detected[event]).sum()))
        delays.append((posts[detected[event]].at - posts[seen[0]].at) / 3600)
    return {
        "alertes": len(stream.alerts),
        "pureté": 100 * pure / max(1, len(stream.alerts)),
        "événements ≥ 20": len(big),
        "détectés": 100 * len(told) / max(1, len(big)),
        "posts": float(np.median(told)) if told else float("nan"),
        "heures": float(np.median(delays)) if delays else float("nan"),
    }


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.stories", description=__doc__)
    parser.add_argument("--data", type=Path, help="fichier étiqueté id,text,created_at,event")
    parser.add_argument("--language", default="auto", help="fr, en, … (devinée par défaut)")
    parser.add_argument("--seed", type=int, default=1, help="graine du flux inventé, sans --data")
    parser.add_argument("--events", type=int, default=250)
    parser.add_argument(
        "--noise", type=float, default=0.2, help="part de bavardage du flux inventé"
    )
    options = parser.parse_args()
    language = options.language
    if options.data:
        try:
            posts = read(options.data)
        except (OSError, ValueError) as reason:
            raise SystemExit(f"Lecture impossible : {reason}") from None
        if language == "auto":
            language = language_of(post.text for post in posts[:2000])
    else:
        language = "fr" if language == "auto" else language
        posts = generate(options.seed, language, options.events, options.noise)
    labelled = np.array([bool(post.event) for post in posts])
    if not labelled.any():
        raise SystemExit("Aucun post étiqueté : la colonne event est vide partout.")
    events = _numbers(post.event for post in posts if post.event)
    # The language's frequencies are loaded once and for all: not what a stream costs.
    Stream(language).add(["0"], ["bonjour le monde"], [0.0])
    gc.collect()
    before, start = resident(), time.process_time()
    groups, stream, arrived = ours(posts, language)
    spent, memory = time.process_time() - start, resident() - before
    aim = {"fr": "≥ 86", "en": "≥ 76"}.get(language, "")
    metrics = [
        Metric(name, value, "%", aim if name == "macro-F1" else "")
        for name, value in scores(events, _numbers(groups[labelled])).items()
    ]
    told = alerts(posts, stream, arrived)
    start = time.process_time()
    ours(posts, language)
    warm = time.process_time() - start
    at_once = _numbers(story or ("", row) for row, story in enumerate(arrived))
    metrics += [
        Metric(
            "macro-F1 à l'arrivée, sans fusion",
            scores(events, _numbers(at_once[labelled]))["macro-F1"],
            "%",
        ),
        Metric("débit", len(posts) / spent, "posts/s/cœur", "≥ 5 000"),
        Metric("débit, mots déjà lus une fois", len(posts) / warm, "posts/s/cœur"),
        Metric("mémoire ajoutée", memory, "Mio"),
        Metric("alertes", told["alertes"]),
        Metric("alertes pures (≥ 80 % d'un événement)", told["pureté"], "%"),
        Metric("événements de 20 posts et plus", told["événements ≥ 20"]),
        Metric("… détectés", told["détectés"], "%"),
        Metric("… posts avant l'alerte, médiane", told["posts"], "posts", "≤ 6"),
        Metric("… heures avant l'alerte, médiane", told["heures"], "h"),
    ]
    for name, way in (("FSD tf-idf simple", plain_fsd), ("copies exactes", exact_copies)):
        start = time.process_time()
        labels = way(posts, language)
        spent = time.process_time() - start
        metrics += [
            Metric(f"{name} : {score}", value, "%")
            for score, value in scores(events, _numbers(labels[labelled])).items()
        ]
        metrics.append(Metric(f"{name} : débit", len(posts) / spent, "posts/s/cœur"))
    record(
        "stories",
        metrics,
        data=options.data.name if options.data else f"flux inventé, graine {options.seed}",
        language=language,
        posts=len(posts),
        labelled=int(labelled.sum()),
        events=len(np.unique(events)),
        method=vars(settings_for(language)),
    )


if __name__ == "__main__":
    main()
