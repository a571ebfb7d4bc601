"""What a message says: the needs it expresses, the themes it touches, its tone.

A text becomes numbers once (`read`). A weighted lexicon (`Lexicon`) then finds the patterns its
words make: it is what explains. A linear model (`Model`) learns from rows somebody labelled, and
serves only where it beats the lexicon on rows it has not seen (`learn`). Whole arrays throughout,
no weights from elsewhere, and a cost that grows with the words read.
"""

import io
import zlib
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

VERSION = "1"
TONES = ("negatif", "neutre", "positif")
UNKNOWN = "indetermine"
# Words between those that mean something: a pattern leaps over them.
_LINKING = """
a afin ai ainsi alors as au aussi aux avaient avais avait avant avec avez avoir avons c ce ceci
cela celle celui ces cet cette chez d dans de depuis des donc du elle elles en encore entre es
est et etaient etais etait ete etes etre eu eux il ils j je l la le les leur leurs lui m ma me
meme mes moi mon n ne nos notre nous on ont ou par pendant peu pour qu s sa se sera ses si soi
son sont suis sur t ta te tes toi ton tu un une vos votre vous y
"""
LINKING = frozenset(_LINKING.split())
NEGATIONS = frozenset(
    ("n", "ne", "ni", "pas", "jamais", "aucun", "aucune", "aucunes", "sans", "rien", "non")
)
STOPS = frozenset(".,;:!?")
SCOPE = 3  # words that mean something, after a negation and within its clause
LEAP = 2  # the next word of a pattern is the next one that means something, or the one after
REACH = 6  # … and never farther than this many words
CHUNK = 2000  # texts read at once: enough to be vectorised, few enough for the caches
THREADS = 4


# ---- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Words:
    """Texts as numbers: their words end to end, whose text each is, and what surrounds it."""

    count: int  # texts
    vocabulary: list[str]
    codes: np.ndarray  # place -> index in the vocabulary
    texts: np.ndarray  # place -> index of its text
    clauses: np.ndarray  # place -> number of its clause
    ranks: np.ndarray  # place -> words that mean something up to it
    is_negated: np.ndarray  # place -> is it under a negation

    def marked(self, kind: Iterable[str]) -> np.ndarray:
        """Return which places hold one of the words of `kind`."""
        kind = frozenset(kind)
        return np.fromiter((word in kind for word in self.vocabulary), bool)[self.codes]


def read(texts: pa.Array | pa.ChunkedArray) -> Words:
    """Cut texts into lower-case words without accents, and punctuation marks."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    plain = pc.utf8_lower(pc.fill_null(texts.cast(pa.string()), ""))
    plain = pc.replace_substring(pc.utf8_normalize(plain, "NFKD"), "œ", "oe")
    plain = pc.replace_substring_regex(plain, r"\p{Mn}+", "")
    plain = pc.replace_substring(plain, "\n", ".")
    for stop in sorted(STOPS):
        plain = pc.replace_substring(plain, stop, f" {stop} ")
    parts = pc.ascii_split_whitespace(_only_words(plain))
    sizes = np.asarray(pc.list_value_length(parts), dtype=np.int64)
    coded = parts.flatten().dictionary_encode()
    vocabulary = coded.dictionary.to_pylist()
    codes = np.asarray(coded.indices, dtype=np.int64)
    places = np.repeat(np.arange(len(sizes)), sizes)
    if "" in vocabulary:  # before the first word of a text, and after its last
        kept = codes != vocabulary.index("")
        codes, places = codes[kept], places[kept]
    blank = np.empty(0)
    words = Words(len(sizes), vocabulary, codes, places, blank, blank, blank)
    stops, denies = words.marked(STOPS), words.marked(NEGATIONS)
    means = ~words.marked(LINKING | STOPS)
    begins = np.diff(places, prepend=-1) > 0
    ranks = np.cumsum(means)
    place = np.arange(len(codes))
    # A negation reaches SCOPE words that mean something, neither past its clause nor into another
    # text.
    last_end = np.maximum.accumulate(np.where(stops | begins, place, -1))
    last_negation = np.maximum.accumulate(np.where(denies, place, -1))
    earlier = np.concatenate([[-1], last_negation[:-1]]) if len(place) else last_negation
    negated = (earlier >= last_end) & (earlier >= 0) & ~stops
    negated &= ranks - ranks[earlier] <= SCOPE
    clauses = np.cumsum(stops | begins)
    return Words(len(sizes), vocabulary, codes, places, clauses, ranks, negated)


def _only_words(plain: pa.Array) -> pa.Array:
    """Blank each byte that is no letter, digit or mark: a table is faster than a pattern."""
    _, offsets, data = plain.buffers()
    data = np.frombuffer(data or b"", np.uint8)
    return pa.StringArray.from_buffers(len(plain), offsets, pa.py_buffer(_KEPT[data]), None)


_KEPT = np.full(256, ord(" "), np.uint8)
for _byte in b"abcdefghijklmnopqrstuvwxyz0123456789" + "".join(STOPS).encode():
    _KEPT[_byte] = _byte


# ---- lexicon -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lists:
    """Lists of indices end to end."""

    starts: np.ndarray
    sizes: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> "Lists":
        sizes = np.fromiter(map(len, lists), np.int64, len(lists))
        values = np.fromiter((value for one in lists for value in one), np.int64)
        return cls(np.cumsum(sizes) - sizes, sizes, values)

    def pick(self, rows: np.ndarray) -> "Lists":
        return Lists(self.starts[rows], self.sizes[rows], self.values)

    def expand(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the index in `rows` of each value of their lists, and that value."""
        sizes = self.sizes[rows]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return np.repeat(np.arange(len(rows)), sizes), self.values[
            np.repeat(self.starts[rows], sizes) + within
        ]


