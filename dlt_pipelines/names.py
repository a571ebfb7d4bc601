"""Where a French text names a person: titles, signatures and formulas, first names in context.

The lists of `names.toml` say what a word may be, the words around it say what it is: « Rose m'a
reçue » and not « la carte rose », « Florence Martin » and not « à Florence », « M. Le Goff » and
not « M. le maire ». Everyday words come from wordfreq, by how common they are in French.
"""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from itertools import combinations
from pathlib import Path

import wordfreq

HELD = "￼"  # stands for what is already masked: no word, no blank, no end of a sentence


# --- What a word may be ---------------------------------------------------------------------------


def _unaccented(word: str) -> str:
    return unicodedata.normalize("NFD", word.replace("œ", "oe")).encode("ascii", "ignore").decode()


def _spellings(word: str) -> Iterator[str]:
    """Yield `word` with each of its accents kept or forgotten: Jérôme, Jerôme, Jérome, Jerome."""
    accented = [place for place, letter in enumerate(word) if not letter.isascii()]
    for count in range(len(accented) + 1):
        for forgotten in combinations(accented, count):
            yield "".join(
                _unaccented(letter) if place in forgotten else letter
                for place, letter in enumerate(word)
            )


def _listed() -> dict[str, frozenset[str]]:
    text = Path(__file__).with_name("names.toml").read_text("utf-8")
    return {
        name: frozenset(spelling for word in words.split() for spelling in _spellings(word))
        for name, words in tomllib.loads(text).items()
    }


_LISTED = _listed()
ANY, CAPITAL, WORD, CALENDAR, PLACE = "any", "capital", "word", "calendar", "place"

TITLES = _LISTED["titles"]
RANKS = _LISTED["ranks"]
_FORCES = _LISTED["forces"]
_AFTER_RANK = _LISTED["after_rank"]
KIN = _LISTED["kin"]
_SAID = _LISTED["said"]
_LABELS = _LISTED["labels"]
_BEFORE_SAID = re.compile(
    r"(?:\b(?:[mst]['’ ]|me |se |est |un |une |certain |certaine |le |la |les |l['’]|du |des |je "
    r"|par )"
    r"|[:;,.\n(]\s*|^)$",
    re.I,
)
_AFTER_NAME_LABEL = _LISTED["after_name_label"]
_CLOSING = _LISTED["closing"]
_PRESENCE = _LISTED["presence"]
_LIGHT_CLOSING = _LISTED["light_closing"]
_TOWARDS = _LISTED["towards"]
_DETERMINERS = _LISTED["determiners"]
_TO_PLACES = _LISTED["to_places"]
_NOUNS_BORNE = _LISTED["nouns_borne"]
_ADJECTIVES = _LISTED["adjectives"]
_PLACES = _LISTED["places"]
# Brands and bodies that begin like a person.
_NOBODY = re.compile(
    r"(?:france (?:connect|services?|travail|télévisions?|televisions?|rénov|renov|bleu|inter|info"
    r"|identité|identite|victimes|num|compétences|loisirs|terre|culture|musique|mobilités|"
    r"volontaires)"
    r"|paris (?:match|plage|habitat|saint)|leroy merlin|yves rocher|louis vuitton|marie claire"
    r"|pierre (?:et|&) vacances|pierre fabre|alain afflelou|franck provost|jean[- ]louis david"
    r"|charlie hebdo|sophia antipolis|nina ricci|michel et augustin|hugo boss|armand thiery"
    r"|mercedes benz|rose (?:bonbon|fuchsia|pâle)|marine (?:nationale|marchande)|credit agricole"
    r"|jean[- ]marc morandini|paul ricard|ben voyons|ben voilà|ben oui|ben non|ben je|max \d"
    r"|marie[- ]galante|charles[- ]de[- ]gaulle[- ](?:étoile|etoile)|georges pompidou)\b",
    re.I,
)
_PARTICLES = _LISTED["particles"]
_STOPS = _LISTED["stops"]
_ACRONYMS = _LISTED["acronyms"]


