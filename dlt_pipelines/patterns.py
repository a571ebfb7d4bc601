"""Where a French text bears a personal datum that has a form: an address, a number, a date.

A candidate counts only if its checksum, its numbering plan or the words around it agree: an
amount, a law, a version, a public 08 number or an administration's own address stays readable.
Each kind has hints in RE2, found in every text that bears one, which sort out the others in bulk.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

import phonenumbers
from stdnum import iban, luhn
from stdnum.fr import nir

from dlt_pipelines import names

Span = tuple[int, int]


class Kind(NamedTuple):
    """A kind of personal datum.

    Attributes:
        mark: what stands in its place.
        hints: RE2; where none is found, there is no such datum.
        find: where such data are, first to last.
    """

    mark: str
    hints: tuple[str, ...]
    find: Callable[[str], Iterator[Span]]


def _matching(
    candidate: str,
    reach: Callable[[re.Match[str]], int] = lambda match: match.end(),
    flags: re.RegexFlag = re.NOFLAG,
) -> Callable[[str], Iterator[Span]]:
    """Return what finds `candidate`; the datum is its group `datum`, or the whole of it.

    Args:
        candidate: where such a datum may be.
        reach: where it really ends, its start or less when it is none.
        flags: of the expression.
    """
    compiled = re.compile(candidate, flags)
    return partial(_spans, compiled, "datum" in compiled.groupindex, reach)


def _spans(
    candidate: re.Pattern[str],
    is_named: bool,
    reach: Callable[[re.Match[str]], int],
    text: str,
) -> Iterator[Span]:
    at = 0
    while match := candidate.search(text, at):
        start, end = match.start("datum") if is_named else match.start(), reach(match)
        if end > start:
            yield start, end
        at = max(end, match.start() + 1) if end > start else _next(match, start)


def _among(*finders: Callable[[str], Iterator[Span]]) -> Callable[[str], Iterator[Span]]:
    """Return what finds the data that any of `finders` finds, first to last."""
    return lambda text: iter(sorted(span for find in finders for span in find(text)))


def _next(match: re.Match[str], start: int) -> int:
    # What follows the first word of a candidate that is none may be one.
    inner = re.compile(r"\W|$").search(match.string, start)
    return max(match.start() + 1, min(match.end(), inner.end() if inner else match.end()))


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


BLANK = r"[ \t\xa0\u202f\u2009]"
# RE2 knows no named escapes of four digits.
BLANK2 = r"[ \t\x{a0}\x{202f}\x{2009}]"

# --- Links, accounts, electronic addresses --------------------------------------------------------

_SOCIAL = re.compile(
    r"(?:^|\.|/)(?:facebook|fb|instagram|twitter|x|linkedin|tiktok|snapchat|t|telegram|youtube|"
    r"discord"
    r"|vk|bsky|threads|pinterest|twitch|leboncoin|vinted|paypal|wa|whatsapp|onlyfans|github|m)"
    r"\.(?:com|me|fr|app|net|gg|tv|org)/[^\s/]",
    re.I,
)
_OFFICIAL_LINK = re.compile(
    r"^(?:https?://)?[\w.-]*(?:\.gouv\.fr|service-public\.fr|legifrance\.gouv\.fr|europa\.eu|"
    r"data\.gouv\.fr|wikipedia\.org)(?=[/?#:]|$)",
    re.I,
)
_KEYED = re.compile(
    r"[?&#;](?:\w*(?:id|token|user|usager|uid|sid|session|mail|nom|name|prenom|tel|phone|dossier|"
    r"ref"
    r"|reference|num|numero|key|cle|code|auth|client|compte|account|login|suivi|track\w*|hash|"
    r"sig\w*"
    r"|demande|identifiant|pseudo|contact|iban|nir|naissance|ddn|plainte|u|n|k))=[^&\s]{2,}",
    re.I,
)
_TOLD = re.compile(
    r"/(?:users?|utilisateurs?|usagers?|profile?s?|profil|u|membres?|member|comptes?|account|"
    r"clients?|dossiers?"
    r"|suivi|tracking|track|colis|demandes?|commandes?|plaintes?|messages?|espace-perso\w*|reset|"
    r"confirm\w*"
    r"|activation|unsubscribe|desinscription|in|signalements?|invoice|facture|share|partage|d|"
    r"document)/[\w.%@~+-]*[\d._%@-][\w.%@~+-]*",
    re.I,
)
_LONG = re.compile(
    r"[/=_-](?:\d{6,}|(?=[\w-]*\d)(?=[\w-]*[A-Za-z])(?:[0-9a-f]{8}-[0-9a-f-]{20,}|"
    r"[0-9A-Fa-f]{12,}|[\w]{20,}))"
)


def _link(match: re.Match[str]) -> int:
    link = match[0].rstrip(".,;:!?)]}'\"»’")
    bare = _KEYED.search(link) or "@" in link or names.HELD in link
    if _OFFICIAL_LINK.match(link):
        found = (
            bare
            or re.search(r"[?&=][^=&]*\d{5,}", link)
            or re.search(
                r"/(?:dossiers?|demandes?|suivi|usagers?|comptes?|plaintes?|signalements?|"
                r"profils?)/[\w-]*\d",
                link,
                re.I,
            )
        )
    else:
        found = (
            bare
            or _SOCIAL.search(link)
            or _TOLD.search(link)
            or _LONG.search(link)
            or re.search(r"[?&]\w+=[^&\s]*\d{4,}", link)
        )
    return match.start() + len(link) if found else 0


LINK = Kind(
    "[lien]",
    (r"(?i)https?:|www\.|\.(?:com|fr|net|org|me|eu|io|info|app|gg|tv|be|ch|link|ly)/",),
    _matching(
        r"(?<![\w@.])(?:https?://|www\.)[^\s<>\"«»]+"
        r"|(?<![\w@.-])(?:[a-z0-9-]+\.)+(?:com|fr|net|org|me|eu|io|info|app|gg|tv|be|ch|link|ly)"
        r"/[^\s<>\"«»]+",
        _link,
        re.I,
    ),
)

_AT = r"(?:[@＠]|\(at\)|\[at\]|\{at\}|\(@\)|\[@\]|\(arobase\)|\[arobase\])"
_PROVIDERS = (
    r"gmail|hotmail|outlook|yahoo|orange|wanadoo|free|sfr|laposte|live|icloud|neuf|bbox|"
    r"protonmail|proton|gmx|aol"
    r"|msn|numericable|club-internet|ymail|googlemail|zoho|tutanota"
)
_GENERIC = re.compile(
    r"(?:contact|accueil|info|infos|information|mairie|prefecture|préfecture|secretariat|service|"
    r"support|"
    r"assistance|noreply|no-reply|ne-pas-repondre|nepasrepondre|dpo|communication|courrier|"
    r"bureau|reclamations?|"
    r"signalement|brigade|bta|cob|gendarmerie|police|commissariat|standard|direction|mediateur|"
    r"urgence\w*|aide|"
    r"sav|webmaster|presse|admin|administration|greffe|urbanisme|etat-civil|etatcivil|ddpp|ddt|"
    r"pref|sp|cnil)\b",
    re.I,
)
_OFFICIAL_DOMAIN = re.compile(
    r"[@＠](?:[\w-]+\.)*(?:gouv\.fr|service-public\.(?:fr|gouv\.fr)|cnil\.fr|ameli\.fr|caf\.fr|"
    r"urssaf\.fr|"
    r"senat\.fr|assemblee-nationale\.fr|justice\.fr|defenseurdesdroits\.fr|francetravail\.fr|"
    r"pole-emploi\.fr|"
    r"cybermalveillance\.gouv\.fr|17cyber\.fr|(?:mairie|ville|commune|departement|region|agglo|"
    r"metropole|cc|sdis)[\w-]*\.fr|"
    r"[\w-]*(?:mairie|ville)\.fr)$",
    re.I,
)


def _email(match: re.Match[str]) -> int:
    address = match[0]
    local = re.split(r"\s?" + _AT, address, flags=re.I)[0]
    if _OFFICIAL_DOMAIN.search(address):
        # Somebody's own box at an administration bears a name: prénom.nom@interieur.gouv.fr.
        parts = re.split(r"[._-]", local.lower())
        nominative = len(parts) > 1 and any(
            names.first_name(part) == names.ANY or part in ("jean", "marie", "pierre")
            for part in parts
        )
        nominative = nominative or bool(re.fullmatch(r"[a-z]\.[a-z-]{3,}", local.lower()))
        generic = _GENERIC.match(local)
        return match.end() if nominative and not generic else 0
    return match.end()


EMAIL = Kind(
    "[courriel]",
    (
        r"[@＠]|(?i:\(at\)|\[at\]|\{at\}|arobase|arobas)",
        r"(?i)[ \x{a0}](?:at|chez)[ \x{a0}](?:[\w-]+[ \x{a0}](?:dot|point)|(?:"
        + _PROVIDERS
        + r"))\b",
    ),
    _matching(
        r"(?<![\w.+%-])(?:[\w.+%'-]{1,64}(?<!['’])"
        rf"(?:{BLANK}?{_AT}{BLANK}?[\w-]{{1,63}}(?:(?:\.|{BLANK}?[\[(](?:dot|point|\.)[\])"
        rf"]{BLANK}?|{BLANK}point{BLANK}|{BLANK}dot{BLANK})[\w-]{{1,63}})+"
        rf"|{BLANK}?{_AT}{BLANK}?(?:{_PROVIDERS})(?:,[a-z]{{2,3}}\b|\b)"
        rf"|{BLANK}(?:arobase|arobas|at){BLANK}[\w-]{{1,63}}(?:(?:\.|{BLANK}(?:point|dot){BLANK}|"
        rf"{BLANK}?[\[(](?:dot|point|\.)[\])]{BLANK}?)[\w-]{{2,63}})+"
        rf"|{BLANK}(?:arobase|arobas){BLANK}(?:{_PROVIDERS})\b))",
        _email,
        re.I,
    ),
)

# Nobody's: the accounts of bodies.
_BODIES = re.compile(
    r"gendarm|police|pr[ée]fe[ct]|gouv|"
    r"^[@＠]?(?:interieur|service_?public|minist|elysee|mairie|ville(?:_?de|[_-])|pharos|cnil|ants|"
    r"sdis|pompier|samu|antai|dgccrf|urssaf|cpam|ameli|senat|assemblee|douane|justice|"
    r"cyber(?:malv|gend)|sncf|ratp|"
    r"laposte|france(?:info|inter|bleu|connect|travail|_?services|tv)|bfm|lemonde|leparisien|"
    r"ouest_?france|afp|"
    r"departement|region_?|academie|education|sante_?publique|meteo|vigi|place_?beauvau|"
    r"(?:everyone|all|ici|here|channel)$)",
    re.I,
)


def _account(match: re.Match[str]) -> int:
    handle = match["datum"].rstrip(".-")
    if _BODIES.search(handle) or len(handle) < 2:
        return 0
    return match.start("datum") + len(handle)


_NETWORK = (
    r"pseudo(?:nyme)?|insta(?:gram)?|snap(?:chat)?|tik[ -]?tok|telegram|twitter|discord|steam|"
    r"psn|xbox|facebook|fb|"
    r"messenger|twitch|vinted|leboncoin|skype|identifiant|login|compte (?:x|bluesky|mastodon|"
    r"youtube)|reddit|whatsapp"
)


def _named_account(match: re.Match[str]) -> int:
    handle = match["datum"].rstrip(".-_")
    strong = match["sure"] is not None
    odd = re.search(r"[\d_#]|\w\.\w", handle)
    if (
        _BODIES.search(handle)
        or not (odd or strong)
        or re.fullmatch(r"\d{1,4}|\w+\.(?:com|fr|net|org)", handle)
    ):
        return 0
    if not odd and (names.very_common(handle.lower()) or names.common(handle.lower())):
        return 0
    return match.start("datum") + len(handle)


ACCOUNT = Kind(
    "[compte]",
    (r"[@＠]|\bu/|#\p{Nd}{4}", rf"(?i)\b(?:{_NETWORK})\b"),
    _among(
        _matching(r"(?<![\w@.＠])(?P<datum>[@＠]\w[\w.-]*(?:@[\w-]+(?:\.[\w-]+)+)?)", _account),
        _matching(r"(?<![\w/])(?P<datum>u/\w[\w-]{2,}|\w[\w.]{1,31}#\d{4})(?!\w)", _account),
        _matching(
            rf"\b(?:{_NETWORK})(?!\w)(?:{BLANK}(?:est|c['’]est|sur|de|du|l['’]escroc|"
            r"utilisé|"
            rf"nommé|snap|insta)(?={BLANK}))*"
            rf"{BLANK}?(?P<sure>[:=]|est|c['’]est|«|\")"
            rf"?{BLANK}?[\"«“']?{BLANK}?(?P<datum>[^\W_][\w.#-]{{2,}})",
            _named_account,
            re.I,
        ),
    ),
)

# --- Numbers with a key ---------------------------------------------------------------------------


# How long an account number of the usual countries is; of the others, the key alone tells.
_IBAN_LENGTHS = dict(
    FR=27, MC=27, BE=16, DE=22, ES=24, IT=27, PT=25, LU=20, CH=21, GB=22, NL=18, IE=22, AT=20,
    PL=28, RO=24, LT=20, EE=20, LV=21, CY=28, MT=31, MA=28, TN=24, DZ=26, GR=27, SE=24, DK=18,
)  # fmt: skip


def _iban(match: re.Match[str]) -> int:
    """The words that follow an account number look like the end of it: the key tells where."""
    text = match[0]
    places = [place for place, letter in enumerate(text, 1) if letter.isalnum()]
    length = _IBAN_LENGTHS.get(text[:2].upper())
    for count in range(min(len(places), 34), 14, -1) if not length else (length,):
        if count <= len(places):
            end = places[count - 1]
            number = re.sub(r"[\W_]", "", text[:end])
            if iban.is_valid(number, check_country=False):
                return match.start() + end
    return 0


IBAN = Kind(
    "[iban]",
    (r"(?i:[A-Z]{2}[ \x{a0}]?\p{Nd}[ \x{a0}]?\p{Nd}(?:[ .\-\x{a0}\x{202f}]?[0-9A-Z]){6})",),
    _matching(
        r"\b[A-Z]{2}[ \xa0]?\d[ \xa0]?\d(?:[ .\-\xa0\u202f]{0,2}[0-9A-Z]){11,32}", _iban, re.I
    ),
)


def _nir(match: re.Match[str]) -> int:
    number = re.sub(r"[\s.\-_/]", "", match["datum"]).upper()
    without_key = re.fullmatch(
        r"[12]\d{2}(?:0[1-9]|1[0-2]|[2-4]\d|[5-9]\d)(?:0[1-9]|[1-8]\d|9[0-9]|2[AB])\d{6}", number
    )
    # A mistyped one still leads to somebody where it is called by its name.
    told = match["told"] and len(number) in (13, 15)
    born = without_key and re.match(r"...(?:0[1-9]|1[0-2])", number)
    return match.end() if born or told or nir.is_valid(number) else 0


NIR = Kind(
    "[nir]",
    (
        r"\p{Nd}(?:[ .\-_/\x{a0}\x{202f}]{0,2}\p{Nd}){12}",
        r"(?i:2[AB][ .\-_/\x{a0}]{0,2}\p{Nd}{3}[ .\-_/\x{a0}]{0,2}\p{Nd}{3})",
    ),
    _matching(
        r"(?P<told>(?:s[ée]cu(?:rit[ée] sociale)?|nir|vitale|insee|immatriculation sociale|"
        r"assur[ée]e?)\b\W{0,3}(?:\w+\W{1,3}){0,3})?"
        r"(?<!\d)(?P<datum>[1-478](?:[ .\-_/\xa0\u202f]{0,2}\d){2}(?:[ .\-_/\xa0\u202f]{0,2}\d)"
        r"{2}[ .\-_/\xa0\u202f]{0,2}(?:\d[ .\xa0]?\d|2[ ]?[AB])"
        r"(?:[ .\-_/\xa0\u202f]{0,2}\d){6}(?:[ .\-_/\xa0\u202f]{0,3}\d[ .]?\d)?)(?!\d)",
        _nir,
        re.I,
    ),
)


def _card(match: re.Match[str]) -> int:
    digits = _digits(match[0])
    return (
        match.end()
        if 13 <= len(digits) <= 19 and luhn.is_valid(digits) and len(set(digits)) > 1
        else 0
    )


CARD = Kind(
    "[carte]",
    (r"\p{Nd}(?:[ .\-_/\x{a0}\x{202f}]{0,2}\p{Nd}){12}",),
    _matching(
        r"(?<!\d)(?:\d{4}(?:[ .\-_/\xa0\u202f]{0,2}\d{4}){2}[ .\-_/\xa0\u202f]{0,2}\d{1,7}|"
        r"3[47]\d\d[ .\-\xa0]?\d{6}[ .\-\xa0]?\d{5})(?!\d)",
        _card,
    ),
)

# --- Files ----------------------------------------------------------------------------------------

_FILES = (
    r"dossiers?|plaintes?|pré-?plaintes?|pre-?plaintes?|proc[ée]dures?|pv|p\.v\.?|proc[èe]s[ "
    r"-]verba(?:l|ux)|main[ -]courante|"
    r"r[ée]f[ée]rences?|r[ée]f\.?|suivi|demandes?|signalements?|r[ée]c[ée]piss[ée]s?|affaire|"
    r"parquet|ticket|matricule|"
    r"permis(?: de conduire)?|passeport|cni|carte (?:nationale )?d['’]identit[ée]|titre de "
    r"s[ée]jour|s[ée]jour|fiscal|spi|"
    r"allocataire|usager|client|contrat|commande|facture|sinistre|agdref|t[ée]l[ée]proc[ée]dure|"
    r"enregistrement|"
    r"contravention|amende|avis|num[ée]ro [ée]tranger|neph|siv|adh[ée]rent|abonn[ée]|licence|"
    r"intervention|enqu[êe]te|"
    r"requ[êe]te|réclamation|reclamation|inscription|pré-?demande|pre-?demande|colis|"
    r"minist[èe]re public|plainte en ligne|id"
)
# How these words begin: most others are told apart by that, before each of these is tried.
_FILE_HEADS = (
    r"a[bdfglmv]|c[alno]|d[eo]|en|f[ai]|i[dn]|li|m[ai]|n[eu]|p[aelrv.]|r[eé]|s[eéipu]|t[ieé]|us"
)
_WEAK_FILES = re.compile(
    r"(?:r[ée]f|suivi|permis|client|ticket|avis|colis|usager|licence|intervention|s[ée]jour|id|"
    r"inscription|carte|enregistrement|contrat|amende|demande|facture)",
    re.I,
)
_UNIT = re.compile(
    r"\s?(?:€|euros?|eur\b|k€|%|jours?\b|mois\b|ans?\b|ann[ée]es?\b|semaines?\b|h\b|heures?\b|"
    r"minutes?\b|mn\b|min\b|km|personnes|fois|points?\b|pages?\b)",
    re.I,
)
_DAY = re.compile(r"(?:\d{1,2}[./\- ]\d{1,2}[./\- ]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2})$")


def _file(match: re.Match[str]) -> int:
    datum = match["datum"].rstrip(" .-/_\xa0")
    digits = _digits(datum)
    rest = match.string[match.start("datum") + len(datum) :]
    if _UNIT.match(rest):
        return 0
    if _DAY.fullmatch(datum) or (re.fullmatch(r"(?:19|20)\d\d", datum) and not match["sign"]):
        return 0
    if re.fullmatch(r"[\d ]+", datum) and len(digits) < 5 and not match["sign"]:
        return 0
    if len(digits) < (3 if match["sign"] else 4):
        return 0
    plain = datum.isdigit()
    weak = plain and not match["sign"] and not match["colon"] and _WEAK_FILES.match(match["word"])
    if weak and not 6 <= len(digits) <= 14:
        return 0
    return match.start("datum") + len(datum)


_SIGN = (
    r"n[°ºo]s?\.?|num(?:[ée]ro|\.)?|№|#|portant le num[ée]ro|sous le n(?:um[ée]ro|[°º])|"
    r"enregistr[ée]e? sous le n(?:um[ée]ro|[°º])"
)
FILE = Kind(
    "[dossier]",
    (
        rf"(?i)(?:{_FILES.replace('(?:', '(?:')})[^\p{{Nd}}]*\p{{Nd}}",
        r"\p{Nd}{3}/\p{Nd}{2,6}/(?:19|20)\p{Nd}{2}|(?:19|20)\p{Nd}{2}/\p{Nd}{3,6}/",
        r"(?i)(?:num[ée]ro|n[°º])[^\p{Nd}]*\p{Nd}",
    ),
    _among(
        _matching(
            rf"(?<![\w-])(?={_FILE_HEADS})(?P<word>{_FILES})(?![\w])"
            rf"(?:{BLANK}(?:de|du|d['’]|la|le|en ligne|judiciaire|simple|p[ée]nale?|"
            r"fiscal|colis|client|dossier|plainte|commande|usager|allocataire|ants|caf|"
            r"pv|enregistr[ée]e?s?|"
            r"suivi|d[ée]pos[ée]e?s?|num[ée]ris[ée]e?|internet|ci-dessous|interne|"
            r"administratif|contre x|pour vol|demande))*"
            rf"(?P<colon>{BLANK}*(?:[:=(]|est(?: le)?\b|c['’]est(?: le)?\b|,))?{BLANK}*"
            rf"(?P<sign>(?:{_SIGN}){BLANK}*(?:[:=]|est(?: le)?\b)"
            rf"?{BLANK}*(?:[:=]{BLANK}*)?)?"
            r"(?P<datum>(?=[A-Z\d./_-]*(?:[ \xa0]\d[\d./_-]*)*\d)(?:[A-Z]{1,8}[-_/ ]?)"
            r"?(?:[A-Z\d]*\d[A-Z\d]*)(?:[-_/.][A-Z\d]+|[ \xa0]\d[\d/_-]+)*)(?!\w)",
            _file,
            re.I,
        ),
        _matching(
            rf"(?<!\w)(?:{_SIGN}){BLANK}*(?:de|du|d['’]){BLANK}*(?:ma|mon|la|le|l['’])"
            rf"?{BLANK}*(?P<word>{_FILES})(?!\w)"
            rf"(?:{BLANK}\w+){{0,2}}{BLANK}*(?P<colon>[:=(]|est(?: le)?\b|c['’]est(?: le)"
            rf"?\b|,)?{BLANK}*(?P<sign>{BLANK}?)"
            r"(?P<datum>(?:[A-Z]{1,8}[-_/ ]?)?(?:[A-Z\d]*\d[A-Z\d]*)(?:[-_/.][A-Z\d]+|[ "
            r"\xa0]\d[\d/_-]+)*)(?!\w)",
            _file,
            re.I,
        ),
        _matching(
            r"(?<![\w/.-])(?P<datum>\d{3,6}/\d{2,6}/(?:19|20)\d\d|(?:19|20)"
            r"\d\d/\d{3,6}/\d{2,8})(?![\w/])",
        ),
    ),
)

# --- Machines -------------------------------------------------------------------------------------


def _machine(match: re.Match[str]) -> int:
    datum = match["datum"]
    if match["version"]:
        return 0
    if re.fullmatch(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", datum):
        return match.end("datum")
    try:
        address = ipaddress.ip_address(datum)
    except ValueError:
        return 0
    named_nobody = datum.startswith("127.0.") or datum == "::1" or address.is_unspecified
    return 0 if named_nobody or datum.startswith("255.") else match.end("datum")


MACHINE = Kind(
    "[ip]",
    (
        r"\p{Nd}\.\p{Nd}{1,3}\.\p{Nd}",
        r"(?i)[0-9a-f]{0,4}:[0-9a-f]{0,4}:[0-9a-f:]",
        r"(?i)(?:[0-9a-f]{2}-){5}",
    ),
    _matching(
        r"(?P<version>\b(?:version|v|firefox|chrome|safari|edge|android|ios|windows|mac ?os|"
        r"article|chapitre|section|"
        r"paragraphe|build|release|firmware|logiciel|appli(?:cation)?)\.?\s{0,2}:?\s?)?"
        r"(?<![\w.:])(?P<datum>(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)|(?:[0-9a-f]{2}[:-])"
        r"{5}[0-9a-f]{2}(?![\w:-])|"
        r"(?=[0-9a-f:]*[0-9a-f])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?:(?:\d{1,3}\.){3}\d{1,3})"
        r"?(?![\w:]))",
        _machine,
        re.I,
    ),
)

# --- Telephones -----------------------------------------------------------------------------------

PUBLIC_NUMBERS = (
    phonenumbers.PhoneNumberType.TOLL_FREE,
    phonenumbers.PhoneNumberType.SHARED_COST,
    phonenumbers.PhoneNumberType.PREMIUM_RATE,
    phonenumbers.PhoneNumberType.UAN,
)


def _phone(match: re.Match[str]) -> int:
    text = match[0]
    if re.match(r"0\d([-/.])\d\d\1(?:19|20)\d\d", text):
        return 0  # a date, and the first figures of what follows it
    digits = _digits(text.replace("O", "0").replace("o", "0"))
    if re.fullmatch(r"(0|0033|33|330)[1-79]\d{8}", digits):
        return match.end()  # what the library would say too, fifty times as fast
    written = re.sub(r"\(0\)", "", text)
    if text[0] in "oO":
        written = "0" + written[1:]
    try:
        number = phonenumbers.parse(written, "FR")
    except phonenumbers.NumberParseException:
        return 0
    foreign = number.country_code != 33
    if foreign and not re.match(r"0?(?:\+|00)", text.lstrip("(")) and len(digits) != 10:
        return 0
    if foreign and not phonenumbers.is_possible_number(number):
        return 0
    # 08 numbers belong to administrations and firms: masking them would hide the advice itself.
    # Any other counts, in the numbering plan or not: a mistyped number may still lead to somebody.
    return match.end() if phonenumbers.number_type(number) not in PUBLIC_NUMBERS else 0


_APART = r"[ ./_\-\xa0\u202f\u2009\u2011\u2013,·]{0,3}"
PHONE = Kind(
    "[telephone]",
    (r"[0-9]\)?(?:[ ./_\-\x{a0}\x{202f}\x{2009}\x{2011}\x{2013},·]{0,3}[\p{Nd}]\)?){7}",),
    _matching(
        r"(?<![\d+\w])(?<!\d[-/._,])"  # not from the middle of a date or a number
        rf"(?:(?:\(?(?:\+|00){BLANK}?(?:33|262|508|590|594|596|681|687|689)\)?{_APART}(?:\(0\)|"
        rf"0(?={_APART}[1-9]))?"
        rf"{_APART}|[0Oo]{BLANK}?)[1-9]|\(0[1-9]\)|33{BLANK}?[1-79])(?:{_APART}\d){{8}}(?!\d)"
        rf"|(?<![\d+\w])(?:\+|00(?=[1-9])){BLANK}?[1-9]\d{{0,2}}(?:[ ./\-()\xa0\u202f]{{0,3}}\d)"
        rf"{{6,12}}(?!\d)",
        _phone,
    ),
)

# --- Plates ---------------------------------------------------------------------------------------

_PAIR = "[A-Z]{2}"
_WORDS_OF_TWO = frozenset(
    [
        "LE",
        "LA",
        "DE",
        "DU",
        "ET",
        "EN",
        "AU",
        "CE",
        "SE",
        "SA",
        "MA",
        "TA",
        "JE",
        "TE",
        "ME",
        "NE",
        "ES",
        "AS",
        "KM",
        "KG",
        "MM",
        "CM",
        "DM",
        "ML",
        "CL",
        "DL",
        "HT",
        "RN",
        "RD",
        "NR",
        "TV",
        "HS",
        "PC",
        "BD",
        "AV",
        "ST",
        "PV",
        "CB",
        "MN",
        "FR",
        "EX",
        "DR",
        "MR",
        "HA",
        "MB",
        "GB",
        "GO",
        "MO",
        "KO",
        "EU",
        "NB",
        "RC",
        "RE",
    ]
)
_NOT_OLD = frozenset(
    [
        "EUR",
        "TTC",
        "DEC",
        "FEV",
        "AVR",
        "MAR",
        "AUG",
        "SEP",
        "NBR",
        "LES",
        "DES",
        "RUE",
        "RER",
        "TER",
        "BIS",
        "TER",
        "DEC",
        "KM",
        "KG",
        "CM",
        "MM",
        "LE",
        "LA",
        "DE",
        "ET",
        "EN",
        "AN",
        "ANS",
        "SMS",
        "PCS",
    ]
)
_VEHICLE = re.compile(
    r"(?:plaques?|immatricul\w*|v[ée]hicules?|voitures?|scooters?|motos?|camions?|camionnettes?|"
    r"fourgons?|clio|peugeot|"
    r"renault|citro[eë]n|golf|bmw|audi|mercedes|twingo|c3|208|308|utilitaire|quad|remorque|"
    r"caravane|berline|auto)\b[^.;!?￼]{0,40}$",
    re.I,
)


def _plate(match: re.Match[str]) -> int:
    text = match[0]
    joined = re.findall(r"[A-Z]+", text.upper())
    apart = re.search(r"\s", text)
    told = _VEHICLE.search(match.string[: match.start()])
    if told:
        return match.end()
    if len(joined) == 2:
        if re.search("[IOU]|SS|WW", "".join(joined)) and not re.fullmatch(r"..-\d{3}-..", text):
            return 0  # no plate of the plan; written as one, it may still be somebody's
        if not apart and (text.isupper() or re.search(r"\W", text)):
            return match.end()
        words = sum(pair in _WORDS_OF_TWO for pair in joined)
        return (
            0
            if words == 2
            or (words and not text.isupper())
            or joined[1] in ("KM", "KG", "CM", "MM", "HT")
            else match.end()
        )
    if re.search("[IOU]", joined[0]) or joined[0] in _NOT_OLD or not re.search(r"\W", text):
        return 0
    long = re.match(r"\d{3,4}\W", text) and joined[0] not in _WORDS_OF_TWO
    return match.end() if text.isupper() or long else 0


PLATE = Kind(
    "[plaque]",
    (
        r"(?i)[A-Z]{2}[ .\-_\x{a0}\x{2011}\x{2013}]{0,3}\p{Nd}{3}[ "
        r".\-_\x{a0}\x{2011}\x{2013}]{0,3}[A-Z]{2}|\p{Nd}{2}[ .\-\x{a0}]?[A-Z]{2,3}[ "
        r".\-\x{a0}]?(?:\p{Nd}{2}|2[AB])",
    ),
    _matching(
        rf"(?<![\w-])(?:{_PAIR}[ .\-_\xa0\u2011\u2013]{{0,3}}\d{{3}}[ "
        rf".\-_\xa0\u2011\u2013]{{0,3}}{_PAIR}"
        rf"|\d{{2,4}}[ .\-\xa0]?[A-Z]{{2,3}}[ .\-\xa0]?(?:0[1-9]|[1-8]\d|9[0-5]|2[AB]|97[1-6]))"
        r"(?![\w-])",
        _plate,
        re.I,
    ),
)

# --- Dates of birth -------------------------------------------------------------------------------

_MONTH = (
    r"(?:janv(?:ier|\.)?|f[ée]v(?:rier|r\.?|\.)?|mars|avr(?:il|\.)?|mai|juin|juil(?:let|\.)?|"
    r"ao[uû]t|sept(?:embre|\.)?|"
    r"oct(?:obre|\.)?|nov(?:embre|\.)?|d[ée]c(?:embre|\.)?)"
)
_DATE = (
    rf"(?:\d{{1,2}}(?:er)?[ ./\-\xa0]{{1,3}}\d{{1,2}}[ ./\-\xa0]{{1,3}}(?:\d{{4}}|\d{{2}})(?!\d)"
    rf"|\d{{1,2}}(?:er)?{BLANK}*{_MONTH}{BLANK}*(?:\d{{4}}|['’]?\d{{2}})?(?!\d)|(?:19|20)"
    rf"\d\d[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?!\d)|\d{{8}}(?!\d)|\d{{6}}(?!\d)"
    rf"|{_MONTH}{BLANK}+(?:19|20)\d\d)"
)
_BORN = (
    r"(?:\bn(?:é|É|e)e?(?:\(e\)|[·.]e)?s?\b|\bdate de naiss(?:ance|\.)?|\bd\.?d\.?n\b\.?"
    r"|\bnaissance|\banniversaire)"
)
_OF_ANOTHER = re.compile(
    r"\b(?:je|j|il|elle|on|nous|vous|qui|que|depuis|pour|ai|suis|appel\w+|reçu|demand\w+|dépos\w+"
    r"|attend\w*|plainte|rendez|rdv|courrier|mail|dossier)\b",
    re.I,
)


def _birth(match: re.Match[str]) -> int:
    between = match["between"]
    far = len(between.split()) > 8 or _OF_ANOTHER.search(between)
    return 0 if far else match.end("datum")


_BORN_ON = _matching(
    rf"{_BORN}(?P<between>[^.!?;\n￼\d]{{0,70}}?(?:\(\d[\dAB]\d{{0,3}}\)[^.!?;\n￼\d]{{"
    r"0,12}})?)"
    rf"(?<!\w)(?P<datum>{_DATE})",
    _birth,
    re.I,
)
_ON_BIRTH = _matching(
    r"(?<![\d/.-])(?P<datum>\d{1,2}[./-]\d{1,2}[./-]\d{4})"
    rf"(?={BLANK}*\(?(?:date de naissance|ddn)\b)",
    flags=re.I,
)
BIRTH = Kind(
    "[naissance]",
    (
        r"(?i)\bn[ée]+[^\p{Nd}]*\p{Nd}",
        r"(?i)(?:naiss|\bddn\b|anniversaire|\bd\.d\.n)",
    ),
    lambda text: chain(_BORN_ON(text), _ON_BIRTH(text)),
)

# --- Postal addresses -----------------------------------------------------------------------------

_STREET = (
    r"rues?|avenue|av\.?|ave\.?|boulevard|bld\.?|bvd\.?|bd\.?|impasse|imp\.?|chemin|che?m?\.|"
    r"all[ée]es?|all\.|place|pl\.?|route|rte\.?|"
    r"quai|cours|square|sq\.|lotissement|lot\.?|r[ée]sidence|r[ée]s\.|hameau|lieu[- ]?dit|"
    r"passage|faubourg|fbg?\.?|sentier|"
    r"sente|venelle|ruelle|esplanade|mail|rond[- ]point|cit[ée]|villa|mont[ée]e|c[oô]te|voie|"
    r"traverse|promenade|domaine|clos|"
    r"parvis|chauss[ée]e|ch(?:emin|\.)|rampe|quartier|z\.?a\.?c?\.?|b\.?p\.?|cours|r\.|levée|"
    r"digue|galerie|parc|port|pont"
)
_IN_STREET = (
    r"(?:de la|de l['’]|de|du|des|d['’]|la|le|les|l['’]|aux?|à la|en|sur|sous|et|st|ste|saint|"
    r"sainte|notre[- ]dame)"
)
_STREET_GUIDES = (
    r"(?:g[ée]n[ée]ral|gal|mar[ée]chal|docteur|dr|pr[ée]sident|colonel|capitaine|commandant|"
    r"abb[ée]|pasteur|saint|sainte|st|ste|jean|victor|charles|jules|louis|marie|pierre|paul|"
    r"ren[ée]|georges|henri|[ée]mile|albert|andr[ée]|robert|fr[ée]d[ée]ric|alphonse|anatole|"
    r"aristide|gustave|joseph|jacques|claude|marcel|maurice|l[ée]on|fran[cç]ois|edouard|gabriel|"
    r"simone|rosa|alfred|raymond|vieux|vieille|grand|grande|petit|petite|haut|haute|bas|basse|"
    r"beau|belle|clos|champ|bois|pont|moulin|croix|port|mont|8|11|14|4|19|1er)"
)
_INSIDE = (
    r"appt?\.?|appartement|apt\.?|b[âa]t(?:iment|\.)?|esc(?:alier|\.)?|r[ée]s(?:idence|\.)?"
    r"|[ée]tage|porte"
)
_HOUSE = re.compile(
    rf"(?<![\w°º.,/-])(?P<datum>(?:(?:{_INSIDE}|chez)[ \xa0](?:[^\n,;.]{{1,30}}?)[, \xa0]{{1,3}})"
    rf"{{0,3}}"
    r"(?:\d{1,4}(?:[ \xa0]?(?:bis|ter|quater|[a-e](?=[ ,\xa0])))?"
    r"(?:[ \xa0]?[-/àet]{1,2}[ \xa0]?\d{1,4})?[ \xa0]?,?[ \xa0]{0,2})"
    r"(?:(?:la|le|les|l['’]|petite?|grande?|vieille|vieux|ancienne?)[ \xa0])?"
    rf"(?:{_STREET})(?=[ \xa0'’])"
    rf"(?P<name>(?:[ \xa0'’]{{1,2}}(?:{_IN_STREET})(?:(?=[ \xa0])|(?<=['’])))*[ "
    rf"\xa0'’]{{0,2}}[\w'’.-]+)"
    r"(?P<more>(?:[ \xa0]{1,2}[\w'’-]+){0,6}))",
    re.I,
)
_TOWN = re.compile(
    r"[ \xa0]*[,\n(–-]{0,2}[ \xa0]*(?:[àa][ \xa0])?(?:F-?)?\d{2}[ \xa0]?\d{3}(?!\d)"
    r"(?:[ \xa0]*[,-]?[ \xa0]*[^\W\d_][\w'’-]*(?:[ \xa0](?:sur|sous|les|l[èe]s|la|le|en|de|du|"
    r"des|aux?|lez|d['’]|[A-ZÉÈÎÔÂ][\w'’-]+|cedex|CEDEX)(?=[ \xa0,.;)]|$))*(?:[ "
    r"\xa0]\d{1,2}(?!\d))?)?"
)
_EXTRA = re.compile(
    r"[ \xa0]*,?[ \xa0]*(?:appt?\.?|appartement|apt\.?|b[âa]t(?:iment|\.)?|esc(?:alier|\.)?|"
    r"[ée]tage|porte|bp|b\.p\.|cs|r[ée]sidence|r[ée]s\.)[ \xa0]*(?:n[°º][ \xa0]?)"
    r"?(?:[A-Z\d]{1,5}\b|[A-ZÉ][\w'’-]+(?:[ \xa0][A-ZÉ][\w'’-]+)*)",
    re.I,
)
_LIVES = re.compile(
    r"(?:j['’ ]?habit\w*|habit(?:e|ons|ant|ait|ez)|demeur\w+|domicili[ée]\w*|r[ée]sid(?:e|ant|"
    r"ons|ait|ez)|r[ée]side|log[ée]e?|adresse|domicile|chez moi|vis|vit|vivons|livr\w+|maison|"
    r"mon appartement|loge)\b[^.;!?\n￼]{0,40}$",
    re.I,
)
# An administration's own address: « la brigade, 12 rue … ».
_AT_AN_OFFICE = re.compile(
    r"(?:pr[ée]fecture|mairie|gendarmerie|brigade|commissariat|tribunal|caserne|minist[èe]re|"
    r"caisse|caf|cpam|impôts|impots|"
    r"h[ôo]tel de (?:police|ville)|consulat|ambassade|poste|bureau|guichet|agence|h[ôo]pital|"
    r"maison france services?|antenne|point d['’]accueil|"
    r"direction|tr[ée]sorerie|palais de justice|biblioth[èe]que|[ée]cole|coll[èe]ge|lyc[ée]e|"
    r"france services?|unit[ée]|compagnie|escadron|locaux|ddpp|urssaf|cdad|si[èe]ge|mus[ée]e|"
    r"centre (?:des impôts|hospitalier|de\b)[\w ]*)"
    r"(?:[ \xa0](?:de|du|des|d['’]|la|le|les|l['’]|[A-ZÉÈ][\w'’-]+|départementale?|nationale?|"
    r"municipale?|territoriale?|principale?|centrale?|locale?|autonome)){0,5}"
    r"[ \xa0]*[,:(–-]?[ \xa0]*(?:(?:est |se trouve |sont |qui est |est bien )?(?:situ[ée]e?s?|"
    r"sise?s?|install[ée]e?|implant[ée]e?|ouverte?)?[ \xa0]*(?:au|du|à|a|le|est|l['’]adresse)?[ "
    r"\xa0]*:?[ \xa0]*)$",
    re.I,
)
_MEANT_NOT = re.compile(
    r"[ \xa0](?:de la honte|de marché|de march|de stationnement|de parking|assises?|disponibles?|"
    r"libres?|à suivre|du tout|de crèche|de prison|de concert|de fer)",
    re.I,
)


def _addresses(text: str) -> Iterator[Span]:
    at = 0
    while match := _HOUSE.search(text, at):
        end = _end_of_street(match)
        street = re.search(rf"(?:{_STREET})(?=[ \xa0'’])", match[0], re.I)
        kind = street[0].lower() if street else ""
        number = match.start("datum")
        doubtful = kind in (
            "place",
            "places",
            "cours",
            "parc",
            "port",
            "pont",
            "voie",
            "mail",
            "route",
            "chemin",
            "av",
            "pl",
            "lot",
            "côte",
            "cote",
            "quartier",
            "cité",
            "domaine",
            "villa",
            "bp",
            "za",
            "zac",
            "passage",
            "galerie",
            "r.",
            "rues",
            "allées",
            "montée",
            "rampe",
            "digue",
            "clos",
            "promenade",
            "résidence",
            "residence",
            "traverse",
        )
        town = _TOWN.match(text, end)
        extra_end = end
        while extra := _EXTRA.match(text, extra_end):
            extra_end = extra.end()
            town = _TOWN.match(text, extra_end) or town
        lives = bool(_LIVES.search(text[max(0, number - 80) : number]))
        office = bool(_AT_AN_OFFICE.search(text[max(0, number - 120) : number]))
        first = match["name"].strip(" \xa0'’")
        proper = bool(re.search(r"(?:^|[ '’])[A-ZÀ-Ý0-9]", match["name"]))
        is_one = town or lives or not doubtful or proper
        if kind in (
            "place",
            "cours",
            "rues",
            "route",
            "voie",
            "chemin",
            "pont",
            "parc",
            "port",
            "av",
        ) and not (town or lives):
            led = kind in ("chemin", "route") and re.match(r"\Wd[eu]", match["name"])
            is_one = (proper or bool(led)) and not _MEANT_NOT.match(text, match.start("name"))
        if not first or _MEANT_NOT.match(text, match.start("name")):
            is_one = False
        if office and not lives:
            is_one = False
        if is_one:
            yield number, max(end, extra_end, town.end() if town and town.end() > end else 0)
            at = max(end, extra_end, town.end() if town else 0, match.start() + 1)
        else:
            at = match.start("name")


def _end_of_street(match: re.Match[str]) -> int:
    """The street's name: its particles and first word, then what a name goes on with."""
    text, end = match.string, match.end("name")
    previous = re.split(r"[ \xa0'’]", match["name"])[-1]
    for word in re.finditer(r"[ \xa0]{1,2}([\w'’-]+)", match["more"]):
        said = word[1]
        low = said.lower()
        guided = re.fullmatch(_STREET_GUIDES, previous.lower())
        if (
            (
                said[0].isupper()
                and not match["name"].isupper()
                and low
                not in (
                    "je",
                    "il",
                    "elle",
                    "mon",
                    "ma",
                    "nous",
                    "merci",
                    "le",
                    "la",
                    "les",
                    "on",
                    "c'est",
                    "j'ai",
                    "tel",
                    "tél",
                    "à",
                )
            )
            or (
                guided
                and low
                not in (
                    "et",
                    "je",
                    "il",
                    "depuis",
                    "mais",
                    "qui",
                    "pour",
                    "à",
                    "a",
                    "est",
                    "dans",
                    "c'est",
                    "j'ai",
                )
            )
            or (
                re.fullmatch(
                    r"(?:mai|novembre|juillet|septembre|ao[uû]t|mars|f[ée]vrier|juin)", low
                )
                and previous.isdigit()
            )
            or (re.fullmatch(r"19\d\d", low) and not previous.isdigit())
        ):
            pass
        elif re.fullmatch(r"(?:de|du|des|d['’]\w+|la|le|les|l['’]\w+|et)", low):
            following = re.match(
                r"(?:[ \xa0](?:la|le|les|l['’])?)*[ \xa0']*([A-ZÀ-Ý][\w'’-]+)",
                text[match.start("more") + word.end() :],
            )
            if low == "et" or not following or match["name"].isupper():
                break
        else:
            break
        previous = said
        end = match.start("more") + word.end()
    while text[end - 1] in ".,'’- ":
        end -= 1
    # In small letters the town's code says how far the name goes.
    more = re.compile(r"(?:[ \xa0][\w'’-]+){1,4}?(?=[ \xa0]*,?[\s\xa0]*\d{5}(?!\d))").match(
        text, end
    )
    return more.end() if more else end


