"""Posts grouped into stories as they arrive: who says the same thing, since when, how fast.

A post joins the story for which its eight nearest neighbours of the last day vote, or starts one
(first-story detection). Near means: the same rare words, stemmed, recently. A word weighs what its
rarity tells, half in the language at large (wordfreq), half in this stream so far; names and
hashtags weigh more. Stories whose centres come close are merged, and the older one keeps its name.

Nothing here looks ahead: the answer for a post depends on the posts before it and on nothing else,
however the stream is cut into calls. Memory is bounded by the window and the vocabulary; the lists
of merges and alerts are the caller's to empty.
Whether a story is true is not said: a text alone does not tell.
"""

import html
import math
import re
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
import snowballstemmer
import wordfreq

VERSION = "1"

STEMMERS = {
    "fr": "french", "en": "english", "es": "spanish", "de": "german", "it": "italian",
    "pt": "portuguese", "nl": "dutch",
}  # fmt: skip


HOUR = 3600.0
NETWORK_WORDS = frozenset({"rt", "via", "amp", "cc", "http", "https", "www", "com"})
_FLOOR = 10**-7.5  # a word of the language that is rarer counts as this rare
_UNKNOWN = -math.log(_FLOOR)
_STEMMED = 1e-7
_ANY_WORD = re.compile(r"\w\w+")
_COMMON = math.log(100.0)  # a word of a hundred hardly tells
WORDS_A_POST = 10.0
COPY = 1 / 3  # one text repeats another if they share this part of their words …
_COPY_LIKENESS = 0.4  # … among which the rare ones


@dataclass(frozen=True)
class Settings:
    """Frozen: nothing is tuned on the stream that is read."""

    distance: float = 0.67  # farther than this, nobody is a neighbour
    decay_hours: float = 24.0  # what was said a day ago counts for a third
    neighbours: int = 8
    capital: float = 1.4
    hashtag: float = 1.3
    rare: float = 0.7  # how far a word is believed when few posts have carried it …
    rare_posts: float = 5.0  # … up to that many
    unknown: float = 0.0  # the same for a word that the language does not have and one post carries
    merge_similarity: float = 0.5
    merge_gap_hours: float = 12.0
    small: int = 3  # a story of so few posts is asked again where it belongs
    alert_posts: int = 4
    alert_minutes: float = 180.0
    alert_chance: float = 0.2  # times that chance would bring the word in that time, at most
    window: int = 50_000  # distinct texts kept at most
    vocabulary: int = 400_000  # words kept at most
    postings: int = 5_000  # a word that more texts of the window carry finds nobody by itself
    prior_posts: float = 10_000.0  # what the language at large is worth, in posts
    memory_posts: float = 200_000.0  # the counts of words are halved every so many posts


def settings_for(language: str) -> Settings:
    """Return the settings measured on French events for French, more cautious ones elsewhere."""
    return Settings(distance=0.70) if language == "fr" else Settings()


# What `ref_methodes` calls each setting that it holds.
PARAMETERS = {
    "distance": "distance",
    "memoire_heures": "decay_hours",
    "voisins": "neighbours",
    "petite_histoire": "small",
    "fusion_similarite": "merge_similarity",
    "fusion_heures": "merge_gap_hours",
    "alerte_publications": "alert_posts",
    "alerte_minutes": "alert_minutes",
    "alerte_hasard": "alert_chance",
    "fenetre_textes": "window",
}


def settings_from(methods: Iterable[Mapping[str, Any]]) -> Settings:
    """Return the settings that the rows of `ref_methodes` say."""
    said = {
        PARAMETERS[row["parametre"]]: row["valeur"]
        for row in methods
        if row["methode_id"] == "histoires"
    }
    kinds = {name: type(value) for name, value in vars(Settings()).items()}
    return Settings(**{name: kinds[name](value) for name, value in said.items()})