FIRST_NAMES: dict[str, str] = {
    name: kind
    for kind, names in (  # the most cautious list has the last word
        (ANY, _LISTED["first_names"]),
        (PLACE, _LISTED["place_first_names"]),
        (CALENDAR, _LISTED["calendar_first_names"]),
        (WORD, _LISTED["word_first_names"]),
        (CAPITAL, _LISTED["capital_first_names"]),
    )
    for name in names
}
SURNAMES = _LISTED["surnames"]
WORD_SURNAMES = _LISTED["word_surnames"]


@cache
def _frequencies() -> dict[str, float]:
    """Return how common French words are (Zipf), with and without their accents, above 2."""
    common: dict[str, float] = {}
    for word, frequency in wordfreq.get_frequency_dict("fr").items():
        if frequency >= 1e-7:
            for form in {word, _unaccented(word)}:
                common[form] = max(frequency, common.get(form, 0))
    return common


@lru_cache(50_000)
def common(word: str) -> bool:
    """Say whether a word in small letters is one of everyday French."""
    return _frequencies().get(word, 0) >= 5e-6


@lru_cache(50_000)
def very_common(word: str) -> bool:
    return _frequencies().get(word, 0) >= 2e-5


@lru_cache(50_000)
def rare(word: str) -> bool:
    return _frequencies().get(word, 0) < 2e-7


@lru_cache(50_000)
def first_name(low: str) -> str | None:
    """Return which list of first names a word in small letters is of, None when it is of none."""
    if (kind := FIRST_NAMES.get(low)) or "-" not in low:
        return kind
    head, *rest = low.split("-")
    known = head in FIRST_NAMES or head in ("anne", "marie", "jean", "j")
    if not known or low.startswith(("marie-galante", "jean-mermoz")):
        return None
    return ANY if all(part in FIRST_NAMES or part in ("m", "p", "c") for part in rest) else None


# --- A text as words ------------------------------------------------------------------------------

_WORDS = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_BLANK = re.compile(r"[ \t\xa0\u202f]{1,3}")
_FULL_STOP = re.compile(r"[.!?…\n:;«\"“(•*>]")
_ACTS = re.compile(
    r"[ \xa0]?,?[ \xa0](?:m['’ ]?(?:a|as|ont|avait|appelle|accompagn\w+|aid\w+|expliqu\w+) |"
    r"(?:nous|vous|lui|les|l['’]) ?(?:a|avait|ont) "
    r"|a (?:été|ete|su|pris|répondu|repondu|bien|très|fait|tout|vraiment|parfaitement|refusé|"
    r"traité|toujours)\b"
    r"|(?:était|etait) (?:très|tres|à|vraiment|super)\b|s['’]est\b|est (?:très|venue?|vraiment|"
    r"super|adorable|au top|formidable)"
    r"|qui (?:m|nous|a|est|s|travaille|était)\b|et son équipe|(?:,|\() ?(?:l['’])?(?:agente?|"
    r"hôtesse|conseillère|la gendarme|votre))",
    re.I,
)


_WELCOMES = re.compile(
    r" (?:m['’ ]a|nous a|m['’ ]ont) (?:(?:très|vraiment|super|si|parfaitement|tout de suite|bien|"
    r"également|aussi|fort) )*"
    r"(?:re[çc]u|renseign|aid|accueil|expliqu|répondu|repondu|guid|accompagn|écout|ecout|rassur|"
    r"orient|appel|rappel|"
    r"conseill|pris|trait|menac|frapp|insult|harcel|harcèl|vol|arnaqu|soutenu|remis|dit|dem)"
)


_UNKNOWN_ACTS = re.compile(r"\b[^\W\d_]{3,}(?= (?:m['’ ]a|nous a|m['’ ]ont) )")


