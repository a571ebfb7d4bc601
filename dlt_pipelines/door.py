"""The contract of a table, applied to each page that arrives: type, refuse, protect, compare.

A page is what a source yields: `{"whence": name of the answer, "records": list of JSON objects}`,
`{"whence": …, "body": bytes}` for a large answer left as it came (a JSON array, or one object a
line), or an Arrow table of text whose columns bear the outside's own names, with `_fichier` and
`_ligne`.
The declaration of the table (dlt column hints) says the rest:

    data_type   text | bigint | double | date | timestamp
    nullable    False: a row without it is quarantined, a file without the column is refused
    x-personal  keep | redact | pseudonymise | drop (a text that says nothing is redacted)
    x-public    True: a key shaped like an address, which names an institution's account
    x-names     other names of the column outside, dotted inside nested records
    x-format    departement | mois | annee: a code brought to its one writing
    x-min       smallest value that makes sense
    x-exclude   words whose rows do not come in at all: they are counted, and kept nowhere
    x-check     condition that a row must meet, over typed columns in braces, and what to say of it

Everything runs in memory, column by column, inside DuckDB and Arrow: nothing unprotected is ever
written, and no row passes through Python. A batch is read, typed and judged in one query, and
hashed in a second one once it is protected.
"""

import ctypes
import json
import re
import unicodedata
from collections import defaultdict, deque
from collections.abc import Container, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, reduce
from typing import Any, TypeAlias, TypedDict, cast

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from fsspec.implementations.memory import MemoryFileSystem

from dlt_pipelines import PARIS, privacy


class Records(TypedDict):
    """An answer of an outside service: where it was read, and its records (JSON objects)."""

    whence: str
    records: list[dict[str, Any]]


class Body(TypedDict):
    """A large answer as it came: a JSON array, or one JSON object a line."""

    whence: str
    body: bytes


Page: TypeAlias = Records | Body | pa.Table
Hashes: TypeAlias = np.ndarray[Any, Any]
Batch: TypeAlias = pa.Table | list[Records] | list[Body]

