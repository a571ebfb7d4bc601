"""How well texts that repeat an earlier one are found: `python -m benchmarks.copies`.

Texts are invented, some are copied and changed: a little (case, accents, punctuation, a link), more
(a tenth of the words dropped, slips, words added), much (a third dropped, added or replaced). A
copy is found when it is linked to its original or to another copy of it; a link is right when it
ties two texts of one origin. Opponents, in the same run: the same text once normalised, SimHash
(64 bits, Hamming ≤ 8) and MinHash (128 permutations, 32 bands of 4, Jaccard ≥ 0.4 verified).
"""

import argparse
import re
import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks import Metric, record
from benchmarks.posts import Domain, Event, Lexicon, chat, write
from dbt_project.udfs.stories import COPY, copies, plain

LEVELS = ("légère", "moyenne", "forte")
PRIME = (1 << 31) - 1


def corpus(
    seed: int, language: str, size: int, share: float = 0.6
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return texts, the origin of each, and how much each was changed (-1: it is an original)."""
    rng = np.random.default_rng(seed)
    lexicon = Lexicon(language, rng)
    domains = [Domain(lexicon) for _ in range(8)]
    events = [Event(lexicon, domains[i % 8], None) for i in range(max(1, size // 50))]
    written: dict[str, None] = {}
    while len(written) < size:  # half talk of events, half of nothing
        if rng.random() < 0.5:
            event = events[rng.integers(len(events))]
            text = write(event.sentence(int(rng.integers(4)), 1.0), rng)
        else:
            text = chat(lexicon, domains, language)
        if len(set(words_of(text))) >= 6:
            written[text] = None
    originals = list(written)
    changed = rng.choice(len(originals), int(share * len(originals)))
    levels = rng.integers(0, len(LEVELS), len(changed))
    texts = originals + [
        _mutate(originals[origin], int(level), rng, lexicon)
        for origin, level in zip(changed, levels, strict=True)
    ]
    origins = np.append(np.arange(len(originals)), changed)
    level = np.append(np.full(len(originals), -1), levels)
    order = np.argsort(np.append(np.arange(len(originals)), changed + size * rng.random(
        len(changed)
    )), kind="stable")  # fmt: skip
    return [texts[i] for i in order], origins[order], level[order]


def _mutate(text: str, level: int, rng: np.random.Generator, lexicon: Lexicon) -> str:
    words = re.sub(r"https?\S+", "", text).split()
    if level:
        dropped = (0.0, 0.1, 0.33)[level]
        words = [w for w in words if rng.random() > dropped] or words[:1]
        for _ in range(int(rng.integers(1, 3) if level == 1 else len(words) * 0.33)):
            words.insert(int(rng.integers(len(words) + 1)), lexicon.chatter(1)[0])
        slips = (0.0, 0.05, 0.1)[level]
        for at, word in enumerate(words):
            if len(word) > 4 and rng.random() < slips:
                cut = int(rng.integers(1, len(word)))
                words[at] = word[:cut] + word[cut + 1 :]
    changed = " ".join(words)
    if rng.random() < 0.5:
        changed = changed.upper() if rng.random() < 0.2 else plain(changed.lower())
    before = ("", "RT @quelquun : ", "⚠️ ", "URGENT ")[int(rng.integers(4))]
    after = ("", " !!!", f" https://ex.invalid/{rng.integers(1 << 40):x}")[int(rng.integers(3))]
    return before + changed + after


def words_of(text: str) -> list[str]:
    return re.findall(r"\w\w+", plain(re.sub(r"https?\S+|@\S+", " ", text).lower()))


def exact(texts: Sequence[str]) -> np.ndarray:
    """Link what is the same once normalised."""
    seen: dict[str, int] = {}
    found = [seen.setdefault(" ".join(words_of(text)), row) for row, text in enumerate(texts)]
    return np.array([first if first != row else -1 for row, first in enumerate(found)])


def simhash(texts: Sequence[str], distance: int = 8) -> np.ndarray:
    """Link 64-bit SimHashes that differ by at most `distance` bits; found by nine pieces."""
    bits: dict[str, np.ndarray] = {}
    links = np.full(len(texts), -1)
    pieces: list[dict[int, list[int]]] = [{} for _ in range(distance + 1)]
    width = 64 // (distance + 1) + 1
    hashes: list[int] = []
    for row, text in enumerate(texts):
        total = np.zeros(64, np.int32)
        for word in words_of(text):
            if word not in bits:
                number = _hash(word)
                bits[word] = np.array([1 if number >> i & 1 else -1 for i in range(64)], np.int32)
            total += bits[word]
        own = int.from_bytes(np.packbits(total > 0).tobytes(), "big")
        hashes.append(own)
        best = distance + 1
        for at, piece in enumerate(pieces):
            bucket = piece.setdefault(own >> (at * width) & ((1 << width) - 1), [])
            for other in bucket[-50:]:
                apart = (own ^ hashes[other]).bit_count()
                if apart < best:
                    best, links[row] = apart, other
            bucket.append(row)
    return links


def minhash(texts: Sequence[str], bands: int = 32, rows: int = 4, least: float = 0.4) -> np.ndarray:
    """Link texts whose words overlap (Jaccard), found by MinHash bands."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(1, PRIME, bands * rows, dtype=np.int64) for _ in range(2))
    buckets: list[dict[bytes, list[int]]] = [{} for _ in range(bands)]
    sets: list[frozenset[str]] = []
    links = np.full(len(texts), -1)
    signed: dict[str, np.ndarray] = {}
    for row, text in enumerate(texts):
        words = frozenset(words_of(text))
        sets.append(words)
        if not words:
            continue
        for word in words - signed.keys():
            signed[word] = (a * (_hash(word) % PRIME) + b) % PRIME
        signature = np.min([signed[word] for word in words], axis=0)
        candidates: set[int] = set()
        for band in range(bands):
            key = signature[band * rows : (band + 1) * rows].tobytes()
            bucket = buckets[band].setdefault(key, [])
            candidates.update(bucket[-50:])
            bucket.append(row)
        best = least
        for other in sorted(candidates):
            alike = len(words & sets[other]) / len(words | sets[other])
            if alike >= best:
                best, links[row] = alike, other
    return links


def _hash(word: str) -> int:
    """FNV-1a, 64 bits: the same in every run."""
    number = 0xCBF29CE484222325
    for byte in word.encode():
        number = (number ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return number


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.copies", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--language", default="fr")
    parser.add_argument("--size", type=int, default=10_000, help="textes d'origine")
    options = parser.parse_args()
    texts, origins, levels = corpus(options.seed, options.language, options.size)
    copies(["bonjour le monde"], language=options.language)  # the frequencies are loaded once
    ways: list[tuple[str, Callable[[], np.ndarray]]] = [
        ("mots pondérés", lambda: copies(texts, language=options.language)),
        ("MinHash", lambda: minhash(texts)),
        ("SimHash", lambda: simhash(texts)),
        ("texte normalisé", lambda: exact(texts)),
    ]
    # A text has an earlier one of its origin unless it is the first of them.
    first = np.zeros(len(texts), bool)
    first[np.unique(origins, return_index=True)[1]] = True
    metrics = []
    for name, way in ways:
        start = time.process_time()
        links = way()
        spent = time.process_time() - start
        right = (links >= 0) & (origins[links] == origins)
        for level, label in enumerate(LEVELS):
            wanted = ~first & (levels == level)
            metrics.append(Metric(f"{name} : rappel, copie {label}", _share(right, wanted), "%"))
        metrics.append(Metric(f"{name} : précision", _share(right, links >= 0), "%"))
        metrics.append(Metric(f"{name} : débit", len(texts) / spent, "textes/s/cœur"))
    record(
        "copies", metrics, seed=options.seed, language=options.language, texts=len(texts),
        copies=int((levels >= 0).sum()), likeness=COPY,
    )  # fmt: skip


def _share(right: np.ndarray, among: np.ndarray) -> float | None:
    return 100 * float(right[among].mean()) if among.any() else None


if __name__ == "__main__":
    main()