class _Text:
    """A text cut into words; each question about a word is asked by its place."""

    def __init__(self, text: str) -> None:
        self.text = text
        found = list(_WORDS.finditer(text))
        self.words = [match[0] for match in found]
        self.low = list(map(str.lower, self.words))
        self.start = [match.start() for match in found]
        self.end = [match.end() for match in found]
        # In a text that shouts, a capital says nothing.
        capitals = sum(map(str.isupper, self.words))
        long = sum(len(word) > 1 for word in self.words)
        self.shouts = capitals * 10 > 7 * max(long, 1) and long > 3

    def gap(self, place: int) -> str:
        """Return what stands between a word and the one before it."""
        return self.text[self.end[place - 1] if place else 0 : self.start[place]]

    def glued(self, place: int) -> bool:
        return 0 < place < len(self.words) and bool(_BLANK.fullmatch(self.gap(place)))

    def capital(self, place: int) -> bool:
        return not self.shouts and self.words[place][0].isupper()

    def begins(self, place: int) -> bool:
        """Say whether a word opens a sentence, where a capital says nothing."""
        return place == 0 or bool(_FULL_STOP.search(self.gap(place)))

    def elided(self, place: int) -> bool:
        """Say whether a word is cut by an apostrophe: j', l', d'."""
        return len(self.words[place]) <= 4 and self.text[self.end[place] : self.end[place] + 1] in (
            "'",
            "’",
        )

    def initial(self, place: int) -> bool:
        word = self.words[place]
        return (
            place < len(self.words)
            and word.isupper()
            and (len(word) == 1 or bool(re.fullmatch(r"[A-Z]-[A-Z]|JP|JC|JM|JF|JL|JB|MC|ML", word)))
            and not self.elided(place)
        )

    # --- surnames

    def surname_after(self, place: int, loose: int) -> int:
        """Return the place after a first name and the surname that it may bear."""
        return self.surname(place + 1, loose) if self.glued(place + 1) else place + 1

    def surname(self, place: int, loose: int) -> int:
        """Return the place after the surname that begins at `place`, `place` itself if none does.

        Args:
            place: of its first word.
            loose: 2 after what says a name outright, 1 after a title, 0 after a first name.
        """
        after = place
        for _ in range(3):
            if after > place and after < len(self.words) and HELD in self.gap(after):
                break  # what is already masked stands between: the name ended before it
            grown = self._surname_word(after, loose, again=after > place)
            if grown == after:
                break
            after = grown
        return after

    def _surname_word(self, place: int, loose: int, again: bool) -> int:
        at = place
        count = len(self.words)
        while (
            at < count
            and at - place < 3
            and self.low[at] in _PARTICLES
            and (at == place or self.glued(at) or self.gap(at) in ("'", "’"))
        ):
            at += 1
        if at >= count:
            return place
        if at > place:
            joined = self.glued(at) or self.gap(at) in ("'", "’")
            # « Le Goff », « de La Tour », « d'Estaing »; « le maire », « de la mairie ».
            low = self.low[at]
            # « van damme », « d'almeida »; but « la prefète », mistyped, is no surname.
            foreign = self.low[at - 1] not in ("le", "la", "les", "l", "du", "des")
            named = low in SURNAMES or (
                foreign and loose > 0 and not common(low) and low not in _STOPS
            )
            if self.capital(at):
                named = self._like(at, max(loose, 1)) and low not in _PLACES
                # « De La Tour »: particles with capitals are no grammar.
                named = named or (self.words[at - 1][0].isupper() and low not in _STOPS)
            return at + 1 if joined and named else place
        if self.initial(at) and (again or loose):
            dotted = self.text[self.end[at] : self.end[at] + 1] == "."
            following = at + 1 < count and self.gap(at + 1).strip(".") in ("", " ", "-", " - ")
            if dotted or (following and self.glued(at + 1)):
                return at + 1
            return place
        if self.elided(at):
            if (
                self.low[at] in ("d", "n", "o", "l", "m")
                and at + 1 < count
                and self.words[at][0].isupper()
                and self.gap(at + 1) in ("'", "’")
                and self.words[at + 1][0].isupper()
                and not very_common(self.low[at + 1])
            ):
                return at + 2
            return place
        return at + 1 if self._like(at, loose) else place

    def _like(self, place: int, loose: int) -> bool:
        """Say whether a word may be a surname."""
        low, word = self.low[place], self.words[place]
        if len(low) < 2:
            return False
        kind = first_name(low)
        if low in SURNAMES or (kind in (ANY, CAPITAL) and word[0].isupper()):
            return True
        if loose and (kind in (ANY, CAPITAL, WORD) or (kind and word[0].isupper())):
            return True
        if self.capital(place) and low in WORD_SURNAMES:
            return True
        if low in _STOPS or low in _ACRONYMS or (low in TITLES and low not in WORD_SURNAMES):
            return False
        if low.startswith(("saint-", "sainte-", "st-", "ste-")) and not loose:
            return False
        if self.capital(place):
            if low in WORD_SURNAMES:
                return True
            if word.isupper() and len(word) > 2:
                return not very_common(low) or loose > 0
            return not (very_common(low) if loose else common(low))
        if low in WORD_SURNAMES:
            return loose > 0 or low in _NOUNS_BORNE
        return not (common(low) if loose else not rare(low))

    # --- around

    def in_a_place(self, place: int) -> bool:
        """Say whether a name is that of a street, a school, a saint."""
        at = place - 1
        for _ in range(4):
            if at < 0 or not (self.glued(at + 1) or self.gap(at + 1) in ("'", "’", "-", ". ", ".")):
                return False
            low = self.low[at]
            if low in _PLACES or low.startswith("saint-"):
                return True
            if not (
                low in ("de", "du", "des", "la", "le", "l", "d", "les", "n", "aux", "à")
                or low in TITLES
                or low in RANKS
                or first_name(low)
                or self.words[at][0].isupper()
            ):
                return False
            at -= 1
        return False

    def before(self, place: int) -> str:
        """Return the word just before, nothing at the head of a sentence."""
        if place and (self.glued(place) or self.gap(place) in ("'", "’")):
            return self.low[place - 1]
        return ""