class Vocabulary:
    """Words of a language as numbers, with how rare they are: known beforehand, then observed."""

    NOT_WORDS = re.compile(r"https?:?\S*|www\.\S+|@\S+")
    _WORDS = re.compile(r"([.!?…]\s+)?(#?\w\w+)")
    _CAMEL = re.compile(r"[A-ZÀ-Þ]?[a-zß-ÿ]+|[A-ZÀ-Þ]+(?![a-zß-ÿ])|\d+")
    _LONG = re.compile(r"(.)\1{3,}")
    _ARRAYS = ("rarity", "posts", "carried", "weight", "_own", "_belief")
    TEXT = 5_000  # characters read of a text
    rarity: np.ndarray  # -ln of the frequency in the language
    posts: np.ndarray  # how many posts of the stream carried the word
    carried: np.ndarray  # the same, with what the language lets expect
    weight: np.ndarray
    _own: np.ndarray
    _belief: np.ndarray

    def __init__(self, language: str, settings: Settings) -> None:
        self.settings = settings
        self.known = _frequencies(language)
        self.stop = _stop_words(language)
        self.language = language
        self.numbers: dict[str, int] = {}
        self.written: list[str] = []  # each word as it was first written
        for name in self._ARRAYS:
            setattr(self, name, np.zeros(1024))
        self.seen = self._weighed = 0.0
        self._touched: set[int] = set()
        self._inside: dict[str, tuple[tuple[int, float], ...]] = {}
        self._opening: dict[str, tuple[tuple[int, float], ...]] = {}

    def read(self, text: str) -> dict[int, float]:
        """Return the words of `text` with their emphasis."""
        text = text[: self.TEXT]
        if "&" in text:
            text = html.unescape(text)
        words: dict[int, float] = {}
        opening = True
        for stop, token in self._WORDS.findall(self.NOT_WORDS.sub(" ", text)):
            cache = self._opening if opening or stop else self._inside
            opening = False
            found = cache.get(token)
            if found is None:
                found = cache[token] = self._parse(token, cache is self._inside)
            for number, emphasis in found:
                if words.get(number, 0.0) < emphasis:
                    words[number] = emphasis
        return words

    def learn(self, words: Iterable[int]) -> None:
        """Count a post that carried `words`."""
        self.seen += 1
        self._touched.update(words)
        self.posts[list(words)] += 1

    def weigh(self) -> None:
        """Set what each word tells: half its rarity in the language, half in the stream so far."""
        if self.seen > self.settings.memory_posts:
            self.seen /= 2
            self.posts /= 2
            self._touched.update(range(len(self.numbers)))
        total = self.seen + self.settings.prior_posts
        if self._touched:
            touched = np.fromiter(self._touched, np.int64, len(self._touched))
            self._touched.clear()
            rarity, posts = self.rarity[touched], self.posts[touched]
            # How many posts would carry the word if the stream were the language at large.
            expected = np.minimum(WORDS_A_POST * np.exp(-rarity), 1.0) * self.settings.prior_posts
            self.carried[touched] = posts + expected
            language = np.maximum(rarity - _COMMON, 1.0)
            self._own[touched] = (1.0 - np.log(1.0 + posts + expected) + language) / 2
            belief = np.clip(posts / self.settings.rare_posts, self.settings.rare, 1.0)
            # What neither language nor stream has met (a slip, a name said once) tells nothing.
            self._belief[touched] = np.where(
                (rarity >= _UNKNOWN) & (posts < 2), self.settings.unknown, belief
            )
        self._weighed = self.seen
        self.weight = self._belief * (self._own + math.log(total) / 2)

    def chance(self, word: int) -> float:
        """Return the share of posts that carry `word`, as it was when words were last weighed."""
        return float(self.carried[word]) / (self._weighed + self.settings.prior_posts)

    def _parse(self, token: str, inside: bool) -> tuple[tuple[int, float], ...]:
        tagged = token.startswith("#")
        emphasis = self.settings.hashtag if tagged else 1.0
        if inside and not tagged and token[0].isupper():
            emphasis = self.settings.capital
        parts = self._CAMEL.findall(token) if tagged else [token]
        found = (self._number(part) for part in parts)
        return tuple((number, emphasis) for number in found if number is not None)

    def _number(self, token: str) -> int | None:
        word = self._LONG.sub(r"\1\1\1", token.lower())
        bare = plain(word)
        if len(bare) < 2 or word in self.stop or bare in self.stop:
            return None
        if bare.isdigit() and len(bare) > 4:
            return None
        digits = bare.isdigit()
        common = word if not digits else "0" * len(bare)  # as wordfreq counts them
        share = max(self.known.get(common, 0.0), self.known.get(bare, 0.0))
        if digits and len(bare) > 1:
            share /= 10 ** (len(bare) - 1)
        # Stems cost: those of words that nearly nobody writes would join hardly anything.
        stem = plain(_stem(self.language, word)) if share > _STEMMED and not digits else bare
        number = self.numbers.get(stem)
        rarity = -math.log(max(share, _FLOOR))
        if number is None:
            number = self.numbers[stem] = len(self.numbers)
            self.written.append(token)
            if number >= len(self.weight):
                for name in self._ARRAYS:
                    setattr(self, name, np.append(getattr(self, name), np.zeros(number)))
            self.rarity[number] = rarity
            belief = self.settings.rare if rarity < _UNKNOWN else self.settings.unknown
            if belief:  # weighed as `weigh` would
                expected = min(WORDS_A_POST * math.exp(-rarity), 1.0) * self.settings.prior_posts
                own = (1.0 - math.log(1.0 + expected) + max(rarity - _COMMON, 1.0)) / 2
                total = self._weighed + self.settings.prior_posts
                self.weight[number] = belief * (own + math.log(total) / 2)
        else:
            self.rarity[number] = min(self.rarity[number], rarity)
        return number

    def forget(self, kept: np.ndarray) -> np.ndarray:
        """Forget words met once that are not in `kept`; return the new numbers."""
        size = len(self.numbers)
        stays = self.posts[:size] >= 2
        stays[kept] = True
        moved = np.cumsum(stays) - 1
        self.numbers = {
            word: int(moved[number]) for word, number in self.numbers.items() if stays[number]
        }
        self.written = [word for word, kept in zip(self.written, stays, strict=True) if kept]
        for name in self._ARRAYS:
            values = getattr(self, name)[:size][stays]
            setattr(self, name, np.concatenate([values, np.zeros(len(values) + 1024)]))
        self._touched = set(range(len(self.numbers)))
        self.tidy(0)
        return moved

    def tidy(self, most: int) -> None:
        """Forget how words are written if more than `most` writings are remembered."""
        if len(self._inside) + len(self._opening) > most:
            self._inside.clear()
            self._opening.clear()


