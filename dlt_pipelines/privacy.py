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
from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from dlt_pipelines import names, patterns, stores
from dlt_pipelines.names import HELD
from dlt_pipelines.patterns import Kind

KEEP, REDACT, PSEUDONYMISE, DROP = "keep", "redact", "pseudonymise", "drop"
TREATMENTS = (KEEP, REDACT, PSEUDONYMISE, DROP)


# Names last: what already bears a mark is no part of one.
KINDS = (*patterns.PATTERNS, Kind("[nom]", names.HINTS, names.persons))
FEW = 50  # texts that Python's expressions read sooner than RE2 reads the hints, in 70 ms
_MARKS = re.compile("|".join(re.escape(kind.mark) for kind in KINDS))


class Datum(NamedTuple):
    """Where a text bears a personal datum, and the mark that takes its place."""

    start: int
    end: int
    mark: str


def find(text: str, kinds: Iterable[Kind] = KINDS) -> list[Datum]:
    """Return where `text` bears personal data, in its order; none overlaps another."""
    kinds = list(kinds)
    # Marks of an earlier redaction hold their place, and say no more than that.
    held = _MARKS.sub(lambda mark: HELD * len(mark[0]), text) if "[" in text else text
    found: list[Datum] = []
    while True:
        before = len(found)
        for kind in kinds:
            for start, end in kind.find(held):
                if HELD not in (datum := held[start:end]) and datum.strip():
                    found.append(Datum(start, end, kind.mark))
                    held = held[:start] + HELD * (end - start) + held[end:]
        # What a mark leaves beside it may now be told from it.
        if len(found) == before:
            return sorted(found)


def redact(text: str, kinds: Iterable[Kind] = KINDS) -> str:
    """Return `text` with each personal datum replaced by its mark."""
    pieces, done = [], 0
    for start, end, mark in find(text, kinds):
        pieces += [text[done:start], mark]
        done = end
    return "".join(pieces) + text[done:]


def redact_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Redact a column of text; nulls stay null."""
    return redact_columns([column])[0]


def redact_columns(columns: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
    """Redact columns of text of one length; nulls stay null.

    Together, and each text once: RE2 reads all hints anew for each array that it is given.
    """
    if not columns:
        return []
    every = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())
    # Large: texts of one batch may pass the 2 GB of an ordinary array.
    said = every.cast(pa.large_string()).dictionary_encode().combine_chunks()
    redacted = _redacted(said.dictionary)
    rows = len(columns[0])
    return [
        pa.chunked_array([redacted.take(said.indices.slice(n * rows, rows)).cast(pa.string())])
        for n in range(len(columns))
    ]


def _redacted(texts: pa.Array) -> pa.Array:
    if len(texts) <= FEW:
        return pa.array(map(redact, texts.to_pylist()), texts.type)
    hinted = [_hinted(texts, kind) for kind in KINDS]
    suspect = reduce(pc.or_, hinted)
    # What no hint finds holds none of a kind: Python's regular expressions never see it.
    of_each = zip(*(mask.filter(suspect).to_pylist() for mask in hinted), strict=True)
    replaced = [
        redact(text, compress(KINDS, kinds))
        for text, kinds in zip(texts.filter(suspect).to_pylist(), of_each, strict=True)
    ]
    return pc.replace_with_mask(texts, suspect, pa.array(replaced, texts.type))


def _hinted(texts: pa.Array, kind: Kind) -> pa.Array:
    return reduce(pc.or_, (pc.match_substring_regex(texts, hint) for hint in kind.hints))


def pseudonym_keys() -> tuple[bytes, ...]:
    """Return the keys of pseudonyms, the oldest first: each was added by a rotation.

    They are those of `CYBERIMPACT_PSEUDONYM_KEY`, separated by commas, else of a file made at first
    use. It lies beside the data and never in the repository; losing it breaks the link between the
    pseudonyms of before and after, and nothing else.
    """
    if keys := os.environ.get("CYBERIMPACT_PSEUDONYM_KEY"):
        return tuple(key.strip().encode() for key in keys.split(","))
    path = key_file()
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return tuple(path.read_bytes().split())
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return tuple(path.read_bytes().split())


def add_key() -> tuple[bytes, ...]:
    """Add a key to the file, and return all of them.

    Raises:
        LookupError: the keys come from the environment, where the new one is to be added.
    """
    if os.environ.get("CYBERIMPACT_PSEUDONYM_KEY"):
        raise LookupError(
            "les clés viennent de l’environnement, et aucune n’est nouvelle\nRemède : ajouter la "
            "nouvelle, après une virgule, à CYBERIMPACT_PSEUDONYM_KEY, puis relancer"
        )
    keys = (*pseudonym_keys(), secrets.token_hex(32).encode())
    fresh = key_file().with_suffix(".fresh")
    fresh.touch(0o600)
    fresh.write_bytes(b"\n".join(keys))
    os.replace(fresh, key_file())
    return keys


def key_file() -> Path:
    return stores.data() / "pseudonymes.cle"


def key_names(keys: Iterable[bytes]) -> list[str]:
    """Return what tells keys apart, and nothing of them."""
    return [hmac.digest(key, b"nom", "sha256").hex()[:8] for key in keys]


def renamed(value: str, keys: Iterable[bytes]) -> list[str]:
    """Return what stands for `value` under the first key, then under each key added to it.

    Each pseudonym is that of the one before: a rotation renames what is stored without the
    originals, and whoever has the old keys alone learns nothing from the new pseudonyms.
    """
    names = []
    for key in keys:
        value = hmac.digest(key, value.encode(), "sha256").hex()[:32]
        names.append(value)
    return names


def pseudonymise_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace each value by its keyed HMAC-SHA256, 32 hexadecimal digits; nulls stay null."""
    keys = pseudonym_keys()
    named = column.combine_chunks().dictionary_encode()
    pseudonyms = [renamed(name, keys)[-1] for name in named.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(pseudonyms, pa.string()).take(named.indices)])


def opposition(value: str, key: bytes) -> str:
    """Return what the list of erasures keeps of a pseudonym or of a reference."""
    return hmac.digest(key, b"effacement:" + value.encode(), "sha256").hex()


def opposed(column: pa.ChunkedArray, listed: frozenset[str], treatment: str) -> pa.ChunkedArray:
    """Say which values, as they were received, are on a list of erasures, under whichever key."""
    keys = pseudonym_keys()
    named = column.cast(pa.string()).combine_chunks().dictionary_encode()
    found = [
        any(
            opposition(known, key) in listed
            for known, key in zip(
                renamed(name, keys) if treatment == PSEUDONYMISE else [name] * len(keys),
                keys,
                strict=True,
            )
        )
        for name in named.dictionary.to_pylist()
    ]
    return pa.chunked_array([pc.fill_null(pa.array(found, pa.bool_()).take(named.indices), False)])