def persons(text: str) -> Iterator[tuple[int, int]]:
    """Yield where `text` names somebody, titles left out, in the order of the text."""
    told = _Text(text)
    doing = {match.start() for match in _UNKNOWN_ACTS.finditer(text)}
    done = 0
    for at, low in enumerate(told.low):
        if at < done:
            continue
        roles = _ROLES.get(low, ())
        if not roles and "-" in low and first_name(low):
            roles = (_by_first_name,)
        if told.start[at] in doing:
            roles = (*roles, _by_act)
        span = next(filter(None, (role(told, at) for role in roles)), None)
        if not span:
            continue
        first, done = span
        if not told.in_a_place(first):
            end = told.end[done - 1]
            if told.initial(done - 1) and text[end : end + 1] == ".":
                end += 1
            yield told.start[first], end


Span = tuple[int, int]


def _by_title(told: _Text, at: int) -> Span | None:
    word, low = told.words[at], told.low[at]
    if told.elided(at):
        return None
    following = at + 1
    if following >= len(told.words):
        return None
    gap = told.gap(following)
    if not re.fullmatch(r"\.?[ \t\xa0\u202f]{0,3}", gap) or (gap == "" and low not in ("m", "mr")):
        return None
    if "." in gap and low not in ("m", "mr", "mrs", "mm", "mme", "mlle", "dr", "pr", "me", "melle"):
        return None
    if low in ("me", "pr") and told.shouts and "." not in gap:
        return None
    if low in ("m", "me", "pr", "mm"):
        if not word[0].isupper():
            named = told.low[following]
            if low != "m" or not (
                named in SURNAMES
                or ("." in gap and (rare(named) or named in _NOUNS_BORNE or named in _PARTICLES))
            ):
                return None
        if low in ("m", "me", "pr") and "." not in gap and not told.words[following][0].isupper():
            return None
    after = told.surname(following, 1)
    if (
        after == following
        and told.initial(following)
        and low in ("m", "mme", "mlle", "mr", "madame", "monsieur")
    ):
        after = following + 1
    return (following, after) if after > following else None