_LIVING = re.compile(
    r"(?:j['’ ]?habite|habitant|demeurant|domicili[ée]e?s?|r[ée]sidant|r[ée]side|adresse(?: "
    r"postale)?|domicile|habite|demeure)[ \xa0]*(?:est|c['’]est|actuellement|au|aux|à|a|:|,|dans|"
    r"la|le|=)?[ \xa0]*(?:la[ \xa0]|le[ \xa0]|:[ \xa0]?|au[ \xa0])?"
    r"(?P<datum>(?:rue|avenue|boulevard|impasse|chemin|all[ée]e|place|route|r[ée]sidence|"
    rf"lotissement|hameau|lieu[- ]dit|quai|square)[ \xa0](?:{_IN_STREET}[ \xa0'’]?)*[\w'’-]+(?:[ "
    r"\xa0-][A-ZÀ-Ý][\w'’-]+)*)",
    re.I,
)


def _living(text: str) -> Iterator[Span]:
    for match in _LIVING.finditer(text):
        name = match["datum"].split()[-1]
        if name[0].isupper() or not names.very_common(name.lower()):
            end = match.end("datum")
            cut = re.match(
                r"[\w'’ \xa0-]*?(?=[ \xa0](?:et|je|il|depuis|mais|qui|où|j['’])[ \xa0'’])",
                match["datum"],
            )
            if cut:
                end = match.start("datum") + cut.end()
            town = _TOWN.match(text, end)
            yield match.start("datum"), town.end() if town else end


