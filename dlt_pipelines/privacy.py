"""What happens to personal data at the door, before anything touches disk.

Every column says `keep | redact | pseudonymise | drop` where it is born (hint `x-personal`); a text
that says nothing is redacted. Redaction replaces patterned personal data by a typed mark, such as
`[courriel]`; a candidate counts only if its checksum or numbering plan agrees, so that an amount, a
file number or a public 08 number is left readable.
"""

import hmac
import os
import re
import secrets
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
from stdnum import iban, luhn
from stdnum.fr import nir

from dlt_pipelines import stores

KEEP, REDACT, PSEUDONYMISE, DROP = "keep", "redact", "pseudonymise", "drop"
TREATMENTS = (KEEP, REDACT, PSEUDONYMISE, DROP)


class Pattern(NamedTuple):
    """A kind of personal datum.

    Attributes:
        mark: what stands in its place.
        hint: RE2, found in every text where `candidate` is: it sorts out the others in bulk.
        candidate: where such a datum may be.
        reach: how many of the first characters of a candidate are one, 0 when it is none.
    """

    mark: str
    hint: str
    candidate: re.Pattern[str]
    reach: Callable[[str], int]


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


PUBLIC_NUMBERS = (
    phonenumbers.PhoneNumberType.TOLL_FREE,
    phonenumbers.PhoneNumberType.SHARED_COST,
    phonenumbers.PhoneNumberType.PREMIUM_RATE,
    phonenumbers.PhoneNumberType.UAN,
)


def _private_phone(text: str) -> int:
    if re.match(r"0\d([-/.])\d\d\1(?:19|20)\d\d", text):
        return 0  # a date, and the first figures of what follows it
    if re.fullmatch(r"(0|33)[1-79]\d{8}", _digits(text)):
        return len(text)  # what the library would say too, fifty times as fast
    try:
        number = phonenumbers.parse(re.sub(r"\(0\)", "", text), "FR")
    except phonenumbers.NumberParseException:
        return 0
    # 08 numbers belong to administrations and firms: masking them would hide the advice itself.
    # Any other counts, in the numbering plan or not: a mistyped number may still lead to somebody.
    return len(text) if phonenumbers.number_type(number) not in PUBLIC_NUMBERS else 0


def _nir(text: str) -> int:
    number = re.sub(r"[\s.\-]", "", text).upper()
    without_key = re.fullmatch(
        r"[12]\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[1-8]\d|9[0-8]|2[AB])\d{6}", number
    )
    return len(text) if without_key or nir.is_valid(number) else 0


def _iban(text: str) -> int:
    """The words that follow an account number look like the end of it: the key tells where."""
    for end in range(len(text), 14, -1):
        number = re.sub(r"[ .-]", "", text[:end])
        if text[end - 1].isalnum() and iban.is_valid(number, check_country=False):
            return end
    return 0


def _card(text: str) -> int:
    digits = _digits(text)
    return len(text) if 13 <= len(digits) <= 19 and luhn.is_valid(digits) else 0