def _by_rank(told: _Text, at: int) -> Span | None:
    following = at + 1
    while (
        following < len(told.words)
        and following - at < 5
        and told.low[following] in _AFTER_RANK
        and not told.capital(following)
        and (told.glued(following) or told.gap(following) in ("'", "’"))
    ):
        following += 1
    if following >= len(told.words) or told.gap(following).strip(" .\xa0"):
        return None
    low, word = told.low[following], told.words[following]
    full = told.glued(following + 1) and told.surname(following + 1, 0) > following + 1
    if (
        low in SURNAMES
        or first_name(low) in (ANY, CAPITAL)
        or told.initial(following)
        or (first_name(low) == WORD and full)
        or (told.elided(following) and word[0].isupper())
    ):
        pass
    elif not word[0].isupper():
        if not (
            low in _NOUNS_BORNE
            or (told.low[at] in _FORCES and rare(low) and len(low) > 3)
            or (
                low in _PARTICLES
                and told.low[following + 1 : following + 2]
                and (told.low[following + 1] in SURNAMES or rare(told.low[following + 1]))
            )
        ):
            return None
    elif first_name(low) in (PLACE, CALENDAR):
        return None
    elif told.shouts:
        if not (rare(low) or low in WORD_SURNAMES - _ADJECTIVES or low in _PARTICLES):
            return None
    elif (
        common(low)
        and low not in WORD_SURNAMES | _PARTICLES
        and not (word.isupper() and len(word) > 3)
    ):
        return None
    if following > at + 1 and told.low[following - 1] in ("de", "d", "du", "la", "l"):
        return None  # « brigadier de Quimper »
    after = told.surname(following, 1)
    return (following, after) if after > following else None


def _by_kin(told: _Text, at: int) -> Span | None:
    following = at + 1
    if not told.glued(following) and not (
        following < len(told.words) and told.gap(following) in (", ", " : ", " (")
    ):
        return None
    low = told.low[following]
    kind = first_name(low)
    if kind not in (None, CALENDAR) and (told.capital(following) or kind != PLACE):
        return following, told.surname_after(following, 0)
    if not told.glued(following) or low in _ACRONYMS or low in _STOPS:
        return None
    surnamed = told.glued(following + 1) and told.low[following + 1] in SURNAMES | _NOUNS_BORNE
    unknown = rare(low) and (told.shouts or surnamed)
    if (told.capital(following) and not common(low)) or unknown:
        after = told.surname(following, 1)
        return (following, after) if after > following else None
    return None


def _by_formula(told: _Text, at: int) -> Span | None:
    """« je m'appelle », « nommé », « nom : », « je soussignée »."""
    low = told.low[at]
    head = told.text[max(0, told.start[at] - 9) : told.start[at]]
    label = low in _LABELS
    if not label and low not in ("signé", "signée", "signe") and not _BEFORE_SAID.search(head):
        return None
    following = at + 1
    colon = False
    while following < len(told.words) and following - at < 6:
        gap = told.gap(following)
        if not re.fullmatch(r"[ \t\xa0\u202f:=,('’./-]{1,4}", gap):
            return None
        colon = colon or ":" in gap or "=" in gap or "est" in told.low[at + 1 : following]
        if (
            told.low[following] in _AFTER_NAME_LABEL and label and not told.capital(following)
        ) or told.low[following] in ("madame", "monsieur", "mme", "mr"):
            following += 1
        else:
            break
    if following >= len(told.words) or (label and not colon):
        return None
    first = told.low[following]
    kind = first_name(first)
    if first in _PARTICLES and (after := told.surname(following, 2)) > following:
        return following, after
    if first in _STOPS or (told.elided(following) and not told.words[following][0].isupper()):
        return None
    if kind or first in WORD_SURNAMES or not common(first):
        after = told.surname_after(following, 2)
        if kind or not told.initial(following):
            return following, max(after, following + 1)
    after = told.surname(following, 2)
    return (following, after) if after > following else None