ROWS_TOGETHER = 20_000
BYTES_TOGETHER = 12 * 1024**2
FIRST_BYTES = 64 * 1024
RUN = 2_000_000  # rows of the longest run of hashes: what bounds the memory of a merge
CLERKS = 4  # batches in hand at once: what bounds the memory of a landing
DIGEST = 12  # hexadecimal digits, which DuckDB holds without an allocation
_WHERE = ("_fichier", "_ligne")
_INTEGER = r"^[+-]?\d{1,18}([.,]0+)?$"
# COG codes of départements and overseas collectivities; whatever else is kept as it was received.
_DEPARTEMENT = r"^(0[1-9]|[1-8]\d|9[0-5]|2[AB]|97[1-8]|98[4-9])$"
_ARROW = {
    "bigint": pa.int64(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
}
_REJECTS = pa.schema(
    {
        "fichier": pa.string(),
        "ligne": pa.int64(),
        "colonne": pa.string(),
        "classe_valeur": pa.string(),
        "motif": pa.string(),
    }
)
_BLANK = b" \t\r\n\xef\xbb\xbf"  # and the mark of UTF-8
# An electronic address, or a French mobile number.
_SOMEBODY = (
    r"(?i)^[^@\s]+@[^@\s]+[.][a-z]{2,}$|^([+]33|0033|0)[ ]?[(]?0?[)]?[67]([ ./-]?[0-9]{2}){4}$"
)
_CLOCKS = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y")


# glibc learns from the first pages to keep great blocks on its heap, whose holes then double the
# memory of a landing; where there is no glibc there is nothing to tell.
with suppress(AttributeError, OSError, TypeError):
    ctypes.CDLL(None).mallopt(-3, 1024**2)  # M_MMAP_THRESHOLD


def plain(name: str) -> str:
    """Return `name` as written nowhere and recognised everywhere: no accent, case, or spacing."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9.]+", "_", ascii_name.lower()).strip("_")


@dataclass(frozen=True)
class Column:
    name: str
    data_type: str
    required: bool
    personal: str
    names: tuple[str, ...]
    format: str | None
    minimum: float | None
    excluded: tuple[str, ...]
    check: tuple[str, ...]
    public: bool

    @classmethod
    def declared(cls, name: str, hints: Mapping[str, Any]) -> "Column":
        data_type = hints.get("data_type", "text")
        silence = privacy.REDACT if data_type == "text" else privacy.KEEP
        personal = hints.get("x-personal", silence)
        if personal not in privacy.TREATMENTS:
            raise ValueError(f"{name}: x-personal={personal!r} is not one of {privacy.TREATMENTS}")
        return cls(
            name=name,
            data_type=data_type,
            required=not hints.get("nullable", True),
            personal=personal,
            names=(name, *hints.get("x-names", ())),
            format=hints.get("x-format"),
            minimum=hints.get("x-min"),
            excluded=tuple(hints.get("x-exclude", ())),
            check=tuple(hints.get("x-check", ())),
            public=bool(hints.get("x-public")),
        )

    @cached_property
    def typed(self) -> str:
        """Return the SQL that reads the received text of this column, null when it cannot."""
        text = _quoted(self.name)
        if self.format == "departement":
            code = f"upper(regexp_replace({text}, '^(?i:dep)|[.]0+$', '', 'g'))"
            code = f"case when length({code}) = 1 then '0' || {code} else {code} end"
            code = f"case when regexp_matches({code}, '{_DEPARTEMENT}') then {code} else {text} end"
            return f"case when regexp_matches({text}, '{_DEPARTEMENT}') then {text} else {code} end"
        if self.format == "mois":
            return f"nullif(regexp_extract({text}, '^\\d{{4}}-(0[1-9]|1[0-2])$', 0), '')"
        if self.format == "annee":
            year = f"try_cast(regexp_extract({text}, '^\\d{{2}}(\\d{{2}})?([.]0+)?$', 0) as double)"
            year = f"cast({year} as bigint)"
            year = f"case when {year} < 100 then 2000 + {year} else {year} end"
            return f"case when {year} between 1900 and 2100 then {year} end"
        # The usual writing first: what reads the others costs three times as much.
        if self.data_type == "bigint":
            digits = f"regexp_replace({text}, '[\\s\\x{{00a0}}\\x{{202f}}]', '', 'g')"
            return (
                f"case when regexp_matches({text}, '^-?\\d{{1,18}}$') then cast({text} as bigint)"
                f" when regexp_matches({digits}, '{_INTEGER}')"
                f" then try_cast(regexp_replace({digits}, '[.,]0+$', '') as bigint) end"
            )
        if self.data_type == "double":
            digits = f"regexp_replace({text}, '[\\s\\x{{00a0}}\\x{{202f}}]', '', 'g')"
            return (
                f"case when regexp_matches({text}, '^-?\\d+([.]\\d+)?$')"
                f" then try_cast({text} as double)"
                f" else try_cast(replace({digits}, ',', '.') as double) end"
            )
        if self.data_type in ("date", "timestamp"):
            # A clock without an offset is French local time.
            local = f"contains({text}[:3], '/') then try_strptime({text}, {list(_CLOCKS)!r})"
            if self.data_type == "date":
                return f"cast(case when {local} else try_cast({text} as date) end as date)"
            return (
                f"case when regexp_matches({text}, ':.*([zZ]|[+-]\\d{{2}}:?\\d{{2}})$')"
                f" then try_cast({text} as timestamptz) else timezone('{PARIS}',"
                f" case when {local} else try_cast({text} as timestamp) end) end"
            )
        return text

    @cached_property
    def complaint(self) -> str:
        """Return the SQL that says why this column sets its row aside, null when it does not."""
        text, value = _quoted(self.name), _quoted("=" + self.name)
        kind = {
            "bigint": "n’est pas un nombre entier",
            "double": "n’est pas un nombre",
            "date": "n’est pas une date lisible entre 1900 et 2100",
            "timestamp": "n’est pas une date lisible entre 1900 et 2100",
        }.get(self.data_type, "n’a pas la forme attendue")
        cases = [] if self.typed == text else [(f"{text} is not null and {value} is null", kind)]
        if self.data_type == "double" and not self.format:
            cases.append((f"not isfinite({value})", kind))
        if self.data_type in ("date", "timestamp") and not self.format:
            # Years out of reach are mistakes.
            first, after = (
                f"{'date' if self.data_type == 'date' else 'timestamptz'} '{year}-01-01'"
                for year in (1900, 2101)
            )
            cases.append((f"{value} < {first} or {value} >= {after}", kind))
        if self.required:
            cases.append((f"{text} is null", "valeur obligatoire absente"))
            if self.data_type == "text" and self.personal == privacy.KEEP and not self.public:
                # A key is kept as it is: what identifies somebody must not be one.
                told = f"regexp_matches({text}, '{_SOMEBODY}')"
                ours = f"regexp_matches({text}, '(?i)gendarmerie|gouv')"
                cases.append((f"{told} and not {ours}", "donnée personnelle à la place d’une clé"))
            if self.format == "departement":
                known = f"regexp_matches({value}, '{_DEPARTEMENT}|^00$')"
                cases.append((f"not {known}", "n’est pas un code de département connu"))
        if self.minimum is not None:
            below = f"{value} < {self.minimum}"
            cases.append((below, f"inférieur au minimum ({self.minimum})"))
        if self.check:
            condition, reason = self.check
            typed = re.sub(r"\{(\w+)\}", lambda name: _quoted("=" + name[1]), condition)
            cases.append((f"not ({typed})", reason))
        unreadable = f"contains({text}, chr(65533)) or contains({text}, chr(0))"
        cases.append((unreadable, "caractères illisibles"))
        whens = " ".join(f"when {condition} then '{why}'" for condition, why in cases)
        return f"case {whens} end"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _value_class(text: str) -> str:
    """Return the SQL that says what kind of value stood there, never the value."""
    return (
        f"case when {text} is null then 'vide'"
        f" when regexp_matches({text}, '^[+-]?[0-9]+([.,][0-9]+)?$') then 'nombre de '"
        f" || length({text}) || ' caractères'"
        f" when regexp_matches({text}, '^[0-9T:Z/ .+-]+$') then 'date ou heure'"
        f" else 'texte de ' || length({text}) || ' caractères' end"
    )


@dataclass(frozen=True)
class Forgotten:
    """What a table holds no more, and takes no more.

    Attributes:
        by: date column from which retention runs, None when the table has none.
        before: rows of an earlier day, in Paris, were purged; "" is the row, else a column of text.
        opposed: column → what the list of erasures holds for it.
    """

    by: str | None = None
    before: Mapping[str, date] = field(default_factory=dict)
    opposed: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass
class Tally:
    """What became of the rows of one table in one landing."""

    read: int = 0
    new: int = 0
    changed: int = 0
    aside: int = 0
    excluded: int = 0
    forgotten: int = 0
    rejects: pa.Table = field(default_factory=_REJECTS.empty_table)
    unknown: set[str] = field(default_factory=set)
    # File or answer → rows read from it (the excluded ones left out), rows of it set aside.
    by_whence: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def add(self, other: "Tally") -> None:
        """Count what another door saw of the same table."""
        self.read += other.read
        self.new += other.new
        self.changed += other.changed
        self.aside += other.aside
        self.excluded += other.excluded
        self.forgotten += other.forgotten
        self.rejects = pa.concat_tables([self.rejects, other.rejects])
        self.unknown |= other.unknown
        for whence, counts in other.by_whence.items():
            self.by_whence[whence] = list(
                map(sum, zip(self.by_whence[whence], counts, strict=True))
            )

    @property
    def whences(self) -> set[str]:
        return set(self.by_whence)


class Known:
    """The content last seen under each key, by their hashes: sorted runs, the later over the older.

    A run is merged with one that is as short, so that a batch is looked up in a few of them however
    many rows there are, and each row is sorted again a few times only.
    """

    def __init__(self) -> None:
        self.runs: list[tuple[Hashes, Hashes]] = []

    def meet(self, keys: Hashes, rows: Hashes) -> tuple[Hashes, Hashes]:
        """Remember `rows` under `keys`; return which keys were known, and which with this row."""
        order = np.argsort(keys)
        sought, content = keys[order], rows[order]
        met, same = (np.zeros(len(keys), bool) for _ in range(2))
        for known, were in self.runs:
            places = np.searchsorted(known, sought)
            places[places == len(known)] = 0
            found = known[places] == sought
            met |= found
            same = np.where(found, were[places] == content, same)
        self._add(sought[~same], content[~same])
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return met[back], same[back]

    def _add(self, keys: Hashes, rows: Hashes) -> None:
        while self.runs and len(self.runs[-1][0]) < min(2 * len(keys), RUN):
            earlier, were = self.runs.pop()
            keys, rows = np.concatenate((earlier, keys)), np.concatenate((were, rows))
            order = np.argsort(keys, kind="stable")
            keys, rows = keys[order], rows[order]
            last = np.append(keys[1:] != keys[:-1], True)
            keys, rows = keys[last], rows[last]
        if len(keys):
            self.runs.append((keys, rows))


@dataclass
class Protected:
    """A batch typed and protected, and what was counted on the way."""

    rows: pa.Table
    keys: Hashes
    contents: Hashes
    tally: Tally
    seen: list[pa.Table]  # keys of all rows, when they are remembered


class Door:
    """The door of one table: pages in, protected typed rows out, the rest counted.

    Args:
        table: name of the table, as dlt lands it.
        columns: dlt column hints, by name.
        key: columns that identify a row.
        origin: `reel` or `bac_a_sable`, written in each row.
        remember: keep the keys of all rows seen, for a table whose window is replaced.
        forgotten: what was purged or erased.
    """

    def __init__(
        self,
        table: str,
        columns: Mapping[str, Mapping[str, Any]],
        key: Iterable[str],
        origin: str,
        remember: bool = False,
        forgotten: Forgotten = Forgotten(),
    ) -> None:
        self.table = table
        self.forgotten = forgotten
        self.columns = [Column.declared(name, hints) for name, hints in columns.items()]
        self.kept = [column for column in self.columns if column.personal != privacy.DROP]
        self.key = list(key)
        self.origin = origin
        self.remember = remember
        self.seen: list[pa.Table] = []
        self.tally = Tally()
        # Pages are read from here, and never from the disk.
        self.files = MemoryFileSystem()
        self.known = Known()

    @cached_property
    def memory(self) -> duckdb.DuckDBPyConnection:
        """Open where pages are judged: only once one comes, since it takes 10 ms."""
        # No spilling: an unprotected page must never reach the disk. One thread to each clerk, and
        # no copy kept of what was read.
        memory = duckdb.connect(
            config={
                "temp_directory": "",
                "python_enable_replacements": False,
                "enable_external_file_cache": False,
                "threads": 1,
            }
        )
        memory.execute("set timezone = 'UTC'")
        memory.register_filesystem(self.files)
        return memory

    def digest(self, instead: Mapping[str, str] | None = None) -> str:
        """Return the SQL of the hash of a protected row, some columns read as told `instead`."""
        instead = instead or {}
        return _digest(instead.get(c.name, _quoted(c.name)) for c in self.kept)

    @property
    def hashes(self) -> str:
        """Return the SQL of the hashes of a row: its key, and what it holds."""
        # Older rows bear the whole MD5: its beginning tells two contents of one key apart.
        key = ", ".join(map(_quoted, self.key))
        return f"hash({key}) as _cle, hash(_empreinte[:{DIGEST}]) as _contenu"

    def close(self) -> None:
        """Forget all rows; what was counted stays."""
        self.memory.close()
        self.known = Known()

    def empty(self) -> pa.Table:
        """Return no row of what `admit` yields, its columns in the same order."""
        # An order of its own would make dlt write every file a second time.
        typed = {c.name: _ARROW.get(c.data_type, pa.string()) for c in self.kept}
        added = {
            "_fichier": pa.string(),
            "_ligne": pa.int64(),
            "_empreinte": pa.string(),
            "_origine": pa.string(),
            "_rang": pa.int64(),
        }
        return pa.schema((typed | added).items()).empty_table()

    def admit(self, pages: Iterable[Page]) -> Iterator[pa.Table]:
        """Yield the new and changed rows of `pages`, typed and protected, ready for dlt.

        The next pages are read and protected while dlt writes the last one.
        """
        with ThreadPoolExecutor(CLERKS) as pool:
            busy: deque[Future[Protected]] = deque()
            for batch in _together(pages):
                busy.append(pool.submit(self._clerk()._protected, batch))
                if len(busy) > CLERKS:
                    yield self._admitted(busy.popleft().result())
            while busy:
                yield self._admitted(busy.popleft().result())

    def _clerk(self) -> "Door":
        """Return a door that works beside this one, on one batch, with a tally of its own."""
        clerk = copy(self)
        clerk.memory = self.memory.cursor()
        clerk.memory.execute("set timezone = 'UTC'")
        clerk.tally, clerk.seen = Tally(), []
        return clerk

    def _protected(self, batch: Batch) -> Protected:
        if isinstance(batch, pa.Table):
            judged = self._table(batch)
        elif "body" in batch[0]:
            judged = self._bodies(cast(list[Body], batch))
        else:
            judged = self._records(cast(list[Records], batch))
        self.tally.read = judged.num_rows
        typed = self._last_of_each_key(self._quarantine(self._allowed(judged)))
        if self.remember:
            self.seen.append(typed.select(self.key))
        texts = [column for column in self.kept if column.data_type == "text"]
        said = [column.name for column in texts if column.personal == privacy.REDACT]
        treated = dict(
            zip(said, privacy.redact_columns([typed[name] for name in said]), strict=True)
        )
        for column in texts:
            if column.personal == privacy.PSEUDONYMISE:
                treated[column.name] = privacy.pseudonymise_column(typed[column.name])
        for name, values in treated.items():
            typed = typed.set_column(typed.schema.get_field_index(name), name, values)
        self.memory.register("typed", typed)
        told = self._run(
            f"select {self.hashes}, _empreinte"
            f" from (select *, {self.digest()} as _empreinte from typed)"
        )
        self.memory.close()
        rows = typed.append_column("_empreinte", told["_empreinte"])
        return Protected(rows, *hashes(told), self.tally, self.seen)

    def _admitted(self, batch: Protected) -> pa.Table:
        moved = self._compare(batch)
        self.tally.add(batch.tally)
        self.seen += batch.seen
        return moved

    def matching(self, header: Iterable[str]) -> dict[str, list[str]]:
        """Return, for each declared column, the names in `header` that stand for it."""
        by_plain: dict[str, list[str]] = {}
        for name in header:
            by_plain.setdefault(plain(name), []).append(name)
        return {
            column.name: [
                outside
                for name in dict.fromkeys(plain(known) for known in column.names)
                for outside in by_plain.get(name, [])
            ]
            for column in self.columns
        }

    def missing(self, header: Iterable[str]) -> list[str]:
        """Return the first outside name of each required column that `header` lacks."""
        matching = self.matching(header)
        return [
            (column.names[1:] or column.names)[0]
            for column in self.columns
            if column.required and not matching[column.name]
        ]

    def _table(self, page: pa.Table) -> pa.Table:
        """Judge a table of text; a column known by two names is merged."""
        matching = self.matching(name for name in page.column_names if name not in _WHERE)
        used = {outside for names in matching.values() for outside in names}
        self.tally.unknown.update(set(page.column_names) - used - set(_WHERE))
        self.memory.register("page", page)
        texts = ", ".join(
            f"{_said(map(_quoted, names))} as {_quoted(name)}"
            if names
            else f"cast(null as varchar) as {_quoted(name)}"
            for name, names in matching.items()
        )
        judged = self._judged(f"select {texts} from page")
        for name, kind in zip(_WHERE, (pa.string(), pa.int64()), strict=True):
            known = name in page.column_names
            place = page[name].cast(kind) if known else pa.nulls(page.num_rows, kind)
            judged = judged.append_column(name, place)
        return judged

    def _records(self, pages: list[Records]) -> pa.Table:
        """Judge JSON records."""
        records = [record for page in pages for record in page["records"]]
        # As text and not as escapes: half a character is then replaced, and refuses its row alone.
        written = (json.dumps(record, ensure_ascii=False) for record in records)
        lines = "\n".join(written).encode(errors="replace")
        judged, _ = self._parsed([lines], "newline_delimited", records[0])
        return _placed(judged, pages, [len(page["records"]) for page in pages])

    def _bodies(self, pages: list[Body]) -> pa.Table:
        """Judge large answers as they came, all of one form."""
        bodies = [page["body"] for page in pages]
        first = {name: value for body in reversed(bodies) for name, value in _first(body).items()}
        judged, counts = self._parsed(map(_decoded, bodies), _form(bodies[0]), first)
        return _placed(judged, pages, counts)

    def _parsed(
        self, bodies: Iterable[bytes], form: str, first: Mapping[str, Any]
    ) -> tuple[pa.Table, list[int]]:
        """Judge JSON objects, in their order; `first` says which fields they bear.

        Returns:
            The rows judged, and how many each of `bodies` holds.
        """
        header = list(_paths(first))
        matching = self.matching(header)
        # The first record may lack an optional field that a later one bears.
        paths = {
            column.name: list(dict.fromkeys((*matching[column.name], *column.names)))
            for column in self.columns
        }
        self.tally.unknown.update(set(header).difference(*paths.values()))
        roots = {path.split(".")[0]: path for names in paths.values() for path in names}
        # DuckDB takes two names that differ by their case for one: the one that is there wins.
        ours = {root.lower(): root for root in [*roots, *(r for r in roots if r in first)]}
        nested = {p.split(".")[0] for names in paths.values() for p in names if "." in p}
        kinds = {root: "JSON" if root in nested else "VARCHAR" for root in ours.values()}
        texts = ", ".join(
            f"{_said(_field(p, nested) for p in names if p.split('.')[0] in kinds)}"
            f" as {_quoted(name)}"
            for name, names in paths.items()
        )
        # Files in memory: DuckDB's reader is ten times as fast as its functions on one value.
        files = {f"memory:///{id(self)}-{n}.json": body for n, body in enumerate(bodies)}
        for path, body in files.items():
            self.files.pipe_file(path, body)
        try:
            judged = self._judged(
                f"select {texts}, _page from read_json({list(files)}, format = '{form}',"
                f" columns = {kinds!r}, filename = '_page')",
                "_page",
            )
        finally:
            for path in files:
                self.files.rm_file(path)
        counts = {
            page["values"]: page["counts"] for page in judged["_page"].value_counts().to_pylist()
        }
        return judged.drop_columns("_page"), [counts.get(path, 0) for path in files]

    def _judged(self, received: str, *others: str) -> pa.Table:
        """Type the rows of `received`, SQL of the text of each declared column.

        Args:
            received: SQL.
            others: columns that are carried along.

        Returns:
            The columns kept, with `_hachage` of the key, `_exclue` for the rows that must not come
            in, and `_motifs`, null but for the rows that break the contract.
        """
        typed = ", ".join(f"{c.typed} as {_quoted('=' + c.name)}" for c in self.columns)
        complaints = ", ".join(f"{c.complaint} as {_quoted('!' + c.name)}" for c in self.columns)
        told = [_quoted("!" + column.name) for column in self.columns]
        reasons = ", ".join(
            f"{{'colonne': '{column.name}', 'texte': {_quoted(column.name)}, 'motif': {why}}}"
            for column, why in zip(self.columns, told, strict=True)
        )
        # A word anywhere in the cell: better one row too few than one that is sensitive.
        unwanted = [
            f"coalesce(regexp_matches({_quoted(column.name)},"
            f" '(?i)(^|[^\\pL])({'|'.join(map(re.escape, column.excluded))})([^\\pL]|$)'), false)"
            for column in self.columns
            if column.excluded
        ]
        kept = [f"{_quoted('=' + c.name)} as {_quoted(c.name)}" for c in self.kept]
        key = ", ".join(_quoted("=" + name) for name in self.key)
        return self._run(
            f"select {', '.join((*kept, *others))}, hash({key}) as _hachage,"
            f" {' or '.join(unwanted) or 'false'} as _exclue,"
            f" case when coalesce({', '.join(told)}, null) is not null then"
            f" list_filter([{reasons}], lambda one: one.motif is not null) end as _motifs"
            f" from (select *, {complaints} from (select *, {typed} from ({received})))"
        )

    def _allowed(self, judged: pa.Table) -> pa.Table:
        """Leave out the rows that must not come in."""
        unwanted = judged["_exclue"]
        if pc.any(unwanted).as_py():
            judged = judged.filter(pc.invert(unwanted))
            self.tally.excluded += len(unwanted) - judged.num_rows
        judged = self._remembered(judged)
        for whence in judged["_fichier"].value_counts().to_pylist():
            self.tally.by_whence[whence["values"]][0] += whence["counts"]
        return judged.drop_columns("_exclue")

    def _remembered(self, judged: pa.Table) -> pa.Table:
        """Leave out the rows that were purged or erased, and the texts that were."""
        gone = self.forgotten
        masks = [
            privacy.opposed(judged[column.name], gone.opposed[column.name], column.personal)
            for column in self.kept
            if column.name in gone.opposed
        ]
        older = {name: self._older(judged, before) for name, before in gone.before.items()}
        if "" in older:
            masks.append(older.pop(""))
        for name, is_older in older.items():
            index = judged.schema.get_field_index(name)
            kept = pc.if_else(is_older, pa.scalar(None, pa.string()), judged[name])
            judged = judged.set_column(index, name, kept)
        if masks:
            left = judged.filter(pc.invert(reduce(pc.or_, masks)))
            self.tally.forgotten += judged.num_rows - left.num_rows
            judged = left
        return judged

    def _older(self, judged: pa.Table, before: date) -> pa.ChunkedArray:
        moment = judged[self.forgotten.by]
        if pa.types.is_timestamp(moment.type):
            moment = pc.local_timestamp(moment.cast(pa.timestamp("us", str(PARIS))))
        return pc.fill_null(pc.less(moment.cast(pa.date32(), safe=False), pa.scalar(before)), False)

    def _quarantine(self, judged: pa.Table) -> pa.Table:
        """Set aside the rows that break the contract, with their reasons."""
        broken = judged["_motifs"].is_valid()
        if pc.any(broken).as_py():
            aside = judged.filter(broken).select([*_WHERE, "_motifs"]).combine_chunks()
            motives = aside["_motifs"].combine_chunks()
            told = aside.select(_WHERE).take(pc.list_parent_indices(motives))
            for name, values in zip(
                ("colonne", "texte", "motif"), motives.flatten().flatten(), strict=True
            ):
                told = told.append_column(name, values)
            self.memory.register("told", told)
            self._set_aside(
                aside["_fichier"],
                "select _fichier as fichier, _ligne as ligne, colonne,"
                f" {_value_class('texte')} as classe_valeur, motif from told",
            )
            judged = judged.filter(pc.invert(broken))
        return judged.drop_columns("_motifs")

    def _last_of_each_key(self, typed: pa.Table) -> pa.Table:
        """Keep the last row of each key.

        The same row twice says nothing new, a later answer corrects an earlier one; two that differ
        under one key within one file or answer are a conflict.
        """
        hashes = typed["_hachage"].to_numpy()
        typed = typed.drop_columns("_hachage")
        if len(np.unique(hashes)) == len(hashes):
            return typed
        key = ", ".join(map(_quoted, self.key))
        content = self.digest()
        ranked = typed.append_column("_place", pa.arange(0, typed.num_rows))
        self.memory.register("typed", ranked)
        last = f"over (partition by {key} order by _place desc)"
        self.memory.execute(
            "create or replace temp table ranked as select *,"
            f" row_number() {last} as _rival, first_value(_contenu) {last} as _gardee,"
            f" first_value(_fichier) {last} as _derniere"
            f" from (select *, {content} as _contenu from typed)"
        )
        conflicts = "from ranked where _rival > 1 and _contenu <> _gardee and _fichier = _derniere"
        self._set_aside(
            self._run(f"select _fichier {conflicts}")["_fichier"],
            f"select _fichier as fichier, _ligne as ligne, '{self.key[0]}' as colonne,"
            " 'ligne entière' as classe_valeur,"
            " 'clé en double avec un autre contenu : la dernière ligne est gardée' as motif"
            f" {conflicts}",
        )
        return self._run(
            "select * exclude (_place, _rival, _contenu, _gardee, _derniere)"
            " from ranked where _rival = 1 order by _place"
        )

    def _set_aside(self, whences: pa.ChunkedArray, reasons: str) -> None:
        """Count rows set aside, by where they come from, and keep why, which is SQL."""
        for whence in whences.value_counts().to_pylist():
            self.tally.by_whence[whence["values"]][1] += whence["counts"]
        self.tally.aside += len(whences)
        rejects = self._run(reasons).cast(_REJECTS)
        self.tally.rejects = pa.concat_tables([self.tally.rejects, rejects])

    def _compare(self, batch: Protected) -> pa.Table:
        """Keep the rows that this origin has not landed yet, or not with this content."""
        met, same = self.known.meet(batch.keys, batch.contents)
        self.tally.new += int(np.sum(~met))
        self.tally.changed += int(np.sum(met & ~same))
        rows = batch.rows.filter(pa.array(~same)) if same.any() else batch.rows
        rank = pa.arange(self.tally.read, self.tally.read + rows.num_rows)
        origin = _repeated([self.origin], [rows.num_rows])
        return rows.append_column("_origine", origin).append_column("_rang", rank)

    def _run(self, sql: str) -> pa.Table:
        return self.memory.execute(sql).to_arrow_table()


def _together(pages: Iterable[Page]) -> Iterator[Batch]:
    """Yield the pages, small answers by many: each passage costs the same few queries."""
    batch: list[Any] = []
    kind, share = "", 0.0
    for page in pages:
        if isinstance(page, pa.Table):
            yield page
            continue
        if "body" in page:
            body = cast(Body, page)["body"]
            form, weight = _form(body), len(body) / BYTES_TOGETHER
        else:
            form, weight = "records", len(page["records"]) / ROWS_TOGETHER
        if not (form and weight):
            continue
        if batch and form != kind:
            yield batch
            batch, share = [], 0.0
        batch.append(page)
        kind, share = form, share + weight
        if share >= 1:
            yield batch
            batch, share = [], 0.0
    if batch:
        yield batch


def hashes(rows: pa.Table) -> tuple[Hashes, Hashes]:
    """Return what the SQL of `Door.hashes` told of `rows`."""
    return rows["_cle"].to_numpy(), rows["_contenu"].to_numpy()


def _placed(rows: pa.Table, pages: Iterable[Any], counts: list[int]) -> pa.Table:
    """Say where each row was read: which of `pages`, and which row of it."""
    whences = _repeated([page["whence"] for page in pages], counts)
    lines = pa.concat_arrays(pa.arange(1, count + 1) for count in counts)
    return rows.append_column("_fichier", whences).append_column("_ligne", lines)


def _form(body: bytes) -> str:
    """Return how DuckDB calls the form of an answer, nothing when it says nothing."""
    text = body.lstrip(_BLANK)
    if not text.lstrip(b"[" + _BLANK).strip(b"]" + _BLANK):
        return ""
    return "array" if text.startswith(b"[") else "newline_delimited"


def _first(body: bytes) -> dict[str, Any]:
    """Return the first record of an answer."""
    text = body.lstrip(b"[" + _BLANK)
    try:
        head = text[:FIRST_BYTES].decode(errors="ignore")
        first: dict[str, Any] = json.JSONDecoder().raw_decode(head)[0]
    except ValueError:
        first, _ = json.JSONDecoder().raw_decode(text.decode(errors="replace"))
    return first


def _decoded(body: bytes) -> bytes:
    """Return `body`, its bad bytes replaced: their rows go to quarantine, and no other."""
    try:
        pa.array([body], pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        return body.decode(errors="replace").encode()
    return body


def _said(texts: Iterable[str]) -> str:
    """Return the SQL of the first of several received texts that says something."""
    return f"coalesce({', '.join(map(_clean, texts))}, null)"


def _repeated(values: list[str], counts: list[int]) -> pa.Array:
    """Return each of `values` as many times as its count."""
    return pa.concat_arrays(map(pa.repeat, map(pa.scalar, values), counts))


def _clean(text: str) -> str:
    """Return the SQL of a received text without its margins, null when nothing is left."""
    margins = ("' '", "chr(9)", "chr(10)", "chr(13)", "chr(160)")
    ends = " or ".join(f"suffix({text}, {margin})" for margin in margins)
    # Most texts have none: seeing that costs a tenth of trimming them. A blank sorts before `!`.
    return (
        f"case when {text} > '!' and not (prefix({text}, chr(160)) or {ends}) then {text}"
        f" else nullif(trim({text}, {' || '.join(margins)}), '') end"
    )


def _digest(values: Iterable[str]) -> str:
    """Return the SQL of a stable hash of a row; a null differs from an empty text."""
    texts = ", ".join(f"coalesce(cast({value} as varchar), chr(1))" for value in values)
    return f"md5(concat_ws(chr(31), {texts}))[:{DIGEST}]"


def _paths(record: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    """Yield the dotted names of the fields of a record; a list is a value."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def _field(path: str, nested: Container[str]) -> str:
    """Return the SQL of the text at a dotted path of a record."""
    root, _, rest = path.partition(".")
    if root not in nested:
        return _quoted(root)
    steps = "".join('."' + step.replace('"', "") + '"' for step in rest.split(".") if step)
    return f"json_extract_string({_quoted(root)}, '${steps.replace(chr(39), chr(39) * 2)}')"
