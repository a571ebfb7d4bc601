"""An invented stream of posts, as hard as real ones: events told in many ways amid chatter.

The words are those of a language with their true frequencies (wordfreq), so slips, names said once
and words everybody uses have their true share. Events of one domain share names and words; an event
has facets that follow one another, headlines that are copied and shortened, comments that hardly
name it; it rises in an hour or a day, dies, and sometimes comes back the next morning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import wordfreq

DAYS = 16
FOLLOW_UPS = 0.15  # share of events that follow from another
START = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
# Share of the day's posts, hour by hour (UTC): quiet nights, a peak in the evening.
HOURS = np.array([2, 1, 1, 1, 1, 2, 4, 5, 5, 5, 5, 5, 6, 5, 5, 5, 5, 6, 6, 7, 7, 6, 5, 3]) / 100
SYLLABLES = [
    "ba", "cor", "dal", "ex", "fi", "gou", "ham", "ju", "kar", "lem", "mon", "nis", "or", "pra",
    "qui", "ral", "sen", "tou", "vas", "yel", "zan",
]  # fmt: skip
CHATTER = {
    "fr": ["bonne nuit à tous", "j'ai aimé une vidéo", "mon horoscope du jour",
           "trop fatigué demain", "bon appétit à tous", "merci pour le partage",
           "je suis en direct"],
    "en": ["good night everyone", "i liked a video", "my horoscope today", "so tired tomorrow",
           "happy birthday to you", "thanks for the follow", "we are live now"],
}  # fmt: skip


@dataclass(frozen=True)
class Post:
    """One post; `event` is empty for chatter."""

    id: str
    text: str
    at: float
    event: str


class Lexicon:
    """Words of a language by how common they are."""

    def __init__(self, language: str, rng: np.random.Generator) -> None:
        shares = wordfreq.get_frequency_dict(language)
        words = [w for w in shares if w.isalpha() and len(w) > 1 and shares[w] > 3e-8]
        self.words = np.array(words)
        self.shares = np.array([shares[w] for w in words])
        self.rng = rng
        self.cumulated = np.cumsum(self.shares / self.shares.sum())
        self._between: dict[tuple[float, float], np.ndarray] = {}

    def chatter(self, count: int) -> list[str]:
        return self.words[np.searchsorted(self.cumulated, self.rng.random(count))].tolist()

    def between(self, low: float, high: float, count: int) -> list[str]:
        """Draw words whose Zipf frequency (log10 per billion) lies in [low, high)."""
        if (low, high) not in self._between:
            zipf = np.log10(self.shares) + 9
            long = np.char.str_len(self.words) >= 4
            self._between[low, high] = self.words[(zipf >= low) & (zipf < high) & long]
        fits = self._between[low, high]
        return [str(fits[i]) for i in self.rng.integers(0, len(fits), count)]

    def name(self) -> str:
        """Return a name nobody has heard."""
        return "".join(self.rng.choice(SYLLABLES, self.rng.integers(2, 4)))


class Event:
    """What happens, and the words for it."""

    def __init__(self, lexicon: Lexicon, domain: "Domain", before: "Event | None") -> None:
        rng = self.rng = lexicon.rng
        self.lexicon, self.domain = lexicon, domain
        self.size = int(np.clip(rng.lognormal(4.3, 1.5), 3, 6000))
        self.start = rng.uniform(0, DAYS - 1)
        self.rise, self.fall = rng.choice([1, 3, 12]), rng.lognormal(2.2, 0.7)  # hours
        self.returns = rng.random() < 0.25
        # Its names: known ones, new ones, and one that other events of the domain use too.
        self.names = lexicon.between(1.5, 4.6, rng.integers(1, 4))
        self.names += [lexicon.name()] if rng.random() < 0.3 else []
        rng.shuffle(self.names)
        self.names.append(_pick(rng, domain.names))
        self.naming = np.append(rng.uniform(0.8, 1.0), rng.uniform(0.2, 0.8, len(self.names) - 1))
        # Things to say, each in up to three ways.
        self.things = [
            [lexicon.between(3.0, 5.2, rng.integers(1, 4)) for _ in range(25)] for _ in range(4)
        ]
        if before:  # the same people a day or two later: another match, the resignation
            self.start = min(before.start + rng.uniform(0.3, 3), DAYS - 1)
            self.names[0] = before.names[0]
            self.things[0][::3] = before.things[0][::3]
        self.headlines = [(self.sentence(min(i // 4, 3), 0.9), self._link()) for i in range(16)]

    def moments(self) -> np.ndarray:
        """Return when it is talked of, in hours since the start of the stream."""
        rng = self.rng
        delay = rng.exponential(self.rise, self.size) + rng.exponential(self.fall, self.size)
        if self.returns:
            delay += 24 * rng.choice(3, self.size, p=[0.6, 0.3, 0.1])
        moments = np.sort(self.start * 24 + delay)
        # Nights are quiet: a post of the night often waits for the morning.
        night = (moments % 24 < 6) & (rng.random(self.size) < 0.8)
        return np.sort(moments + np.where(night, rng.uniform(4, 9, self.size), 0))

    def say(self, age: float) -> str:
        """Return a post of someone, at `age` from 0 (it begins) to 1 (all is said)."""
        rng = self.rng
        facet = int(np.clip(rng.normal(4 * age, 0.8), 0, 3))
        if rng.random() < 0.3:
            words, link = self.headlines[rng.integers(4 * facet, 4 * facet + 4)]
            words = [w for w in words if rng.random() > 0.15] + (
                self.lexicon.chatter(rng.integers(0, 6)) if rng.random() < 0.4 else []
            )
            return write(words, rng) + (f" {link}" if rng.random() < 0.7 else "")
        text = write(self.sentence(facet, 1.0), rng)
        return text + (f" {self._link()}" if rng.random() < 0.3 else "")

    def sentence(self, facet: int, naming: float) -> list[str]:
        rng = self.rng
        words = [
            name.capitalize()
            for name, share in zip(self.names, self.naming * naming, strict=True)
            if rng.random() < share
        ]
        about = rng.poisson(5.0)
        for _ in range(about):
            things = self.things[0] if rng.random() < 0.4 else self.things[facet]
            ways = things[min(int(rng.exponential(4)), len(things) - 1)]
            words.append(ways[min(int(rng.exponential(0.6)), len(ways) - 1)])
        words += [_pick(rng, self.domain.words) for _ in range(rng.poisson(1.5))]
        words += self.lexicon.chatter(rng.poisson(4))
        rng.shuffle(words)
        return words

    def _link(self) -> str:
        return f"https://ex.invalid/{self.rng.integers(1 << 40):x}"


class Domain:
    """Sport, weather, justice …: names and words that its events share."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.names = lexicon.between(3.5, 5.0, 6)
        words = lexicon.between(3.8, 5.4, 40)
        self.words = [word for rank, word in enumerate(words) for _ in range(40 // (rank + 1))]


def generate(
    seed: int = 1, language: str = "fr", events: int = 250, noise: float = 0.0
) -> list[Post]:
    """Return a stream of posts in order; `noise` is the share of posts about nothing."""
    rng = np.random.default_rng(seed)
    lexicon = Lexicon(language, rng)
    domains = [Domain(lexicon) for _ in range(8)]
    said: list[tuple[float, str, str]] = []
    told: list[Event] = []
    for number in range(events):
        before = told[rng.integers(len(told))] if told and rng.random() < FOLLOW_UPS else None
        domain = before.domain if before else domains[rng.integers(len(domains))]
        event = Event(lexicon, domain, before)
        told.append(event)
        moments = event.moments()
        span = max(moments[-1] - moments[0], 1e-9)
        for moment in moments:
            text = event.say((moment - moments[0]) / span)
            said.append((START + moment * 3600, text, f"e{number}"))
    for _ in range(int(len(said) * noise / (1 - noise))):
        day, hour = (
            rng.integers(DAYS),
            np.searchsorted(np.cumsum(HOURS), rng.random() * HOURS.sum()),
        )
        moment = START + (day * 24 + hour + rng.random()) * 3600
        said.append((moment, chat(lexicon, domains, language), ""))
    said.sort()
    return [Post(str(10**6 + i), text, at, event) for i, (at, text, event) in enumerate(said)]


def chat(lexicon: Lexicon, domains: list[Domain], language: str) -> str:
    rng = lexicon.rng
    kind = rng.random()
    words = lexicon.chatter(rng.poisson(11) + 1)
    if kind < 0.1:
        words = [_pick(rng, CHATTER[language]), *words[: rng.integers(0, 4)]]
    elif kind < 0.4:  # talk of the domain, not of an event
        domain = domains[rng.integers(len(domains))]
        words += [_pick(rng, domain.words) for _ in range(3)]
        words += [_pick(rng, domain.names).capitalize()] if rng.random() < 0.5 else []
        rng.shuffle(words)
    return write(words, rng)


def _pick(rng: np.random.Generator, among: Sequence[str]) -> str:
    return among[int(rng.random() * len(among))]


def write(words: list[str], rng: np.random.Generator) -> str:
    """Write as people do: no capitals, hashtags, slips, plurals, exclamation marks."""
    careless = rng.random() < 0.25
    written = []
    for word in words:
        if word[0].isupper() and rng.random() < 0.2:
            word = f"#{word}"
        elif len(word) > 4 and rng.random() < 0.15:
            word = word[:-1] if word[-1] in "sxe" else word + _pick(rng, "se")
        if len(word) > 4 and rng.random() < 0.02:
            at = rng.integers(1, len(word) - 1)
            word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        written.append(word.lower() if careless else word)
    text = " ".join(written)
    handle = f"@{_pick(rng, SYLLABLES)}{_pick(rng, SYLLABLES)} " if rng.random() < 0.2 else ""
    return handle + text + _pick(rng, ["", ".", " !", " 😡", "..."])