def _by_presence(told: _Text, at: int) -> Span | None:
    """« je suis Xiomara Quispe », « reçue par … », « merci à … »: two words with capitals."""
    following = at + 1
    low = told.low[at]
    if low == "suis" and told.before(at) != "je":
        return None
    if low == "part" and told.before(at) != "la":
        return None
    if low == "appeler" and told.before(at) not in ("fait", "faisait", "faisant"):
        return None
    if low == "moi":  # « moi c'est Xiomara »
        if told.low[following : following + 2] != ["c", "est"]:
            return None
        following += 2
    alone = low in ("moi", "part", "présence", "presence", "appeler")
    linked = low in ("merci", "part", "attention", "présence", "presence")
    if linked and told.low[following : following + 1] in (["à"], ["a"], ["de"], ["d"]):
        following += 1
    if not told.glued(following) and not (
        following < len(told.words) and told.gap(following) in ("'", "’")
    ):
        return None
    named = (
        first_name(told.low[following]) not in (None, CALENDAR) and told.low[following] != "line"
    )
    if alone and (named or (told.words[following][0].isupper() and rare(told.low[following]))):
        return following, told.surname_after(following, 1)
    if not told.capital(following) or not told.glued(following + 1):
        return None
    if told.begins(at) and told.begins(following):
        return None
    low = told.low[following]
    second = told.low[following + 1]
    if first_name(low) in (CALENDAR, PLACE) or low in _STOPS or low in _ACRONYMS or common(low):
        return None
    if told.words[following].isupper() and first_name(second) not in (ANY, CAPITAL):
        return None
    if told.low[at] == "et" and not rare(low):
        return None
    after = told.surname(following + 1, 0)
    if not told.capital(following + 1) or after == following + 1:
        return None
    return following, after


def _by_closing(told: _Text, at: int) -> Span | None:
    """The name that ends a letter, or its line."""
    light = told.low[at] in _LIGHT_CLOSING
    if told.low[at] == "vous" and told.before(at) != "à":
        return None
    following, count = at + 1, len(told.words)
    if following >= count:
        return None
    if not re.fullmatch(r"[\s,.;!:\-–—]*", told.gap(following)):
        return None
    if light and _BLANK.fullmatch(told.gap(following)) and not told.capital(following):
        return None
    while following < count and told.low[following] in TITLES and told.low[following] != "m":
        following += 1
    first = following
    while following < count and following - first < 5:
        gap = told.gap(following)
        if following > first and not re.fullmatch(r"[ \t\xa0\u202f]{1,3}|\. ?|['’]|, ", gap):
            break
        low = told.low[following]
        if (
            following > first
            and following + 1 < count
            and (low in _PARTICLES or (low in ("o", "n") and told.elided(following)))
        ):
            following += 1
            continue
        if not (
            told.initial(following)
            or (
                low not in _STOPS
                and (first_name(low) not in (None, CALENDAR) or told._like(following, 2))
            )
        ):
            break
        following += 1
    if following == first:
        return None
    rest = told.text[told.end[following - 1] :]
    if not re.match(r"\.?[ \t]*(?:$|[\n￼]|[-–—,;(/|!]|\.(?:\s|$)|t[ée]l|\d|le \d)", rest):
        return None
    words = range(first, following)
    known = [first_name(told.low[place]) for place in words]
    if light:
        sure = any(kind in (ANY, CAPITAL) for kind in known) or (
            any(kind == WORD for kind in known) and told.capital(first)
        )
        pair = len(words) > 1 and all(
            (told.capital(p) and not common(told.low[p]))
            or told.low[p] in _PARTICLES
            or told.low[p] in SURNAMES
            for p in words
        )
        if not (sure or pair):
            return None
    elif len(words) == 1 and known[0] in (None, PLACE):
        low = told.low[first]
        if not (
            low in SURNAMES or low in WORD_SURNAMES or (not common(low) and low not in _ACRONYMS)
        ):
            return None
        if told.initial(first):
            return None
    return first, following