# Longest first: the digits of an IBAN, a card or a NIR must not be taken for a telephone.
PATTERNS = (
    Pattern(
        "[courriel]",
        r"[@＠]|(?i:\(at\)|\[at\])",
        re.compile(
            r"[\w.+%-]{1,64}\s?(?:[@＠]|\(at\)|\[at\])\s?[\w-]{1,63}(?:\.[\w-]{1,63})+", re.I
        ),
        len,
    ),
    Pattern(
        "[iban]",
        r"(?i:[A-Z]{2}\p{Nd}{2}(?:[ .-]?[0-9A-Z]){6})",
        re.compile(r"\b[A-Z]{2}\d{2}(?:[ .-]?[0-9A-Z]){11,30}", re.I),
        _iban,
    ),
    Pattern(
        "[nir]",
        r"\p{Nd}(?:[ .-]?\p{Nd}){12}|(?i:2[AB][ .-]?\p{Nd}{3}[ .-]?\p{Nd}{3})",
        re.compile(
            r"(?<!\d)[1-478][ .-]?\d{2}[ .-]?\d{2}[ .-]?(?:\d{2}|2[AB])[ .-]?\d{3}[ .-]?\d{3}"
            r"(?:[ .-]?\d{2})?(?!\d)",
            re.I,
        ),
        _nir,
    ),
    Pattern(
        "[carte]",
        r"\p{Nd}(?:[ .-]?\p{Nd}){12}",
        re.compile(r"(?<!\d)\d{4}(?:[ .-]?\d{4}){2}[ .-]?\d{1,7}(?!\d)"),
        _card,
    ),
    Pattern(
        "[telephone]",
        r"[1-9]\)?(?:[ ./_-]{0,2}\p{Nd}){8}",
        re.compile(
            r"(?<![\d+])(?<!\d[-/._])"  # not from the middle of a date
            r"(?:(?:(?:\+|00)\s?(?:33|262|508|590|594|596|681|687|689)[ .\-/]?(?:\(0\))?"
            r"[ .\-/]?|0)[1-9]|\(0[1-9]\)|33[67])(?:[ .\-/_]{0,2}\d){8}(?!\d)"
        ),
        _private_phone,
    ),
    Pattern(
        "[plaque]",
        r"[A-HJ-NP-TV-Z]{2}[ -]?\p{Nd}{3}[ -]?[A-HJ-NP-TV-Z]{2}|\p{Nd}{2}[ -][A-HJ-NP-Z]{2,3}[ -]"
        r"|[a-hj-np-tv-z]{2}-?\p{Nd}{3}-?[a-hj-np-tv-z]{2}",
        # In small letters a blank would make a plate of « le 123 et ».
        re.compile(
            r"\b[A-HJ-NP-TV-Z]{2}[ -]?\d{3}[ -]?[A-HJ-NP-TV-Z]{2}\b"
            r"|\b[a-hj-np-tv-z]{2}(-?)\d{3}\1[a-hj-np-tv-z]{2}\b"
            r"|\b\d{2,4}[ -][A-HJ-NP-Z]{2,3}[ -](?:\d{2}|2[AB]|97\d)\b"
        ),
        len,
    ),
    Pattern(
        "[compte]",
        r"@",
        re.compile(r"(?<![\w@.])@\w[\w.-]*"),
        lambda text: 0 if "gendarmerie" in text.lower() else len(text),  # nobody's
    ),
)

# What no hint finds holds none of the patterns: Python's regular expressions never see it.
_SUSPECT = "|".join(dict.fromkeys(pattern.hint for pattern in PATTERNS))


def redact(text: str) -> str:
    """Return `text` with each personal datum replaced by its mark."""
    for pattern in PATTERNS:
        text = pattern.candidate.sub(partial(_mark, pattern), text)
    return text


def _mark(pattern: Pattern, match: re.Match[str]) -> str:
    reach = pattern.reach(match[0])
    if not reach:
        return match[0]
    rest = match[0][reach:]
    return pattern.mark + pattern.candidate.sub(partial(_mark, pattern), rest)


def redact_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Redact a column of text; nulls stay null."""
    suspect = _matches(column, _SUSPECT)
    if not pc.any(suspect).as_py():
        return column
    texts = column.filter(suspect)
    for pattern in PATTERNS:
        hinted = _matches(texts, pattern.hint)
        replaced = [
            pattern.candidate.sub(partial(_mark, pattern), text)
            for text in texts.filter(hinted).to_pylist()
        ]
        texts = _replaced(texts, hinted, pa.array(replaced, pa.string()))
    return _replaced(column, suspect, texts.combine_chunks())


def _matches(column: pa.ChunkedArray, regex: str) -> pa.ChunkedArray:
    return pc.fill_null(pc.match_substring_regex(column, regex), False)


def _replaced(column: pa.ChunkedArray, mask: pa.ChunkedArray, values: pa.Array) -> pa.ChunkedArray:
    # Chunked because a page of long texts may pass the 2 GB of one Arrow string array.
    return pa.chunked_array(
        [pc.replace_with_mask(column.combine_chunks(), mask.combine_chunks(), values)]
    )


def pseudonym_key() -> bytes:
    """Return the key of pseudonyms: `CYBERIMPACT_PSEUDONYM_KEY`, else one made at first use.

    It lies beside the data and never in the repository; losing it breaks the link between the
    pseudonyms of before and after, and nothing else.
    """
    if key := os.environ.get("CYBERIMPACT_PSEUDONYM_KEY"):
        return key.encode()
    path = stores.data() / "pseudonymes.cle"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_hex(32).encode())
    return path.read_bytes()


def pseudonymise_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace each value by its keyed HMAC-SHA256, 32 hexadecimal digits; nulls stay null."""
    key = pseudonym_key()
    named = column.combine_chunks().dictionary_encode()
    pseudonyms = [
        hmac.digest(key, name.encode(), "sha256").hex()[:32]
        for name in named.dictionary.to_pylist()
    ]
    return pa.chunked_array([pa.array(pseudonyms, pa.string()).take(named.indices)])