# Text, pattern and signed weight of each pattern found.
Found = tuple[np.ndarray, np.ndarray, np.ndarray]


class Lexicon:
    """Patterns with a weight for a code, from the rows of a seed; one counts once in a text."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self.rows = rows = list(rows)
        self.patterns = [str(row["motif"]) for row in rows]
        self.codes = sorted({str(row["code"]) for row in rows})
        self.code_of = np.array([self.codes.index(row["code"]) for row in rows], dtype=np.int64)
        self.version = str(max((row["version"] for row in rows), default=0))
        self._weights = np.array([float(row["poids"]) for row in rows])
        # How much of its weight a pattern brings when it is said, and when it is denied.
        rules = {"indifferente": (1, 1), "annule": (1, 0), "inverse": (1, -1), "exige": (0, 1)}
        self._shares = np.array([rules[row["negation"]] for row in rows], dtype=float)
        self._elements: dict[tuple[str, bool], int] = {}
        steps: dict[tuple[int, int], int] = {}  # from one state to the next, by a word
        ends: dict[int, list[int]] = {}
        for index, pattern in enumerate(self.patterns):
            words = _pattern_words(pattern)
            state = 0
            for word in words:
                element = self._elements.setdefault(word, len(self._elements))
                state = steps.setdefault((state, element), len(steps) + 1)
            ends.setdefault(state, []).append(index)
            if any(word in NEGATIONS for word, _ in words):
                self._shares[index] = 1  # it says its own negation
        # A row for each state that goes on, and the next state in the column of the word it awaits.
        going = sorted({state for state, _ in steps})
        self._rows = np.full(len(steps) + 1, -1)
        self._rows[going] = np.arange(len(going))
        self._goes_on = self._rows >= 0
        self._next = np.zeros((len(going), len(self._elements)), dtype=np.int32)
        for (state, element), after in steps.items():
            self._next[self._rows[state], element] = after
        self._begins = {element: after for (state, element), after in steps.items() if state == 0}
        self._ends = Lists.of([ends.get(state, []) for state in range(len(steps) + 1)])
        self._lengths = sorted({len(word) for word, is_start in self._elements if is_start})
        self._known: dict[str, list[int]] = {}

    def find(self, words: Words) -> Found:
        """Return text, pattern and signed weight of each pattern found, in the order of texts."""
        awaited = [self._elements_of(word) for word in words.vocabulary]
        at = Lists.of(awaited).pick(words.codes)
        begin = Lists.of(
            [[self._begins[one] for one in ones if one in self._begins] for ones in awaited]
        )
        begin = begin.pick(words.codes)
        row, state = begin.expand(start := np.flatnonzero(begin.sizes))
        first = place = start[row]
        origins, patterns = [place[:0]], [place[:0]]
        while len(place):
            row, pattern = self._ends.expand(state)
            origins.append(first[row])
            patterns.append(pattern)
            on = self._goes_on[state]
            first, place, state = first[on], place[on], state[on]
            moves = [(first[:0], place[:0], state[:0])]
            for leap in range(1, REACH + 1):
                near = np.flatnonzero(place + leap < len(words.codes))
                there = place[near] + leap
                reached = words.clauses[there] == words.clauses[place[near]]
                reached &= words.ranks[there] - words.ranks[place[near]] <= LEAP
                reached &= at.sizes[there] > 0
                near, there = near[reached], there[reached]
                row, element = at.expand(there)
                known, after = self._step(state[near[row]], element)
                row = row[known]
                moves.append((first[near[row]], there[row], after))
            first, place, state = (np.concatenate(part) for part in zip(*moves, strict=True))
        origin, pattern = np.concatenate(origins), np.concatenate(patterns)
        key = words.texts[origin] * len(self.patterns) + pattern
        key = np.unique(key * 2 + words.is_negated[origin])
        (text, pattern), negated = np.divmod(key // 2, len(self.patterns)), key % 2
        weight = self._weights[pattern] * self._shares[pattern, negated]
        kept = weight != 0
        return text[kept], pattern[kept], weight[kept]

    def scores(self, words: Words, found: Found | None = None) -> np.ndarray:
        """Return the sum of the weights found, one row per text and one column per code."""
        text, pattern, weight = found or self.find(words)
        cell = text * len(self.codes) + self.code_of[pattern]
        size = words.count * len(self.codes)
        scores = np.bincount(cell, weight, size).astype(float)
        return scores.reshape(words.count, len(self.codes))

    def _step(self, states: np.ndarray, elements: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        after = self._next[self._rows[states], elements]
        known = np.flatnonzero(after)
        return known, after[known]

    def _elements_of(self, word: str) -> list[int]:
        if (found := self._known.get(word)) is None:
            forms = {word} | {word.removesuffix(end) for end in ("s", "x", "e", "es")}
            asked = [(form, False) for form in forms]
            asked += [(word[:length], True) for length in self._lengths if len(word) >= length]
            found = [self._elements[one] for one in asked if one in self._elements]
            if len(self._known) < 500_000:
                self._known[word] = found
        return found


def _pattern_words(pattern: str) -> list[tuple[str, bool]]:
    """Return the words of a pattern, and whether each is only a beginning."""
    words = []
    for written in pattern.split():
        cut = read(pa.array([written]))
        words += [(cut.vocabulary[code], written.endswith("*")) for code in cut.codes]
    return words


def tone_of_lexicon(scores: np.ndarray, threshold: float) -> np.ndarray:
    """Return the index in TONES that weights of (negative, neutral, positive) words make."""
    negative, neutral, positive = scores.T
    gap, needed = positive - negative, threshold + np.maximum(neutral, 0)
    return np.where(gap > needed, 2, np.where(gap < -needed, 0, 1))


@dataclass(frozen=True)
class Labels:
    """What texts carry: text, code, score, and the patterns that decided, best first."""

    texts: np.ndarray
    codes: pa.Array
    scores: np.ndarray
    why: pa.Array


def labels(
    words: Words,
    lexicon: Lexicon,
    parents: Mapping[str, str | None],
    threshold: float,
    found: Found | None = None,
) -> Labels:
    """Return the labels whose patterns weigh `threshold`; `indetermine` for a text that has none.

    A label of the second level that is hinted at inherits half of what is said of its parent, and
    then stands for it.
    """
    text, pattern, weight = found or lexicon.find(words)
    width = len(lexicon.codes)
    code = lexicon.code_of[pattern]
    own = np.bincount(text * width + code, weight, words.count * width)
    own = own.reshape(words.count, width).astype(float)  # whole numbers if nothing is found
    column = {code: index for index, code in enumerate(lexicon.codes)}
    families = [
        (column[child], column[parent])
        for child in lexicon.codes
        if (parent := parents.get(child)) in column
    ]
    scores, is_heir = own.copy(), np.zeros_like(own, dtype=bool)
    for child, parent in families:
        is_heir[:, child] = (own[:, child] >= threshold / 2) & (own[:, parent] > 0)
        scores[:, child] += np.where(is_heir[:, child], own[:, parent] / 2, 0)
    is_kept = scores >= threshold - 1e-9
    for child, parent in families:
        is_kept[:, parent] &= ~is_kept[:, child]
    # What decided: the patterns of the label, and those of its parent if it inherited.
    heirs = Lists.of(
        [[child for child, parent in families if parent == one] for one in range(width)]
    )
    row, child = heirs.expand(code)
    inherits = is_heir[text[row], child]
    row, child = row[inherits], child[inherits]
    hit = np.concatenate([np.arange(len(text)), row])
    cell = text[hit] * width + np.concatenate([code, child])
    said = is_kept.ravel()[cell] & (weight[hit] > 0)
    hit, cell = hit[said], cell[said]
    order = np.lexsort((-weight[hit], cell))
    cells = np.flatnonzero(is_kept)
    offsets = np.searchsorted(cell[order], np.append(cells, words.count * width))
    reasons = pa.array(lexicon.patterns).take(pa.array(pattern[hit[order]]))
    why = pc.binary_join(
        pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), reasons.cast(pa.string())), ", "
    )
    silent = np.flatnonzero(~is_kept.any(axis=1))
    return Labels(
        np.concatenate([cells // width, silent]),
        pa.chunked_array(
            [
                pa.array(lexicon.codes).take(pa.array(cells % width)),
                pa.array([UNKNOWN] * len(silent), pa.string()),
            ]
        ).combine_chunks(),
        np.concatenate([scores.ravel()[cells], np.zeros(len(silent))]),
        pa.chunked_array([why, pa.nulls(len(silent), pa.string())]).combine_chunks(),
    )


# ---- linear model --------------------------------------------------------------------------------


@dataclass
class Model:
    """The mean opinion of linear models, one for each view of the text.

    `parts` holds, for each view, its keys, their rarity and one weight per class. Without a lexicon
    of tone, only the words and their letters are seen.
    """

    classes: Sequence[str]
    lexicon: Lexicon | None = None
    parts: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    _brought: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def fit(self, words: Words, labels: np.ndarray) -> "Model":
        """Learn from `labels`, the index in `classes` of each text."""
        for view, strength in VIEWS.items():
            if view == "lexicon" and self.lexicon is None:
                continue
            part: dict[str, np.ndarray] = {}
            matrix = self._view(view, words, part)
            learner = LogisticRegression(
                C=strength, class_weight="balanced", max_iter=300, tol=1e-3
            )
            # These products are small: more threads would only wait for each other.
            with threadpool_limits(1):
                learner.fit(matrix, labels)
            coef, intercept = learner.coef_, learner.intercept_
            if len(self.classes) == 2:
                coef, intercept = np.vstack([-coef / 2, coef / 2]), np.r_[-intercept, intercept] / 2
            part["coef"], part["intercept"] = coef.T.astype(np.float64), intercept
            self.parts[view] = part
        return self

    def opinions(self, words: Words, found: Found | None = None) -> np.ndarray:
        """Return the logarithm of the probability of each class, one row per text.

        `found` is what the lexicon found, if that is known already.
        """
        total = np.zeros((words.count, len(self.classes)))
        for view, part in self.parts.items():
            if view == "letters":
                score = self._spelled_scores(words, part)
            else:
                score = self._view(view, words, part, found) @ part["coef"]
            score = score + part["intercept"]
            share = np.exp(score - score.max(axis=1, keepdims=True))
            total += np.log(share / share.sum(axis=1, keepdims=True) + FLOOR)
        total -= total.max(axis=1, keepdims=True)
        return total - np.log(np.exp(total).sum(axis=1, keepdims=True))

    def to_bytes(self) -> bytes:
        """Return the weights, which hold no text: only hashes of its words."""
        arrays = {
            f"{view}/{name}": array
            for view, part in self.parts.items()
            for name, array in part.items()
            if name != "table"
        }
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, saved: bytes, classes: Sequence[str], lexicon: Lexicon | None) -> "Model":
        model = cls(classes, lexicon)
        with np.load(io.BytesIO(saved), allow_pickle=False) as arrays:
            for path in arrays.files:
                view, name = path.split("/")
                model.parts.setdefault(view, {})[name] = arrays[path]
        return model

    def _view(
        self,
        view: str,
        words: Words,
        part: dict[str, np.ndarray],
        found: Found | None = None,
    ) -> Any:
        if view == "grams":
            return _weighed(words.count, *_grams(words), part)
        if view == "letters":
            return self._letters(words, part)
        assert self.lexicon is not None  # noqa: S101 – a model fitted with one
        return _leanings(self.lexicon.scores(words, found), words)

    def _letters(self, words: Words, part: dict[str, np.ndarray]) -> Any:
        """Return the mean spelling of the words of each text, the rarest words counting most."""
        seen = _seen(words)
        if "keys" not in part:
            grid, known = _grid(words.vocabulary)
            texts = np.asarray(((seen @ grid) > 0).sum(axis=0)).ravel()
            part["keys"] = known[texts >= 2]
            part["rarity"] = np.log(words.count / (1 + texts[texts >= 2])) + 1
            heard = np.asarray(seen.sum(axis=0)).ravel()
            hashes, order = np.unique(_hashes(words.vocabulary), return_index=True)
            part["words"], heard = hashes[heard[order] >= 2], heard[order][heard[order] >= 2]
            part["words_rarity"] = np.log(words.count / (1 + heard)) + 1
            part["unheard"] = np.array([np.log(words.count / 2) + 1])
        rarity, spelled = _spelled(words.vocabulary, part)
        return _unit(seen @ sparse.diags(rarity)) @ spelled

    def _spelled_scores(self, words: Words, part: dict[str, np.ndarray]) -> np.ndarray:
        """Return `_letters` times the weights, from what each word brings, computed once a word."""
        known = self._brought
        new = [word for word in words.vocabulary if word not in known]
        if new:
            rarity, spelled = _spelled(new, part)
            brought = np.column_stack([rarity, spelled @ part["coef"]])
            brought = dict(zip(new, brought, strict=True))
            if len(known) < KNOWN_WORDS:
                known.update(brought)
            else:
                known = ChainMap(brought, known)
        table = np.array([known[word] for word in words.vocabulary])
        table = table.reshape(-1, 1 + len(self.classes))
        return np.asarray(_unit(_seen(words) @ sparse.diags(table[:, 0])) @ table[:, 1:])


# Views of a text, and how far each may trust its own rows (inverse of the regularisation).
FLOOR = 1e-3  # no view may veto a class alone
KNOWN_WORDS = 500_000
VIEWS = {"grams": 4.0, "letters": 3.0, "lexicon": 0.3}


def _hashes(words: Sequence[str]) -> np.ndarray:
    return np.fromiter((zlib.crc32(word.encode()) for word in words), np.int64, len(words))


def _seen(words: Words) -> Any:
    """Return which words each text holds, marks left out."""
    is_word = ~words.marked(STOPS)
    text, word, times = _counted(words.texts[is_word], words.codes[is_word], len(words.vocabulary))
    return _rowed(words.count, len(words.vocabulary), text, word, np.ones(len(times)))


def _spelling(word: str) -> list[str]:
    """Return the runs of 2 to 5 characters of a word and its two edges."""
    edged = f" {word} "
    return [edged[i : i + n] for n in range(2, 6) for i in range(max(1, len(edged) - n + 1))]


def _grid(vocabulary: Sequence[str]) -> tuple[Any, np.ndarray]:
    """Return how often each word holds each run of characters, and the hashes of these."""
    spelled = [_hashes(_spelling(word)) for word in vocabulary]
    rows = np.repeat(np.arange(len(spelled)), list(map(len, spelled)))
    known, column = np.unique(np.concatenate([*spelled, _hashes([])]), return_inverse=True)
    return sparse.csr_matrix(
        (np.ones(len(rows)), (rows, column)), (len(spelled), len(known))
    ), known


def _spelled(vocabulary: Sequence[str], part: dict[str, np.ndarray]) -> tuple[np.ndarray, Any]:
    """Return how rare each word is, and its spelling in the runs that `part` keeps."""
    grid, keys = _grid(vocabulary)
    index, known = _lookup(part["keys"], keys)
    kept = sparse.csr_matrix(
        (part["rarity"][index[known]], (np.flatnonzero(known), index[known])),
        (len(keys), len(part["keys"])),
    )
    index, known = _lookup(part["words"], _hashes(vocabulary))
    rarity = np.where(known, part["words_rarity"][index], part["unheard"][0])
    return rarity, _unit(grid @ kept)


def _grams(words: Words) -> tuple[np.ndarray, np.ndarray]:
    """Return text and key of the runs of 1 to 3 words, cut to their root, with their negations."""
    roots = [
        word[:6] if not word.isdigit() else "0" * min(len(word), 4) for word in words.vocabulary
    ]
    kept = ~words.marked(STOPS - {"!", "?"})
    code, text = _hashes(roots)[words.codes[kept]].astype(np.uint64), words.texts[kept]
    negated = words.is_negated[kept]
    # A word under a negation is read twice: as it is, and as denied.
    size = 1 + negated
    start = np.cumsum(size) - size
    stream = np.repeat(code, size)
    stream[start[negated] + 1] ^= np.uint64(0x9E3779B97F4A7C15)
    owner = np.repeat(text, size)
    keys, owners = [stream * _ODD], [owner]
    run = stream
    for length in (2, 3):
        run = run[:-1] * _ODD + stream[length - 1 :]
        same = owner[: len(run)] == owner[length - 1 :]
        keys.append((run[same] + np.uint64(length)) * _ODD)
        owners.append(owner[: len(run)][same])
    return np.concatenate(owners), (np.concatenate(keys) >> _SHIFT).astype(np.int64)


_ODD = np.uint64(0xD6E8FEB86659FD93)
_BITS = 22  # grams fall into that many buckets: few collide, and a table finds them at once
_SHIFT = np.uint64(64 - _BITS)


def _weighed(count: int, text: np.ndarray, key: np.ndarray, part: dict[str, np.ndarray]) -> Any:
    """Return the TF-IDF of the keys that two texts at least hold, each row of length 1."""
    if "keys" not in part:
        known, column = np.unique(key, return_inverse=True)
        times = np.unique(text * len(known) + column)
        texts = np.bincount(times % len(known), minlength=len(known))
        part["keys"], texts = known[texts >= 2], texts[texts >= 2]
        part["rarity"] = np.log((1 + count) / (1 + texts)) + 1
    if "table" not in part:
        table = np.full(1 << _BITS, -1, dtype=np.int32)
        table[part["keys"]] = np.arange(len(part["keys"]))
        part["table"] = table  # only once it is filled: chunks are read side by side
    column = part["table"][key]
    known = column >= 0
    text, column, times = _counted(text[known], column[known], len(part["keys"]))
    weight = (1 + np.log(times)) * part["rarity"][column]
    weight /= np.sqrt(np.bincount(text, weight**2, count))[text]
    return _rowed(count, len(part["keys"]), text, column, weight)


def _counted(
    text: np.ndarray, column: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each pair of a text and a column once, in order, and how often it comes."""
    cells = np.sort(text * width + column)
    first = np.flatnonzero(np.diff(cells, prepend=-1))
    return *np.divmod(cells[first], max(width, 1)), np.diff(first, append=len(cells))