def _by_first_name(told: _Text, at: int) -> Span | None:
    low, word = told.low[at], told.words[at]
    kind = first_name(low)
    if told.elided(at) or _NOBODY.match(told.text, told.start[at]):
        return None
    capital = told.capital(at)
    if word.isupper() and len(word) < 4 and kind != ANY and not told.glued(at + 1):
        return None
    if word.isupper() and low in _ACRONYMS:
        return None
    after = at + 1
    if told.glued(after):
        after = told.surname(after, 1 if kind in (ANY, CAPITAL) and capital else 0)
    elif after < len(told.words) and told.gap(after) in (". ", ".", ".-") and told.initial(at):
        after = told.surname(after, 0)
    if told.glued(at + 1) and after == at + 1 and told.initial(at + 1):
        dotted = told.text[told.end[at + 1] : told.end[at + 1] + 1] == "."
        if capital and (dotted or told.begins(at + 2) if at + 2 < len(told.words) else True):
            after = at + 2
    first = _surname_first(told, at)
    full = after > at + 1 or first < at
    previous = told.before(at)
    if previous in ("saint", "sainte", "st", "ste"):
        return None
    if kind == ANY:
        return first, after
    acts = bool(_ACTS.match(told.text, told.end[at]))
    if kind == CAPITAL and capital:
        return first, after
    if not capital and kind != CALENDAR:
        named = (full and _sure(told, at, first, after)) or (acts and kind != PLACE)
        return (first, after) if named else None
    if full and kind != CALENDAR and previous not in ("la", "le", "une", "les", "carte"):
        other = told.low[at + 1] if after > at + 1 else told.low[first]
        if kind == WORD or other in SURNAMES or other in WORD_SURNAMES or rare(other):
            return first, after
    if kind == CALENDAR:
        listed = any(told.low[place] in SURNAMES for place in range(first, after) if place != at)
        return (first, after) if listed and (capital or told.shouts) else None
    if previous in _DETERMINERS:
        return None
    towards = previous in _TOWARDS or (
        previous in ("à", "a", "de", "d")
        and told.before(at - 1) in _TOWARDS | {"part", "nom", "aide"}
    )
    # « Sébastien et Maurice »
    towards = towards or (previous == "et" and first_name(told.before(at - 1)) in (ANY, CAPITAL))
    if kind == PLACE and previous in ("par", "chez", "selon"):
        towards = bool(re.search(r"(?:ée?s?|ie?s?|ue?s?)$", told.before(at - 1)))
    if (acts and (kind == WORD or previous not in _TO_PLACES)) or towards:
        return first, after
    if kind == PLACE:
        return None
    if told.begins(at):
        return None
    # A capital inside a sentence, unless its neighbours bear one too.
    if told.capital(at - 1) and not told.begins(at - 1):
        return None
    if told.glued(at + 1) and told.capital(at + 1):
        return None
    return first, after


def _by_surname(told: _Text, at: int) -> Span | None:
    """A listed surname beside a word that is none of the language, or that does what people do."""
    if not told.words[at][0].isupper() or _NOBODY.match(told.text, told.start[at]):
        return None
    before, after = at - 1, at + 1

    def unknown(place: int) -> bool:
        low = told.low[place]
        return (
            told.words[place][0].isupper() and rare(low) and low not in _ACRONYMS and len(low) > 2
        )

    if told.glued(at) and unknown(before) and not told.elided(before):
        return before, told.surname(after, 0) if told.glued(after) else after
    if told.glued(after) and unknown(after):
        return at, after + 1
    if (
        not told.shouts
        and _ACTS.match(told.text, told.end[at])
        and told.before(at) not in _DETERMINERS
    ):
        return at, after
    return None


def _by_act(told: _Text, at: int) -> Span | None:
    """« Eluan m'a très bien reçue »: a word that is none of the language, and what it does."""
    word, low = told.words[at], told.low[at]
    if (
        len(word) > 2
        and word[0].isupper()
        and word[1:].islower()
        and not told.elided(at)
        and _WELCOMES.match(told.text, told.end[at])
        and rare(low)
        and low not in _ACRONYMS
    ):
        first = at - 1 if told.glued(at) and told.capital(at - 1) and rare(told.low[at - 1]) else at
        return first, at + 1
    return None


def _sure(told: _Text, at: int, first: int, after: int) -> bool:
    """Say whether the surname beside a doubtful first name is nothing but a surname."""
    others = [place for place in range(first, after) if place != at]
    return any(told.low[place] in SURNAMES or rare(told.low[place]) for place in others)


def _surname_first(told: _Text, at: int) -> int:
    """Return where « DUPONT Jean » begins; `at` when no surname stands before."""
    if not at or not (told.glued(at) or told.gap(at) == ", "):
        return at
    before, low = told.words[at - 1], told.low[at - 1]
    if (
        low in _STOPS
        or low in _ACRONYMS
        or low in TITLES
        or low in RANKS
        or len(low) < 2
        or told.elided(at - 1)
    ):
        return at
    if told.shouts or not before[0].isupper():
        known = low in SURNAMES or (told.shouts and rare(low) and first_name(told.low[at]) == ANY)
        return at - 1 if known and told.gap(at) != ", " else at
    if before.isupper() and len(before) > 2 and (not very_common(low) or low in WORD_SURNAMES):
        return at - 1
    if told.gap(at) == ", ":
        return at
    if low in SURNAMES or (rare(low) and not told.begins(at - 1)):
        return at - 1
    return at


