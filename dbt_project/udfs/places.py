"""Places that a French text names, and how surely they say in which département it happens.

Received and inferred stay apart: what comes out is a département with a confidence and the words
that decided, never a correction of the text. A name that several départements share is settled by
the rest of the text, or not at all.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log10
from typing import Any

import pyarrow as pa
from wordfreq import zipf_frequency

VERSION = 1

FOUND = pa.schema(
    [("departement_code", pa.string()), ("confiance", pa.float64()), ("lieux", pa.string())]
)

# Words, and the signs that end what they have to do with each other.
TOKENS = re.compile(r"[^\W_]+|[.!?:;\n()\[\],/«»\"]")
STOPS = frozenset('.!?:;\n()[]«»"')


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARTICLES = frozenset({"le", "la", "les", "l"})
# What the article becomes after a preposition: `du Mans`, `aux Sables-d'Olonne`.
CONTRACTED = {"le": ("le", "au", "du"), "les": ("les", "aux", "des")}
LINKS = frozenset({"de", "du", "d", "des", *ARTICLES})

UNITS = _words(
    "brigade brigades gendarmerie gendarmeries cob bta bp psig bmo pmo peloton compagnie "
    "groupement caserne commissariat mairie commune ville village prefecture tribunal hopital "
    "agglomeration departement dept dpt canton arrondissement secteur ggd edsr unite"
)
LIVING = _words(
    "habite habitons habitant habitants habitante reside residons residant domicilie "
    "domiciliee vis vivons vit demeure demeurant"
)
AT = frozenset({"a", "au", "aux"})
NEAR = _words("de du d des sur vers pour depuis entre pres cote jusqu par rejoindre")
INSIDE = frozenset({"dans", "en"})
STREETS = _words(
    "rue avenue boulevard bd place route chemin quai impasse allee gare porte pont cours "
    "faubourg square rond autoroute hotel restaurant ecole college lycee stade association "
    "rive"
)
PEOPLE = _words(
    "m mr mme mlle monsieur madame mademoiselle messieurs docteur dr maitre me adjudant "
    "adjudante lieutenant capitaine major commandant colonel marechal logis gendarme "
    "brigadier sergent agent agente chef inspecteur policier professeur saint cher chere "
    "bonjour prenom nomme nommee appelle cordialement"
)
# One speaks or gives to persons, not to towns.
TO_PERSONS = _words(
    "dit parle demande repondu donne remis envoye ecrit telephone grace merci bravo confie"
)
# Communes that nobody means: a service of the State, a word that opens sentences.
NEVER = _words("thesee aucun")
# Départements whose name is a river, a sea, a point of the compass or a common word: the article
# alone says nothing (« la Loire déborde », « le nord de la ville »).
AMBIGUOUS = _words(
    "ain aisne allier ardeche ariege aube aude aveyron charente cher correze creuse dordogne "
    "doubs drome eure gard gers gironde herault indre isere jura landes loire lot manche "
    "marne mayenne meuse moselle nievre nord oise orne rhone sarthe savoie somme tarn var "
    "vendee vienne vosges yonne calvados essonne loiret vaucluse paris"
)
MONTHS = _words(
    "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre"
)
# After a number: it counts something, and is no département.
COUNTED = MONTHS | _words(
    "h heures heure jours jour mois ans an minutes euros eur km kilometres metres e eme ieme "
    "er arrondissement personnes fois pour pages abonnes habitants grammes kg siecle"
)
BEFORE_CODES = frozenset({"dep", "dept", "dpt", "departement", "dpts"})


def fold(text: str) -> str:
    """Return `text` in lower case without accents, `œ` and `æ` spelled out."""
    text = text.lower().replace("œ", "oe").replace("æ", "ae")
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return {"st": "saint", "ste": "sainte", "sts": "saints"}.get(bare, bare)


class _Folds(dict[str, str]):
    """The folded form of each word met, computed once."""

    def __missing__(self, word: str) -> str:
        if len(self) > 500_000:
            self.clear()
        folded = self[word] = fold(word)
        return folded


@dataclass(slots=True)
class Name:
    """A name and the places that bear it."""

    label: str
    communes: set[str] = field(default_factory=set)  # their départements
    departement: str | None = None
    region: frozenset[str] = frozenset()
    is_common: bool = False  # also an everyday word, or a person's name
    is_single: bool = True  # one word, its article apart


@dataclass(slots=True)
class Mention:
    """A name found in a text: the départements it can be of, and how surely it is a place."""

    codes: frozenset[str]
    confidence: float
    words: str


class Gazetteer:
    """The communes, départements and regions of the COG, ready to be looked for."""

    def __init__(
        self,
        communes: Iterable[Mapping[str, Any]],
        departements: Iterable[Mapping[str, Any]],
        regions: Iterable[Mapping[str, Any]],
        postcodes: Mapping[str, str] | None = None,
    ) -> None:
        """Take rows of the reference tables; `postcodes` are those of one département only."""
        self._names: dict[tuple[str, ...], Name] = {}
        self._folds = _Folds()
        self._postcodes = dict(postcodes or {})
        actual, former = [], []
        for row in communes:
            (actual if row["commune_type"] == "commune-actuelle" else former).append(row)
        departements = list(departements)
        self._codes = {row["departement_code"] for row in departements}
        by_region: dict[str, set[str]] = {}
        for row in departements:
            by_region.setdefault(row["region_code"], set()).add(row["departement_code"])
        for row in actual:
            self._add(row["commune_label"], row["population_count"]).communes.add(
                row["departement_code"]
            )
        # A commune that merged keeps its name in people's mouths, where no other took it.
        taken = set(self._names)
        for row in former:
            if row["commune_type"] == "arrondissement-municipal" or not row["departement_code"]:
                continue
            if self._words(row["commune_label"]) not in taken:
                name = self._add(row["commune_label"], row["population_count"])
                name.communes.add(row["departement_code"])
        for row in departements:
            name = self._add(row["departement_label"], 10**9)
            name.departement = row["departement_code"]
        for row in regions:
            if row["region_code"] in by_region:
                name = self._add(row["region_label"], 10**9)
                name.region = frozenset(by_region[row["region_code"]])
        self._trie: dict[str, Any] = {}
        for words, name in self._names.items():
            for variant in _variants(words):
                node = self._trie
                for word in variant:
                    node = node.setdefault(word, {})
                node[""] = name

    def _words(self, label: str) -> tuple[str, ...]:
        return tuple(self._folds[word] for word in TOKENS.findall(label) if word not in STOPS)

    def _add(self, label: str, population: int | None) -> Name:
        words = self._words(label)
        name = self._names.get(words)
        if name is None:
            own = [word for word in words if word not in ARTICLES]
            name = self._names[words] = Name(label, is_single=len(own) <= 1)
        if name.is_single:
            # A town is talked about as much as it is large; beyond, the word says something else.
            bare = re.sub(r"^(le |la |les |l['’])", "", label.lower())
            usage = zipf_frequency(bare, "fr")
            name.is_common = usage > max(2.6, log10(max(population or 500, 500)) - 0.1)
        return name

    def find(self, texts: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> pa.Table:
        """Return, for each text, the département it happens in (or null), how surely, and why."""
        if isinstance(texts, pa.Array | pa.ChunkedArray):
            texts = texts.to_pylist()
        decided = [self._decide(self.mentions(text)) if text else _NOWHERE for text in texts]
        columns = zip(*decided, strict=True) if decided else ((), (), ())
        return pa.table(
            [pa.array(c, f.type) for c, f in zip(columns, FOUND, strict=True)], schema=FOUND
        )

    def mentions(self, text: str) -> list[Mention]:
        """Return the places that `text` names, in order."""
        tokens = TOKENS.findall(text)
        folds = self._folds
        folded = [folds[token] for token in tokens]
        trie = self._trie
        found: list[Mention] = []
        lowered: bool | None = None
        place, count = 0, len(tokens)
        while place < count:
            token = folded[place]
            if token.isdigit() or token in ("2a", "2b"):
                mention = self._code(tokens, folded, place)
                if mention:
                    found.append(mention)
                place += 1
                continue
            if token[:3] in ("dep", "dpt") and token[3:].rjust(2, "0").upper() in self._codes:
                code = token[3:].rjust(2, "0").upper()
                found.append(Mention(frozenset({code}), 0.95, tokens[place]))
            node = trie.get(token)
            if node is None:
                place += 1
                continue
            name, end, ahead = None, place, place
            while node is not None:
                if "" in node:
                    name, end = node[""], ahead + 1
                ahead += 1
                node = node.get(folded[ahead]) if ahead < count else None
            if name is None or token in NEVER:
                place += 1
                continue
            if lowered is None:
                # Who never writes a capital says nothing by writing none.
                lowered = text == text.lower() or text == text.upper()
            mention = self._weigh(name, tokens, folded, place, end, lowered)
            if mention:
                found.append(mention)
            place = end
        return found

    def _code(self, tokens: list[str], folded: list[str], at: int) -> Mention | None:
        """Read a number that may be a département or a postcode."""
        code = tokens[at].upper()
        before = folded[at - 1] if at else ""
        second = folded[at - 2] if at > 1 else ""
        after = folded[at + 1] if at + 1 < len(folded) else ""
        if len(code) == 5 or (len(code) == 2 and len(after) == 3 and after.isdigit()):
            postcode = code if len(code) == 5 else code + after
            where = self._postcodes.get(postcode)
            beyond = folded[at + (1 if len(code) == 5 else 2) :][:1]
            if where is None or (beyond and beyond[0] in COUNTED):
                return None
            near = tokens[at + 1 : at + 2] if len(code) == 5 else tokens[at + 2 : at + 3]
            is_told = before in ("postal", "(", ",") or (near and near[0][:1].isupper())
            return Mention(frozenset({where}), 0.9 if is_told else 0.5, postcode)
        if len(code) == 1 and before in BEFORE_CODES:
            code = f"0{code}"
        if code not in self._codes or after in COUNTED or after == "/" or before == "/":
            return None
        if before in BEFORE_CODES or (before in LINKS | {"n", "no"} and second in BEFORE_CODES):
            return Mention(frozenset({code}), 0.95, code)
        if (before == "le" and second in INSIDE) or (before == "en" and not code.isdigit()):
            return Mention(frozenset({code}), 0.85, code)
        if before == "(" and after == ")" and second and tokens[at - 2][0].isupper():
            return Mention(frozenset({code}), 0.85, code)
        if not code.isdigit() and tokens[at][-1].isupper():
            return Mention(frozenset({code}), 0.7, code)
        if before in ("du", "le") and second in (UNITS | LIVING | {"gendarmes", "d", "du"}):
            return Mention(frozenset({code}), 0.8, code)
        return None

    def _weigh(
        self, name: Name, tokens: list[str], folded: list[str], start: int, end: int, lowered: bool
    ) -> Mention | None:
        """Say how surely the words from `start` to `end` are this place, from those around."""
        own = [t for t in tokens[start:end] if self._folds[t] not in ARTICLES | {"au", "aux", "du"}]
        is_capital = bool(own) and own[0][:1].isupper() and not lowered
        first, article = start, ""
        if folded[start] in ("le", "la", "les", "l", "au", "aux", "du", "des") and start + 1 < end:
            article = folded[start]
        # Back over the links, to the word that says what this is about.
        before = folded[first - 1] if first else ""
        back = first - 1
        while back >= 0 and folded[back] in LINKS:
            back -= 1
        cue = folded[back] if back >= 0 else ""
        link = folded[first - 1] if first and back < first - 1 else ""
        after = folded[end] if end < len(folded) else ""
        words = name.label
        if cue in PEOPLE and (not link or cue not in ("agent", "agente", "gendarme", "chef")):
            return None
        if cue in STREETS or (start and before in STREETS):
            return None
        is_unit = cue in UNITS and back >= first - 3
        if cue == "gendarmes" and link:
            is_unit = True

        if name.departement and (
            not name.communes or folded[start] in ARTICLES or self._says_departement(folded, start)
        ):
            codes = frozenset({name.departement})
            return self._weigh_departement(
                name, codes, words, cue, link, before, after, is_unit, is_capital, lowered
            )
        if name.region and not name.communes:
            if not is_capital and not lowered:
                return None
            return Mention(name.region, 0.7 if len(name.region) == 1 else 0.3, words)
        if not name.communes:
            return None

        codes = frozenset(name.communes)
        is_place = before in AT or article in AT
        if is_unit:
            confidence = 0.95 if is_capital else 0.0 if name.is_common and not lowered else 0.8
        elif cue in LIVING or (is_place and back >= 1 and folded[back - 1] in LIVING):
            confidence = 0.92 if is_capital else 0.7
        elif is_place:
            teller = folded[first - 2] if first > 1 else ""
            if teller in TO_PERSONS and (name.is_common or name.is_single):
                confidence = 0.3
            elif is_capital:
                confidence = 0.62 if name.is_common else 0.88
            else:
                confidence = 0.0 if name.is_common or (name.is_single and not lowered) else 0.65
        elif not is_capital and not lowered:
            confidence = 0.0 if name.is_single else 0.55
        elif not name.is_single:
            confidence = 0.8 if is_capital else 0.6
        elif name.is_common:
            confidence = 0.35 if is_capital and link else 0.0
        elif before in NEAR or before in ("et", "ou"):
            confidence = 0.7 if is_capital else 0.3
        elif start and tokens[start - 1][:1].isupper() and tokens[start - 1] not in STOPS:
            confidence = 0.2  # a first name, then a name
        elif is_capital and after in ("(", ",", ""):
            confidence = 0.62
        else:
            confidence = 0.5 if is_capital else 0.0
        if is_capital and end < len(tokens) and not is_unit and not is_place:
            # `Valence Dupont`: a name goes on.
            follows = tokens[end]
            if follows[:1].isupper() and follows[1:2].islower() and after not in COUNTED:
                confidence = min(confidence, 0.4)
        if name.is_single and own and len(own[0]) > 1 and own[0].isupper() and not lowered:
            # An acronym, as likely as a town.
            confidence = min(confidence, 0.7 if is_unit or is_place else 0.4)
        return Mention(codes, confidence, words) if confidence > 0 else None

    @staticmethod
    def _says_departement(folded: list[str], start: int) -> bool:
        """Tell whether a name that is a town's too is said as a département: with an article."""
        if not start:
            return False
        before = folded[start - 1]
        return before in ("la", "l", "le", "du", "en") or "departement" in folded[start - 3 : start]

    def _weigh_departement(
        self,
        name: Name,
        codes: frozenset[str],
        words: str,
        cue: str,
        link: str,
        before: str,
        after: str,
        is_unit: bool,
        is_capital: bool,
        lowered: bool,
    ) -> Mention | None:
        if not is_capital and not (lowered or not name.is_single):
            return None
        folded = self._folds[words]
        is_ambiguous = name.is_single and folded in AMBIGUOUS
        if folded == "nord" and after in ("de", "du", "d", "des", "est", "ouest", "pas"):
            return None
        if is_unit:
            confidence = 0.95 if is_capital else 0.6 if is_ambiguous else 0.85
        elif cue in INSIDE or before in INSIDE or cue in LIVING:
            confidence = 0.85 if is_capital else 0.4 if is_ambiguous else 0.75
        elif not name.is_single:
            confidence = 0.88 if is_capital else 0.7
        elif folded == "paris":
            confidence = 0.85 if before in AT and (is_capital or lowered) else 0.7
            confidence = confidence if is_capital or before in AT else 0.0
        elif is_ambiguous:
            confidence = 0.4 if is_capital and link else 0.15
        else:
            confidence = 0.75 if is_capital else 0.4
        return Mention(codes, confidence, words) if confidence > 0 else None

    @staticmethod
    def _decide(mentions: list[Mention]) -> tuple[str | None, float | None, str | None]:
        """Settle what several places share by the others, then keep one that stands out."""
        if not mentions:
            return _NOWHERE
        sure: dict[str, float] = {}
        for mention in mentions:
            if len(mention.codes) == 1 and mention.confidence >= 0.3:
                [code] = mention.codes
                sure[code] = max(sure.get(code, 0.0), mention.confidence)
        regions = [mention.codes for mention in mentions if len(mention.codes) > 1]
        doubt: dict[str, float] = {}
        named: dict[str, list[str]] = {}
        for mention in mentions:
            codes = mention.codes
            if len(codes) > 1:
                settled = codes & sure.keys()
                if not settled:
                    others = [own for own in regions if own is not codes and own != codes]
                    for own in others:
                        if len(codes & own) == 1:
                            settled = codes & own
                            break
                if len(settled) != 1:
                    continue
                codes = frozenset(settled)
            [code] = codes
            doubt[code] = doubt.get(code, 1.0) * (1 - mention.confidence)
            named.setdefault(code, []).append(mention.words)
        if not doubt:
            return _NOWHERE
        (best, least), *others = sorted(doubt.items(), key=lambda item: (item[1], item[0]))
        confidence = 1 - least
        if others:
            # Two places that are as sure say that we do not know.
            confidence *= 1 - min(1.0, (1 - others[0][1]) / (1 - least)) ** 4
        return best, round(confidence, 3), ", ".join(dict.fromkeys(named[best]))


_NOWHERE = (None, None, None)


def _variants(words: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    for first in CONTRACTED.get(words[0], (words[0],)):
        yield (first, *words[1:])