def _rowed(count: int, width: int, text: np.ndarray, column: np.ndarray, data: np.ndarray) -> Any:
    """Return a sparse matrix, whose cells come in order: nothing is sorted again."""
    starts = np.searchsorted(text, np.arange(count + 1))
    return sparse.csr_matrix((data, column, starts), (count, width))


def _lookup(known: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    index = np.minimum(np.searchsorted(known, keys), max(len(known) - 1, 0))
    return index, (known[index] == keys) if len(known) else np.zeros(len(keys), bool)


def _unit(matrix: Any) -> Any:
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.diags(1 / np.where(length > 0, length, 1)) @ matrix


def _leanings(scores: np.ndarray, words: Words) -> np.ndarray:
    """Return what the lexicon of tone thinks, in ways that a line can weigh."""
    negative, neutral, positive = scores.T
    size = np.bincount(words.texts, minlength=words.count)
    gap, for_, against = positive - negative, np.abs(positive), np.abs(negative)
    return np.column_stack(
        [
            gap / 3,
            1.5 * gap / np.sqrt(size / 2 + 5),
            gap / (for_ + against + np.abs(neutral) + 1),
            np.abs(gap) / (for_ + against + 1),
            np.minimum(for_, against) / 2,
            neutral / 2,
            for_ / 3,
            against / 3,
            np.tanh(gap),
        ]
    )


# ---- choice and use ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """How a method did on labelled rows that it had not seen."""

    method: str
    score: float | None  # macro-F1; none when there were too few rows to say
    rows: int
    is_kept: bool


def folds(texts: Sequence[str], count: int) -> np.ndarray:
    """Return the fold of each text; copies of one text share theirs, whatever their order."""
    return np.array([zlib.crc32(" ".join(text.split()).encode()) % count for text in texts])


def drawn(pages: Iterable[pa.RecordBatch], at_most: int) -> pa.Table:
    """Return the rows of `pages` that `learn_tone` would draw by their `texte`, or a few more.

    Only these are ever in memory.
    """
    kept, last = None, 1 << 32
    for page in pages:
        keys = pa.array([_draw(text) for text in page["texte"].to_pylist()], pa.int64())
        table = pa.Table.from_batches([page]).append_column("draw", keys)
        kept = pa.concat_tables([kept, table]) if kept else table
        kept = kept.filter(pc.less_equal(kept["draw"], last))
        if len(kept) > at_most:
            last = int(np.partition(kept["draw"].to_numpy(), at_most - 1)[at_most - 1])
            kept = kept.filter(pc.less_equal(kept["draw"], last))
    return kept if kept else pa.table({"texte": [], "ressenti": []})


def _draw(text: str) -> int:
    return zlib.crc32(text.encode()[::-1])


def learn_tone(
    texts: Sequence[str],
    tones: Sequence[str],
    lexicon: Lexicon,
    threshold: float,
    *,
    at_least: int,
    at_most: int,
    count: int = 5,
) -> tuple[list[Trial], Model | None]:
    """Train a model on labelled texts if it beats the lexicon on rows held out, by folds.

    Below `at_least` rows the lexicon stays; above `at_most`, as many are drawn, always the same.
    """
    order = sorted(range(len(texts)), key=lambda row: (_draw(texts[row]), texts[row], tones[row]))
    rows = order[:at_most]
    texts = [texts[row] for row in rows]
    truth = np.array([TONES.index(tones[row]) for row in rows], dtype=np.int64)
    if len(texts) < at_least or len(np.unique(truth)) < len(TONES):
        return [Trial("lexique", None, len(texts), True)], None
    words = read(pa.array(texts))
    guess = tone_of_lexicon(lexicon.scores(words), threshold)
    learned = np.zeros_like(truth)
    fold = folds(texts, count)
    for held in np.unique(fold):
        inside, outside = (
            [text for text, one in zip(texts, fold, strict=True) if (one == held) == is_held]
            for is_held in (False, True)
        )
        model = Model(TONES, lexicon).fit(read(pa.array(inside)), truth[fold != held])
        learned[fold == held] = model.opinions(read(pa.array(outside))).argmax(axis=1)
    of_lexicon = float(f1_score(truth, guess, average="macro"))
    of_model = float(f1_score(truth, learned, average="macro"))
    is_better = of_model > of_lexicon
    trials = [
        Trial("lexique", of_lexicon, len(texts), not is_better),
        Trial("lineaire", of_model, len(texts), is_better),
    ]
    return trials, Model(TONES, lexicon).fit(words, truth) if is_better else None


ANALYSES = pa.schema(
    [
        ("message_id", pa.string()),
        ("axe", pa.string()),
        ("code", pa.string()),
        ("score", pa.float64()),
        ("mots", pa.string()),
        ("methode_version", pa.string()),
    ]
)


class Reader:
    """All that is read in a message: its tone, its needs, its themes."""

    def __init__(
        self,
        lexicons: Mapping[str, Lexicon],
        parents: Mapping[str, Mapping[str, str | None]],
        thresholds: Mapping[str, float],
        model: Model | None,
    ) -> None:
        self.lexicons, self.parents, self.thresholds = lexicons, parents, thresholds
        self.model = model
        self._all = Lexicon(row for lexicon in lexicons.values() for row in lexicon.rows)
        sizes = [len(lexicon.rows) for lexicon in lexicons.values()]
        self._begins = dict(zip(lexicons, np.cumsum([0, *sizes]).tolist(), strict=False))

    def analyse(self, identifiers: pa.Array, texts: pa.Array) -> pa.Table:
        """Return one row per message and label, as ANALYSES says; chunks are read side by side."""
        starts = range(0, len(texts), CHUNK)
        with ThreadPoolExecutor(THREADS) as pool:
            parts = pool.map(
                lambda start: self._chunk(
                    identifiers[start : start + CHUNK], texts[start : start + CHUNK]
                ),
                starts,
            )
            return pa.concat_tables([*parts, ANALYSES.empty_table()])

    def _chunk(self, identifiers: pa.Array, texts: pa.Array) -> pa.Table:
        words = read(texts)
        text, pattern, weight = self._all.find(words)  # once for all lexicons

        def of(name: str) -> Found:
            first = self._begins[name]
            own = (pattern >= first) & (pattern < first + len(self.lexicons[name].rows))
            return text[own], pattern[own] - first, weight[own]

        tables = [self._tone(words, identifiers, of("tonalite"))]
        for name in ("besoins", "themes"):
            lexicon, limit = self.lexicons[name], self.thresholds[name]
            found = labels(words, lexicon, self.parents[name], limit, of(name))
            tables.append(
                _table(
                    identifiers.take(pa.array(found.texts)),
                    name,
                    found.codes,
                    found.scores,
                    found.why,
                    f"lexique {lexicon.version}",
                )
            )
        return pa.concat_tables(tables)

    def _tone(self, words: Words, identifiers: pa.Array, found: Found) -> pa.Table:
        lexicon = self.lexicons["tonalite"]
        weights = lexicon.scores(words, found)
        if self.model is None:
            tone = tone_of_lexicon(weights, self.thresholds["tonalite"])
            negative, _, positive = weights.T
            score = (positive - negative) / (1 + np.abs(weights).sum(axis=1))
            method = f"lexique {lexicon.version}"
        else:
            share = np.exp(self.model.opinions(words, found))
            tone, score = share.argmax(axis=1), share[:, 2] - share[:, 0]
            method = f"lineaire {VERSION}"
        text, pattern, weight = found
        order = np.lexsort((-np.abs(weight), text))
        offsets = np.searchsorted(text[order], np.arange(words.count + 1))
        reasons = pa.array(lexicon.patterns, pa.string()).take(pa.array(pattern[order]))
        why = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), reasons), ", ")
        return _table(
            identifiers, "tonalite", pa.array(TONES).take(pa.array(tone)), score, why, method
        )


def _table(
    identifiers: pa.Array,
    analysis: str,
    codes: pa.Array,
    scores: np.ndarray,
    why: pa.Array,
    method: str,
) -> pa.Table:
    size = len(identifiers)
    columns = [
        identifiers.cast(pa.string()),
        pa.repeat(pa.scalar(analysis), size),
        codes,
        pa.array(np.round(scores, 3)),
        why,
        pa.repeat(pa.scalar(method), size),
    ]
    return pa.table(columns, schema=ANALYSES)