_ROLES: dict[str, tuple[Callable[[_Text, int], Span | None], ...]] = {}
for _words, _role in (
    (_LIGHT_CLOSING | _CLOSING, _by_closing),
    (_PRESENCE, _by_presence),
    (TITLES, _by_title),
    (_SAID | (_LABELS - RANKS - KIN), _by_formula),
    (KIN, _by_kin),
    (RANKS, _by_rank),
    (FIRST_NAMES, _by_first_name),
    (SURNAMES, _by_surname),
):
    for _word in _words:
        _ROLES[_word] = (*_ROLES.get(_word, ()), _role)


# --- Hints: what every text that names somebody bears ---------------------------------------------


def _any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(words))


def _bounded(words: Iterable[str]) -> str:
    """Return the RE2 of whole words; its own boundary knows no accents."""
    return "|".join(
        (r"\b" if word[0].isascii() else "") + word + (r"\b" if word[-1].isascii() else "")
        for word in sorted(words)
    )


def _hints() -> tuple[str, ...]:
    blank = r"[ \t\x{a0}\x{202f}]{1,3}"
    link = r"[ '’\x{a0}]{1,3}"
    gap = r"[ \t\x{a0}\x{202f},('’./-]{1,4}"
    ranks, kin, labels = _any_of(RANKS), _any_of(KIN), _any_of(_LABELS)
    titles = _any_of(TITLES - {"m", "mm", "me", "pr"})
    within = _any_of(_AFTER_NAME_LABEL | {"madame", "monsieur", "mme", "mr"})
    lower = _any_of(_NOUNS_BORNE | _PARTICLES)
    # A month or a country names nobody without a listed surname. RE2 slows down past a thousand.
    first = sorted(name for name, kind in FIRST_NAMES.items() if kind != CALENDAR)
    chunks = [first[start : start + 900] for start in range(0, len(first), 900)]
    return (
        rf"(?i)\b(?:{titles})(?:\.|\.?{blank})\pL",
        rf"\b(?:[Mm]{{1,2}}|Me|ME|Pr|PR)(?:\.|\.?{blank})\pL",
        rf"(?i:{ranks})(?:[ \x{{a0}}'’](?i:{_any_of(_AFTER_RANK)})){{0,4}}[ .\x{{a0}}]{{1,3}}"
        rf"(?:\p{{Lu}}|(?i:{lower})\b)",
        rf"(?i:{_any_of(_FORCES)}) \pL",
        rf"(?i:{kin})[ ,:(\x{{a0}}]{{1,3}}\p{{Lu}}",
        rf"(?i)(?:{_any_of(_SAID)})",
        rf"(?i)(?:{labels})(?:{gap}(?:{within}))*(?:{gap})?(?:[:=]|\best\b)",
        r"(?i)\bmoi,?[ \x{a0}]c['’ ]?est\b",
        rf"(?i)(?:la part|pr[ée]sence){blank}(?:(?:de|d){link})?\pL",
        rf"(?i)fai(?:t|sait|sant){blank}appeler",
        r"(?:^|[^\pL])\p{Lu}\p{Ll}{2,} (?:m['’ ]a|nous a|m['’ ]ont) ",
        rf"(?i:suis|par|part|avec|attention|merci|et){link}(?:(?i:à|a|de|d){link})?"
        rf"\p{{Lu}}[\pL-]*{blank}\p{{Lu}}",
        rf"(?i)(?:{_any_of(_CLOSING - {'vous'})}|à{blank}vous)[\s,.;!:–—-]*\pL",
        rf"(?i:{_any_of(_LIGHT_CLOSING)})[\s,.;!:–—-]+\p{{Lu}}[\pL'’-]*\.?{blank}"
        rf"(?:\pL{{1,5}}['’ ])*\p{{Lu}}",
        *(rf"(?i){_bounded(chunk)}" for chunk in (SURNAMES, *chunks)),
    )


HINTS = _hints()