# « rue de la Gare, 75011 Paris »: the town's code says that it is an address.
_ALONE = re.compile(
    r"(?<!\w)(?:rue|avenue|boulevard|impasse|chemin|all[ée]e|place|route|r[ée]sidence|lotissement"
    rf"|hameau|quai|square)[ \xa0](?:{_IN_STREET}[ \xa0'’]{{0,2}})*[\w'’-]+(?:[ \xa0][\w'’-]+)"
    rf"{{0,4}}?"
    r"(?=[ \xa0]*,?[\s\xa0]*\d{5}(?!\d)[ \xa0]+[^\W\d_])",
    re.I,
)


def _with_town(text: str) -> Iterator[Span]:
    for match in _ALONE.finditer(text):
        town = _TOWN.match(text, match.end())
        if town and not _AT_AN_OFFICE.search(text[max(0, match.start() - 120) : match.start()]):
            yield match.start(), town.end()


ADDRESS = Kind(
    "[adresse]",
    (
        rf"(?i)\p{{Nd}}[ \x{{a0}}]?(?:bis|ter|quater|[a-e])?[ ,\x{{a0}}]{{0,5}}"
        rf"(?:(?:la|le|les|l['’]|petite?|grande?|vieille|vieux|ancienne?)[ \x{{a0}}])?"
        rf"(?:{_STREET})[ \x{{a0}}'’]",
        r"(?i)(?:habit|demeur|domicil|résid|resid|adresse)[^\n]*(?:rue|avenue|boulevard|impasse|"
        r"chemin|all[ée]e|place|route|r[ée]sidence|lotissement|hameau|lieu|quai|square)[ \x{a0}]",
        r"(?i)(?:rue|avenue|boulevard|impasse|chemin|all[ée]e|place|route|r[ée]sidence|lotissement"
        r"|hameau|quai|square)[ \x{a0}][^\p{Nd}]*\p{Nd}{5}",
    ),
    lambda text: iter(sorted([*_addresses(text), *_living(text), *_with_town(text)])),
)

# Longest first: the digits of an IBAN, a card or a NIR must not be taken for a telephone.
PATTERNS = (LINK, EMAIL, IBAN, NIR, CARD, BIRTH, FILE, MACHINE, PHONE, PLATE, ADDRESS, ACCOUNT)