@dataclass
class Story:
    """What is remembered of a story while one of its texts is in the window."""

    name: str  # its first post: the same from run to run
    first: float
    last: float
    size: int = 0
    alerted: bool = False
    recent: deque[tuple[float, tuple[int, ...]]] = field(default_factory=deque)


@dataclass(frozen=True)
class Answer:
    """What is known of a post when it arrives."""

    story: str | None  # none: the post says nothing comparable
    nearest: str | None = None  # the closest text of the window
    likeness: float = 0.0  # how close, from 0 to 1 (the same words)


class Merge(NamedTuple):
    """Two stories found to be one."""

    absorbed: str
    into: str
    at: float
    after: int  # posts of the stream


class Alert(NamedTuple):
    """A story that rises: once per story."""

    story: str
    post: str
    at: float
    posts: int  # of the story so far


class Stream:
    """Posts in, stories out; `add` may be called with one post or a million at a time."""

    def __init__(self, language: str = "fr", settings: Settings | None = None) -> None:
        self.settings = settings or settings_for(language)
        self.vocabulary = Vocabulary(language, self.settings)
        self.horizon = -np.log(1 - self.settings.distance) * self.settings.decay_hours * HOUR
        self.clock = 0.0
        self.count = 0
        self.merges: list[Merge] = []
        self.alerts: list[Alert] = []
        # The window, one row per distinct text.
        self._rows: list[str] = []  # the post that wrote it first
        self._keys: list[tuple[int, ...]] = []
        self._last: list[float] = []  # when it was last said
        self._story: list[int] = []
        self._starts = np.zeros(1, np.int64)
        self._words = np.zeros(0, np.int32)
        self._emphasis = np.zeros(0, np.float32)
        self._by_text: dict[tuple[int, ...], int] = {}
        self._by_post: dict[str, int] = {}
        self._stories: list[Story] = []
        self._parents: list[int] = []
        # What is computed at a boundary and holds until the next: the answers do not depend on how
        # the stream is cut into calls.
        self._boundary = 0
        self._next_merge = 16
        self._marks: deque[tuple[float, int]] = deque()  # the clock and the count, some time ago
        self._pace = 0.0  # posts within `alert_minutes`
        self._past = sp.csr_matrix((0, 0), dtype=np.float32)
        self._past_times = np.zeros(0)
        self._pruned = np.zeros(0, np.int64)

    def add(
        self, posts: Sequence[str], texts: Sequence[str | None], times: Sequence[float]
    ) -> list[Answer]:
        """Group posts in order of arrival; `times` are seconds, NaN where unknown."""
        answers: list[Answer] = []
        start = 0
        while start < len(posts):
            if self.count >= self._boundary:
                self._settle()
            stop = min(len(posts), start + self._boundary - self.count)
            answers += self._group(posts[start:stop], texts[start:stop], times[start:stop])
            self.count += stop - start
            start = stop
        return answers

    def _group(
        self, posts: Sequence[str], texts: Sequence[str | None], times: Sequence[float]
    ) -> list[Answer]:
        before = len(self._rows)
        arrivals: list[tuple[int | None, bool, float]] = []  # row, whether it counts, when
        said: list[dict[int, float]] = []
        for post, text, at in zip(posts, texts, times, strict=True):
            self.clock = max(self.clock, at) if at == at else self.clock
            row = self._by_post.get(post)
            if row is not None:  # the same post again
                arrivals.append((row, False, self.clock))
                continue
            words = self.vocabulary.read(text or "")
            if not words:
                arrivals.append((None, False, self.clock))
                continue
            key = tuple(sorted(words))
            row = self._by_text.get(key)
            if row is None or self.clock - self._last[row] > self.horizon:
                row = self._by_text[key] = len(self._rows)
                self._rows.append(post)
                self._keys.append(key)
                self._last.append(self.clock)
                self._story.append(-1)
                said.append(words)
            self._last[row] = self.clock
            self._by_post[post] = row
            arrivals.append((row, True, self.clock))
        neighbours = self._neighbours(before, said, [at for _, _, at in arrivals])
        answers = []
        for post, (row, counts, at) in zip(posts, arrivals, strict=True):
            if row is None:
                answers.append(Answer(None))
                continue
            nearest, likeness = row, 1.0
            if self._story[row] < 0:
                nearest, likeness = self._join(row, neighbours[row - before], at)
            story = self._root(self._story[row])
            if counts:
                self._tally(story, post, at, self._keys[row])
            name = self._rows[nearest]
            near = (None, 0.0) if name == post else (name, likeness)
            answers.append(Answer(self._stories[story].name, *near))
        for words in said:
            self.vocabulary.learn(words)
        return answers

    def _join(self, row: int, neighbours: list, at: float) -> tuple[int, float]:
        """Give a new text the story its neighbours vote for, or start one; return the nearest."""
        votes: dict[int, float] = {}
        nearest, likeness = row, 0.0
        for other, near, alike in neighbours:
            story = self._root(self._story[other])
            votes[story] = votes.get(story, 0.0) + near
            if alike > likeness:
                nearest, likeness = other, alike
        if votes:
            self._story[row] = max(votes, key=lambda story: (votes[story], -story))
        else:
            self._story[row] = len(self._stories)
            self._parents.append(len(self._stories))
            self._stories.append(Story(self._rows[row], at, at))
        return nearest, likeness

    def _tally(self, number: int, post: str, at: float, words: tuple[int, ...]) -> None:
        story = self._stories[number]
        story.size += 1
        story.last = at
        story.recent.append((at, words))
        if len(story.recent) > self.settings.alert_posts:
            story.recent.popleft()
        if not story.alerted and self._is_sudden(story, at):
            story.alerted = True
            self.alerts.append(Alert(story.name, post, at, story.size))

    def _is_sudden(self, story: Story, at: float) -> bool:
        """Tell whether enough posts came at once with a word that chance would not bring so often.

        "Good night" comes four times in three hours every evening, and is no story.
        """
        wanted = self.settings.alert_posts
        span = self.settings.alert_minutes * 60
        if len(story.recent) < wanted or at - story.recent[0][0] > span:
            return False
        shared = Counter(word for _, words in story.recent for word in words)
        return any(
            self._pace * self.vocabulary.chance(word) <= self.settings.alert_chance
            for word, posts in shared.items()
            if posts >= wanted - 1
        )

    def _neighbours(self, before: int, said: list[dict[int, float]], times: list[float]) -> list:
        """Append new texts to the window; return, for each, its nearest texts before it."""
        if not said:
            return []
        sizes = [len(words) for words in said]
        self._starts = np.append(self._starts, self._starts[-1] + np.cumsum(sizes))
        self._words = np.append(
            self._words, np.fromiter((w for words in said for w in words), np.int32)
        )
        self._emphasis = np.append(
            self._emphasis,
            np.fromiter((e for words in said for e in words.values()), np.float32),
        )
        settled = len(self._past_times)
        recent = self._weighed(settled)  # the texts since the boundary, the new ones at the end
        new = recent[before - settled :]
        self._past.resize((recent.shape[1], settled))
        row, col, alike = _pairs(
            [_without(new, self._pruned) @ self._past, new @ recent.T], 1 - self.settings.distance
        )
        last = np.append(self._past_times, self._last[settled:])
        age = np.maximum(last[row + before] - last[col], 0.0)
        near = alike * np.exp(-age / (self.settings.decay_hours * HOUR))
        kept = np.flatnonzero((near > 1 - self.settings.distance) & (col < row + before))
        kept = kept[np.lexsort((-col[kept], -near[kept], row[kept]))]
        bounds = np.searchsorted(row[kept], np.arange(len(said) + 1)).tolist()
        found = list(
            zip(col[kept].tolist(), near[kept].tolist(), alike[kept].tolist(), strict=True)
        )
        most = self.settings.neighbours
        return [found[begin : min(end, begin + most)] for begin, end in pairwise(bounds)]

    def _weighed(self, first: int) -> sp.csr_matrix:
        """Return the texts of the window from row `first`, one unit vector each."""
        begin = self._starts[first]
        words = self._words[begin:]
        values = (self._emphasis[begin:] * self.vocabulary.weight[words]).astype(np.float32)
        starts = self._starts[first:] - begin
        norms = (
            np.sqrt(np.add.reduceat(np.append(values * values, 0), starts[:-1]))
            if len(starts) > 1
            else np.zeros(0)
        )
        values /= np.repeat(np.where(norms > 0, norms, 1), np.diff(starts)).astype(np.float32)
        shape = (len(starts) - 1, len(self.vocabulary.numbers))
        return sp.csr_matrix((values, words, starts), shape=shape)

    def _settle(self) -> None:
        """Between two batches: forget the old, weigh words anew, merge stories that came close."""
        last = np.array(self._last)
        alive = last > self.clock - self.horizon
        if len(last) > self.settings.window:
            latest = np.argsort(-last, kind="stable")[: self.settings.window * 3 // 4]
            alive &= np.isin(np.arange(len(last)), latest)
        if alive.sum() < 0.75 * len(last):
            self._keep(alive)
        if len(self.vocabulary.numbers) > self.settings.vocabulary:
            self._words = self.vocabulary.forget(self._words)[self._words].astype(np.int32)
            bounds = pairwise(self._starts.tolist())
            self._keys = [tuple(sorted(self._words[a:b].tolist())) for a, b in bounds]
            self._by_text = {key: row for row, key in enumerate(self._keys)}
            for story in self._stories:  # numbers have changed: they gather evidence anew
                story.recent.clear()
        if len(self._by_post) > 4 * self.settings.window:  # copies that keep a text alive for ever
            latest = list(self._by_post.items())[-2 * self.settings.window :]
            self._by_post = dict(latest)
        self.vocabulary.tidy(4 * self.settings.vocabulary)
        self.vocabulary.weigh()
        self._marks.append((self.clock, self.count))
        while self._marks[0][0] < self.clock - self.settings.alert_minutes * 60:
            self._marks.popleft()
        self._pace = self.count - self._marks[0][1]
        self._past = self._weighed(0)
        if self.count >= self._next_merge:
            self._ask_again()
            self._merge()
            self._next_merge = self.count + max(16, len(self._rows) // 16)
        self._past = self._past.T.tocsr()
        self._past_times = np.array(self._last)
        self._pruned = np.flatnonzero(np.diff(self._past.indptr) > self.settings.postings)
        self._boundary = self.count + max(16, len(self._rows) // 64)

    def names(self) -> dict[str, str]:
        """Return, for each absorbed story, the story it is part of now."""
        into = {merge.absorbed: merge.into for merge in self.merges}
        for name in into:
            last = into[name]
            while last in into:
                last = into[last]
            into[name] = last
        return into

    def _keep(self, alive: np.ndarray) -> None:
        """Forget the texts that are not `alive`, and the stories that no text carries any more."""
        sizes = np.diff(self._starts)
        carried = np.repeat(alive, sizes)
        self._words, self._emphasis = self._words[carried], self._emphasis[carried]
        self._starts = np.append(0, np.cumsum(sizes[alive]))
        rows = np.flatnonzero(alive).tolist()
        moved = dict(zip(rows, range(len(rows)), strict=True))
        self._rows = [self._rows[row] for row in rows]
        self._keys = [self._keys[row] for row in rows]
        self._last = [self._last[row] for row in rows]
        self._by_text = {key: row for row, key in enumerate(self._keys)}
        self._by_post = {post: moved[row] for post, row in self._by_post.items() if row in moved}
        roots = [self._root(self._story[row]) for row in rows]
        numbers = {root: number for number, root in enumerate(sorted(set(roots)))}
        self._stories = [self._stories[root] for root in numbers]
        self._parents = list(range(len(numbers)))
        self._story = [numbers[root] for root in roots]

    def _ask_again(self) -> None:
        """Let small stories join the one that came near since: words are better known by now."""
        roots = np.array([self._root(story) for story in self._story])
        sizes = np.array([self._stories[root].size for root in roots])
        lone = np.flatnonzero(sizes <= self.settings.small)
        if not len(lone):
            return
        row, col, alike = _pairs(
            [_without(self._past[lone], self._pruned) @ self._past.T.tocsr()],
            1 - self.settings.distance,
        )
        last = np.array(self._last)
        age = np.abs(last[lone[row]] - last[col])
        near = alike * np.exp(-age / (self.settings.decay_hours * HOUR))
        kept = np.flatnonzero((near > 1 - self.settings.distance) & (col != lone[row]))
        kept = kept[np.lexsort((col[kept], -near[kept], row[kept]))]
        bounds = np.searchsorted(row[kept], np.arange(len(lone) + 1)).tolist()
        found_col, found_near = col[kept].tolist(), near[kept].tolist()
        for which, (begin, end) in zip(lone.tolist(), pairwise(bounds), strict=True):
            own = self._root(self._story[which])
            if self._stories[own].size > self.settings.small:
                continue
            votes: dict[int, float] = {}
            for at in range(begin, min(end, begin + self.settings.neighbours)):
                story = self._root(self._story[found_col[at]])
                if story != own:
                    votes[story] = votes.get(story, 0.0) + found_near[at]
            if votes:
                self._unite(own, max(votes, key=lambda story: (votes[story], -story)))

    def _merge(self) -> None:
        """Merge stories whose centres came close; the older one keeps its name."""
        if not self._rows:
            return
        roots, which = np.unique([self._root(s) for s in self._story], return_inverse=True)
        stories = [self._stories[root] for root in roots]
        oldest = self.clock - self.settings.merge_gap_hours * HOUR
        active = np.array([s.size >= 2 and s.last >= oldest for s in stories])
        chosen = np.flatnonzero(active)
        if len(chosen) < 2:
            return
        members = sp.csr_matrix(
            (np.ones(len(which), np.float32), (which, np.arange(len(which)))),
            shape=(len(roots), len(which)),
        )
        centres = _unit((members[chosen] @ self._past).tocsr())
        pairs = (centres @ centres.T).tocoo()
        close = (pairs.data >= self.settings.merge_similarity) & (pairs.row < pairs.col)
        order = np.lexsort((pairs.col[close], pairs.row[close], -pairs.data[close]))
        for a, b in zip(pairs.row[close][order], pairs.col[close][order], strict=True):
            self._unite(self._root(int(roots[chosen[a]])), self._root(int(roots[chosen[b]])))

    def _unite(self, into: int, absorbed: int) -> None:
        """Make one story of two; the older one keeps its name."""
        if into == absorbed:
            return
        if (self._stories[absorbed].first, absorbed) < (self._stories[into].first, into):
            into, absorbed = absorbed, into
        self._parents[absorbed] = into
        kept, gone = self._stories[into], self._stories[absorbed]
        kept.size += gone.size
        kept.last = max(kept.last, gone.last)
        kept.alerted |= gone.alerted
        both = sorted([*kept.recent, *gone.recent])[-self.settings.alert_posts :]
        kept.recent = deque(both)
        self.merges.append(Merge(gone.name, kept.name, self.clock, self.count))

    def _root(self, story: int) -> int:
        while self._parents[story] != story:
            story = self._parents[story] = self._parents[self._parents[story]]
        return story


def _unit(vectors: sp.csr_matrix) -> sp.csr_matrix:
    norms = np.sqrt(np.asarray(vectors.multiply(vectors).sum(1))).ravel()
    return sp.diags(1 / np.where(norms > 0, norms, 1)) @ vectors


def _pairs(blocks: list[sp.csr_matrix], least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, column and value of what exceeds `least` in blocks that stand side by side."""
    rows, columns, values, left = [], [], [], 0
    for block in blocks:
        kept = np.flatnonzero(block.data > least)
        rows.append(np.searchsorted(block.indptr, kept, side="right") - 1)
        columns.append(block.indices[kept].astype(np.int64) + left)
        values.append(block.data[kept])
        left += block.shape[1]
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def _without(vectors: sp.csr_matrix, words: np.ndarray) -> sp.csr_matrix:
    """Return `vectors` without `words`, lengths unchanged."""
    if not len(words):
        return vectors
    kept = np.ones(vectors.shape[1], np.float32)
    kept[words] = 0
    lighter = vectors @ sp.diags(kept)
    lighter.eliminate_zeros()
    return lighter.tocsr()


@lru_cache(maxsize=8)
def _stemmer(language: str) -> Callable[[str], str]:
    name = STEMMERS.get(language)
    return snowballstemmer.stemmer(name).stemWord if name else str


@lru_cache(maxsize=1 << 18)
def _stem(language: str, word: str) -> str:
    return _stemmer(language)(word)


@lru_cache(maxsize=8)
def _frequencies(language: str) -> dict[str, float]:
    return wordfreq.get_frequency_dict(language) if language in STEMMERS else {}


@lru_cache(maxsize=8)
def _stop_words(language: str) -> frozenset[str]:
    """Return what every text has: words one in a thousand or more, and the networks' own."""
    common = [word for word, share in _frequencies(language).items() if share >= 1e-3]
    parts = {part for word in common for part in _ANY_WORD.findall(word)}  # don't: don
    return frozenset(parts | {plain(part) for part in parts} | NETWORK_WORDS)


def plain(word: str) -> str:
    """Return `word` without accents."""
    if word.isascii():
        return word
    word = word.replace("œ", "oe").replace("æ", "ae")
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


def once(posts: str, columns: str) -> str:
    """Return the query of `columns` of `posts`, a post found under two subjects being one.

    Over a window, `post`, which spills: an aggregate would hold all texts in memory.
    """
    return f"""
        select * exclude (rang)
        from (
            select
                {columns},
                row_number() over (post order by texte) as rang
            from ({posts})
            window post as (partition by plateforme, publication_id)
        )
        where rang = 1
    """  # noqa: S608


def language_of(texts: Iterable[str | None], among: Sequence[str] = ("fr", "en")) -> str:
    """Return the language whose commonest words are met most (the first one if none is)."""
    met = Counter(word for text in texts for word in (text or "").lower().split())
    scores = {
        language: sum(met[word] for word in wordfreq.top_n_list(language, 100) if len(word) > 1)
        for language in among
    }
    return max(among, key=lambda language: scores[language])


class Grouped(NamedTuple):
    """Posts with their stories, and what was found on the way."""

    posts: pa.Table
    merges: pa.Table
    alerts: pa.Table


def group(posts: pa.Table, language: str = "fr", settings: Settings | None = None) -> Grouped:
    """Group `posts` (publication_id, texte, publie_at) in order of time; rows keep their order.

    `histoire_id` is the first post of the story as known after the last row; `histoire_initiale_id`
    is what was answered when the post arrived. Both are null where a text says nothing comparable.
    """
    ids = np.array([str(post) for post in posts["publication_id"].to_pylist()], dtype=str)
    order = np.lexsort((ids, _filled(seconds(posts["publie_at"]))))
    stream = Stream(language, settings)
    arrived = arrivals(stream, posts.take(pa.array(order)))
    arrived = arrived.take(pa.array(np.argsort(order)))
    names = stream.names()
    last = [names.get(story, story) for story in arrived["histoire_initiale_id"].to_pylist()]
    table = arrived.add_column(1, "histoire_id", pa.array(last, pa.string()))
    alerts = pa.table(
        {
            "histoire_id": pa.array(
                [names.get(alert.story, alert.story) for alert in stream.alerts], pa.string()
            ),
            "publication_id": pa.array([alert.post for alert in stream.alerts], pa.string()),
            "alerte_at": _moments([alert.at for alert in stream.alerts]),
            "publications_count": pa.array([alert.posts for alert in stream.alerts], pa.int64()),
        }
    )
    return Grouped(table, merges(stream), alerts)


ARRIVALS = pa.schema(
    [
        ("publication_id", pa.string()),
        ("histoire_initiale_id", pa.string()),
        ("proche_de_id", pa.string()),
        ("proximite", pa.float64()),
        ("methode_version", pa.string()),
    ]
)


def arrivals(stream: Stream, posts: pa.Table | pa.RecordBatch) -> pa.Table:
    """Let `posts` arrive, in the order of their rows, and return what is answered to each."""
    ids = [str(post) for post in posts["publication_id"].to_pylist()]
    found = stream.add(ids, posts["texte"].to_pylist(), seconds(posts["publie_at"]).tolist())
    return pa.table(
        [
            ids,
            [answer.story for answer in found],
            [answer.nearest for answer in found],
            [answer.likeness for answer in found],
            [VERSION] * len(ids),
        ],
        schema=ARRIVALS,
    )


def merges(stream: Stream) -> pa.Table:
    """Return which stories joined which other one, and when."""
    return pa.table(
        {
            "histoire_id": pa.array([merge.absorbed for merge in stream.merges], pa.string()),
            "rejoint_id": pa.array([merge.into for merge in stream.merges], pa.string()),
            "rejoint_at": _moments([merge.at for merge in stream.merges]),
        }
    )


def copies(texts: Sequence[str | None], language: str = "fr") -> np.ndarray:
    """Return, for each text, the row of the nearest text before it that it repeats, or -1.

    Found by the rare words they share, kept if they share a third of all their words.
    """
    settings = Settings(
        distance=1 - _COPY_LIKENESS,
        decay_hours=float("inf"),
        capital=1.0,
        hashtag=1.0,
        rare=1.0,
        unknown=1.0,
        window=1 << 40,
    )
    rows = [str(row) for row in range(len(texts))]
    answers = Stream(language, settings).add(rows, texts, [0.0] * len(texts))
    links = np.full(len(texts), -1)
    for row, answer in enumerate(answers):
        if answer.nearest is not None:
            before = int(answer.nearest)
            if repeats(texts[row] or "", texts[before] or ""):
                links[row] = before
    return links


def repeats(text: str, before: str) -> bool:
    """Tell whether two texts share the words that make one the copy of the other."""
    one, other = (
        set(_ANY_WORD.findall(plain(Vocabulary.NOT_WORDS.sub(" ", t[: Vocabulary.TEXT]).lower())))
        for t in (text, before)
    )
    return len(one & other) >= COPY * max(1, len(one | other))


def whole_stories(pages: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Cut posts in order of story into tables of about `rows`, no story in two of them."""
    held: list[pa.RecordBatch] = []
    for page in pages:
        if held and sum(map(len, held)) >= rows:
            last = held[-1]["histoire_id"][-1].as_py()
            ends = pc.index(pc.not_equal(page["histoire_id"], last), True).as_py()
            if ends >= 0:
                yield pa.Table.from_batches([*held, page.slice(0, ends)])
                held = []
                page = page.slice(ends)
        held.append(page)
    if held:
        yield pa.Table.from_batches(held)


SPREADING = "non vérifié, se propage"
QUIET = "non vérifié, ne progresse plus"
ANSWERED = "réponse officielle vue"
OFFICIAL_SITES = ("gouv.fr",)


def describe(
    posts: pa.Table,
    lexicon: pa.Table,
    settings: Settings | None = None,
    official_sites: Sequence[str] = OFFICIAL_SITES,
    language: str = "fr",
    least: int = 2,
    now: float | None = None,
    vocabulary: Vocabulary | None = None,
) -> pa.Table:
    """Return one row per story of at least `least` posts, without judging whether it is true.

    `posts` has publication_id, histoire_id, publie_at, texte; and, where known, proche_de_id,
    plateforme, departement_code, portee_count, est_officiel (a post of ours). `lexicon` has code
    (`doute`, `dementi`) and motif, a regular expression over text in lower case without accents.

    Stories may be described some at a time, in order of name: then each post has `proche_texte`,
    the text of `proche_de_id`, and the calls share `now` (the last post of all, in seconds) and
    `vocabulary`.
    """
    settings = settings or settings_for(language)
    posts = posts.filter(pc.is_valid(posts["histoire_id"]))
    story_ids, story = np.unique(_strings(posts, "histoire_id"), return_inverse=True)
    times = _filled(seconds(posts["publie_at"])) if len(posts) else np.zeros(0)
    order = np.lexsort((_strings(posts, "publication_id"), times, story))
    story, times = story[order], times[order]
    bounds = np.searchsorted(story, np.arange(len(story_ids) + 1))
    said = posts["texte"].to_pylist()
    texts = [said[row] or "" for row in order]
    bare = [plain(text.lower().replace("’", "'")) for text in texts]
    marks = _marks(bare, lexicon)
    ours = _values(posts, "est_officiel", order, False)
    links = [any(_links_to(text, site) for site in official_sites) for text in texts]
    if "proche_texte" in posts.column_names:
        before = _values(posts, "proche_texte", order, None)
    else:
        text_of = dict(zip(_values(posts, "publication_id", order, None), texts, strict=True))
        before = [text_of.get(near) for near in _values(posts, "proche_de_id", order, None)]
    copied = [
        other is not None and repeats(text, other)
        for other, text in zip(before, texts, strict=True)
    ]
    networks = _values(posts, "plateforme", order, None)
    places = _values(posts, "departement_code", order, None)
    reaches = _values(posts, "portee_count", order, 0)
    vocabulary = vocabulary or Vocabulary(language, settings)
    words = [list(vocabulary.read(text)) for text in texts]
    if now is None:
        now = float(times.max()) if len(times) else 0.0
    rows: list[dict[str, object]] = []
    for number, (begin, end) in enumerate(pairwise(bounds.tolist())):
        count = end - begin
        if count < least:
            continue
        when = times[begin:end]
        inside = slice(begin, end)
        rise = _rise(when, settings)
        answered = [
            (times[row], "compte" if ours[row] else "lien")
            for row in range(begin, end)
            if ours[row] or links[row]
        ]
        answer_at, answer = answered[0] if answered else (None, None)
        hour = np.searchsorted(when, when + HOUR, side="right") - np.arange(count)
        still = now - when[-1] <= settings.decay_hours * HOUR
        doubts = sum(marks["doute"][inside])
        denials = sum(marks["dementi"][inside])
        rows.append(
            {
                "histoire_id": str(story_ids[number]),
                "premiere_at": when[0],
                "derniere_at": when[-1],
                "montee_at": rise,
                "publications_count": count,
                "copies_count": sum(copied[inside]),
                "vitesse_max_par_heure": int(hour.max()),
                "doublement_minutes": _doubling(when),
                "portee_count": sum(reach or 0 for reach in reaches[inside]),
                "plateformes": sorted({n for n in networks[inside] if n}),
                "departements": _told_in(places[inside]),
                "mots": _carrying(words[inside], vocabulary),
                "doute_count": doubts,
                "dementi_count": denials,
                "origine_officielle": bool(ours[begin]),
                "reponse_officielle": answer,
                "reponse_at": answer_at,
                "reponse_delai_minutes": (
                    None if answer_at is None or rise is None else (answer_at - rise) / 60
                ),
                "etat": ANSWERED if answer else SPREADING if rise and still else QUIET,
                "methode_version": VERSION,
            }
        )
    columns = {name: [row[name] for row in rows] for name in DESCRIPTION.names}
    for name in ("premiere_at", "derniere_at", "montee_at", "reponse_at"):
        columns[name] = _moments(columns[name])  # type: ignore[assignment]
    return pa.table(columns, schema=DESCRIPTION)


MOMENT = pa.timestamp("us", tz="UTC")
DESCRIPTION = pa.schema(
    [
        ("histoire_id", pa.string()),
        ("premiere_at", MOMENT),
        ("derniere_at", MOMENT),
        ("montee_at", MOMENT),
        ("publications_count", pa.int64()),
        ("copies_count", pa.int64()),
        ("vitesse_max_par_heure", pa.int64()),
        ("doublement_minutes", pa.float64()),
        ("portee_count", pa.int64()),
        ("plateformes", pa.list_(pa.string())),
        ("departements", pa.list_(pa.string())),
        ("mots", pa.list_(pa.string())),
        ("doute_count", pa.int64()),
        ("dementi_count", pa.int64()),
        ("origine_officielle", pa.bool_()),
        ("reponse_officielle", pa.string()),
        ("reponse_at", MOMENT),
        ("reponse_delai_minutes", pa.float64()),
        ("etat", pa.string()),
        ("methode_version", pa.string()),
    ]
)


def _rise(when: np.ndarray, settings: Settings) -> float | None:
    """Return when enough posts had come within the hour, if they ever had."""
    most = settings.alert_posts - 1
    sudden = np.flatnonzero(when[most:] - when[: len(when) - most] <= settings.alert_minutes * 60)
    return float(when[sudden[0] + most]) if len(sudden) else None


def _doubling(when: np.ndarray) -> float | None:
    """Return the fewest minutes in which the story went from n posts to 2 n, n being 4 or more."""
    half = np.arange(4, len(when) // 2 + 1)
    return float((when[2 * half - 1] - when[half - 1]).min() / 60) if len(half) else None


def _carrying(words: list[list[int]], vocabulary: Vocabulary, most: int = 6) -> list[str]:
    """Return the words that carry a story: rare, and in many of its posts."""
    carriers = Counter(word for said in words for word in said)
    least = max(2, len(words) / 10)
    scores = {
        word: count * float(vocabulary.weight[word])
        for word, count in carriers.items()
        if count >= least
    }
    best = sorted(scores, key=lambda word: (-scores[word], vocabulary.written[word]))[:most]
    return [vocabulary.written[word].lstrip("#") for word in best]


def _told_in(places: Sequence[str | None]) -> list[str]:
    """Return the places that a tenth of the posts that tell one tell, the most told first."""
    told = Counter(place for place in places if place)
    kept = [place for place, count in told.items() if 10 * count >= told.total()]
    return sorted(kept, key=lambda place: (-told[place], place))


def _marks(bare: list[str], lexicon: pa.Table) -> dict[str, list[bool]]:
    rows = list(zip(lexicon["code"].to_pylist(), lexicon["motif"].to_pylist(), strict=True))
    marks = {}
    for code in ("doute", "dementi"):
        motifs = [f"(?:{motif})" for of, motif in rows if of == code]
        found = re.compile("|".join(motifs) or r"(?!)")
        marks[code] = [found.search(text[: Vocabulary.TEXT]) is not None for text in bare]
    return marks


def _links_to(text: str, site: str) -> bool:
    return bool(re.search(rf"https?://(?:[\w-]+\.)*{re.escape(site)}(?![\w.-])", text))


def _values(table: pa.Table, column: str, order: np.ndarray, default: object) -> list:
    if column not in table.column_names:
        return [default] * len(order)
    values = table[column].to_pylist()
    return [values[row] for row in order]


def _strings(table: pa.Table, column: str) -> np.ndarray:
    return np.array([str(value) for value in table[column].to_pylist()], dtype=object).astype(str)


def seconds(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of timestamps (UTC where they tell nothing) in seconds, NaN where unknown."""
    micro = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
    return micro.to_numpy(zero_copy_only=False).astype(float) / 1e6


def _filled(times: np.ndarray) -> np.ndarray:
    """Return `times` where the unknown ones are those of the row before."""
    known = np.where(np.isnan(times), -1, np.arange(len(times)))
    last = np.maximum.accumulate(known) if len(times) else known
    return np.where(last >= 0, times[np.maximum(last, 0)], 0.0)


def _moments(values: Sequence[float | None]) -> pa.Array:
    micro = [None if value is None else round(value * 1e6) for value in values]
    return pa.array(micro, pa.int64()).cast(MOMENT)
