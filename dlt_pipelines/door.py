"""The contract of a table, applied to each page that arrives: type, refuse, protect, compare.

A page is what a source yields: `{"whence": name of the answer, "records": list of JSON objects}`,
`{"whence": …, "body": bytes}` for a large answer left as it came (a JSON array, or one object a
line), or an Arrow table of text whose columns bear the outside's own names, with `_fichier` and
`_ligne`.
The declaration of the table (dlt column hints) says the rest:

    data_type   text | bigint | double | date | timestamp
    nullable    False: a row without it is quarantined, a file without the column is refused
    x-personal  keep | redact | pseudonymise | drop (a text that says nothing is redacted)
    x-names     other names of the column outside, dotted inside nested records
    x-format    departement | mois | annee: a code brought to its one writing
    x-min       smallest value that makes sense
    x-exclude   words whose rows do not come in at all: they are counted, and kept nowhere
    x-check     condition that a row must meet, over typed columns in braces, and what to say of it

Everything runs in memory, column by column, inside DuckDB and Arrow: nothing unprotected is ever
written, and no row passes through Python.
"""

import json
import re
import unicodedata
from collections import defaultdict, deque
from collections.abc import Container, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypedDict, cast

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from fsspec.implementations.memory import MemoryFileSystem

from dlt_pipelines import privacy


class Records(TypedDict):
    """An answer of an outside service: where it was read, and its records (JSON objects)."""

    whence: str
    records: list[dict[str, Any]]


class Body(TypedDict):
    """A large answer as it came: a JSON array, or one JSON object a line."""

    whence: str
    body: bytes


Page: TypeAlias = Records | Body | pa.Table

ROWS_TOGETHER = 20_000
CLERKS = 4  # pages in hand at once: what bounds the memory of a landing
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
# An electronic address, or a French mobile number.
_SOMEBODY = (
    r"(?i)^[^@\s]+@[^@\s]+[.][a-z]{2,}$|^([+]33|0033|0)[ ]?[(]?0?[)]?[67]([ ./-]?[0-9]{2}){4}$"
)
_CLOCKS = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y")


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
        )

    @property
    def typed(self) -> str:
        """Return the SQL that reads the received text of this column, null when it cannot."""
        text = _quoted(self.name)
        if self.format == "departement":
            code = f"upper(regexp_replace({text}, '^(?i:dep)|[.]0+$', '', 'g'))"
            code = f"case when length({code}) = 1 then '0' || {code} else {code} end"
            return f"case when regexp_matches({code}, '{_DEPARTEMENT}') then {code} else {text} end"
        if self.format == "mois":
            return f"nullif(regexp_extract({text}, '^\\d{{4}}-(0[1-9]|1[0-2])$', 0), '')"
        if self.format == "annee":
            year = f"try_cast(regexp_extract({text}, '^\\d{{2}}(\\d{{2}})?([.]0+)?$', 0) as double)"
            year = f"cast({year} as bigint)"
            year = f"case when {year} < 100 then 2000 + {year} else {year} end"
            return f"case when {year} between 1900 and 2100 then {year} end"
        if self.data_type == "bigint":
            digits = f"regexp_replace({text}, '[\\s\\x{{00a0}}\\x{{202f}}]', '', 'g')"
            return (
                f"case when regexp_matches({digits}, '{_INTEGER}') "
                f"then try_cast(regexp_replace({digits}, '[.,]0+$', '') as bigint) end"
            )
        if self.data_type == "double":
            digits = f"regexp_replace({text}, '[\\s\\x{{00a0}}\\x{{202f}}]', '', 'g')"
            number = f"try_cast(replace({digits}, ',', '.') as double)"
            return f"case when isfinite({number}) then {number} end"
        if self.data_type in ("date", "timestamp"):
            # A clock without an offset is French local time; years out of reach are mistakes.
            slashed = f"contains({text}[:3], '/')"
            local = f"case when {slashed} then try_strptime({text}, {list(_CLOCKS)!r}) end"
            moment = (
                f"case when {local} is not null then timezone('Europe/Paris', {local})"
                f" when regexp_matches({text}, '([zZ]|[+-]\\d{{2}}:?\\d{{2}})$')"
                f" and regexp_matches({text}, ':')"
                f" then try_cast({text} as timestamptz)"
                f" else timezone('Europe/Paris', try_cast({text} as timestamp)) end"
            )
            if self.data_type == "date":
                moment = f"coalesce(cast({local} as date), try_cast({text} as date))"
            return f"case when year({moment}) between 1900 and 2100 then {moment} end"
        return text

    @property
    def complaints(self) -> list[tuple[str, str]]:
        """Return the SQL conditions under which this column sets its row aside, and what to say."""
        text, value = _quoted(self.name), _quoted("=" + self.name)
        kind = {
            "bigint": "n’est pas un nombre entier",
            "double": "n’est pas un nombre",
            "date": "n’est pas une date lisible entre 1900 et 2100",
            "timestamp": "n’est pas une date lisible entre 1900 et 2100",
        }.get(self.data_type, "n’a pas la forme attendue")
        cases = [(f"{text} is not null and {value} is null", kind)]
        if self.required:
            cases.append((f"{text} is null", "valeur obligatoire absente"))
            if self.data_type == "text" and self.personal == privacy.KEEP:
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
        return [*cases, (unreadable, "caractères illisibles")]

    @property
    def breach(self) -> str:
        """Return the SQL that says whether this column sets its row aside."""
        return " or ".join(f"coalesce({condition}, false)" for condition, _ in self.complaints)

    @property
    def reason(self) -> str:
        """Return the SQL that says why, and what kind of value stood there."""
        cases = " ".join(f"when {condition} then '{why}'" for condition, why in self.complaints)
        return (
            f"{{'colonne': '{self.name}', 'classe_valeur': {_value_class(_quoted(self.name))}, "
            f"'motif': case {cases} end}}"
        )


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


@dataclass
class Tally:
    """What became of the rows of one table in one landing."""

    read: int = 0
    new: int = 0
    changed: int = 0
    aside: int = 0
    excluded: int = 0
    rejects: list[dict[str, Any]] = field(default_factory=list)
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
        self.rejects += other.rejects
        self.unknown |= other.unknown
        for whence, counts in other.by_whence.items():
            self.by_whence[whence] = list(
                map(sum, zip(self.by_whence[whence], counts, strict=True))
            )

    @property
    def whences(self) -> set[str]:
        return set(self.by_whence)


# Rows typed and protected, what was counted on the way, their keys when they are remembered.
Protected: TypeAlias = tuple[pa.Table, Tally, list[pa.Table]]


class Door:
    """The door of one table: pages in, protected typed rows out, the rest counted.

    Args:
        table: name of the table, as dlt lands it.
        columns: dlt column hints, by name.
        key: columns that identify a row.
        origin: `reel` or `bac_a_sable`, written in each row.
        known: rows already landed from this origin, an Arrow table of the key and `_empreinte`.
        remember: keep the keys of all rows seen, for a table whose window is replaced.
    """

    def __init__(
        self,
        table: str,
        columns: Mapping[str, Mapping[str, Any]],
        key: Iterable[str],
        origin: str,
        known: pa.Table | None = None,
        remember: bool = False,
    ) -> None:
        self.table = table
        self.columns = [Column.declared(name, hints) for name, hints in columns.items()]
        self.kept = [column for column in self.columns if column.personal != privacy.DROP]
        self.key = list(key)
        self.origin = origin
        self.remember = remember
        self.seen: list[pa.Table] = []
        self.tally = Tally()
        # No spilling: an unprotected page must never reach the disk.
        self.memory = duckdb.connect(
            config={"temp_directory": "", "python_enable_replacements": False}
        )
        self.memory.execute("set timezone = 'UTC'")
        # Pages are read from here, and never from the disk.
        self.files = MemoryFileSystem()
        self.memory.register_filesystem(self.files)
        self._key_hash = f"hash({', '.join(_quoted(name) for name in self.key)})"
        self.memory.execute("create table known (key_hash ubigint, row_hash ubigint)")
        if known is not None:
            self.memory.register("landed", known)
            self.memory.execute(
                f"insert into known select {self._key_hash}, hash(_empreinte) from landed"
            )
            self.memory.unregister("landed")

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
            for handed in _together(pages):
                busy.append(pool.submit(self._clerk()._protected, handed))
                if len(busy) > CLERKS:
                    yield self._admitted(*busy.popleft().result())
            while busy:
                yield self._admitted(*busy.popleft().result())

    def _clerk(self) -> "Door":
        """Return a door that works beside this one, on one page, with a tally of its own."""
        clerk = copy(self)
        clerk.memory = self.memory.cursor()
        clerk.memory.execute("set timezone = 'UTC'")
        clerk.tally, clerk.seen = Tally(), []
        return clerk

    def _protected(self, page: "pa.Table | Body | list[Records]") -> Protected:
        if isinstance(page, pa.Table):
            received = self._header(page)
        elif isinstance(page, list):
            received = self._records(page)
        else:
            received = self._body(page)
        self.tally.read = received.num_rows
        allowed = self._allowed(received)
        for whence in allowed["_fichier"].value_counts().to_pylist():
            self.tally.by_whence[whence["values"]][0] += whence["counts"]
        typed = self._last_of_each_key(self._quarantine(allowed))
        if self.remember:
            self.seen.append(typed.select(self.key))
        for column in self.kept:
            treat = {
                privacy.REDACT: privacy.redact_column,
                privacy.PSEUDONYMISE: privacy.pseudonymise_column,
            }.get(column.personal)
            if treat and column.data_type == "text":
                index = typed.schema.get_field_index(column.name)
                typed = typed.set_column(index, column.name, treat(typed[column.name]))
        self.memory.register("typed", typed)
        digest = _digest(_quoted(column.name) for column in self.kept)
        digested = self._run(f"select *, {digest} as _empreinte from typed")
        self.memory.close()
        return digested, self.tally, self.seen

    def _admitted(self, arrived: pa.Table, tally: Tally, seen: list[pa.Table]) -> pa.Table:
        moved = self._compare(arrived)
        self.tally.add(tally)
        self.seen += seen
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

    def _header(self, page: pa.Table) -> pa.Table:
        """Rename the columns of a table of text to ours; a column known by two names is merged."""
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
        where = ", ".join(
            name if name in page.column_names else f"null as {name}" for name in _WHERE
        )
        return self._run(f"select {texts}, {where} from page")

    def _records(self, pages: list[Records]) -> pa.Table:
        """Take the declared fields out of JSON records, each as text."""
        records = [record for page in pages for record in page["records"]]
        # As text and not as escapes: half a character is then replaced, and refuses its row alone.
        written = (json.dumps(record, ensure_ascii=False) for record in records)
        lines = "\n".join(written).encode(errors="replace")
        counts = [len(page["records"]) for page in pages]
        return (
            self._parsed(lines, "newline_delimited", records[0])
            .append_column("_fichier", _repeated([page["whence"] for page in pages], counts))
            .append_column("_ligne", pa.concat_arrays(pa.arange(1, count + 1) for count in counts))
        )

    def _body(self, page: Body) -> pa.Table:
        body = page["body"]
        try:
            text = body.decode()
        except UnicodeDecodeError:
            text = body.decode(errors="replace")  # its rows go to quarantine, and no other
            body = text.encode()
        start = len(text) - len(text.lstrip("[ \t\r\n\ufeff"))
        if text[start : start + 1] in ("", "]"):
            return self._header(pa.table({name: pa.array([], pa.string()) for name in _WHERE}))
        first, _ = json.JSONDecoder().raw_decode(text, start)
        form = "array" if text.lstrip()[:1] == "[" else "newline_delimited"
        parsed = self._parsed(body, form, first)
        return parsed.append_column(
            "_fichier", _repeated([page["whence"]], [parsed.num_rows])
        ).append_column("_ligne", pa.arange(1, parsed.num_rows + 1))

    def _parsed(self, body: bytes, form: str, first: Mapping[str, Any]) -> pa.Table:
        """Read JSON objects, in their order; `first` says which fields they bear."""
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
        # A file in memory: DuckDB's reader is ten times as fast as its functions on one value.
        path = f"memory://page-{id(self)}.json"
        self.files.pipe_file(path, body)
        try:
            return self._run(
                f"select {texts} from read_json('{path}', format = '{form}', columns = {kinds!r})"
            )
        finally:
            self.files.rm_file(path)

    def _allowed(self, received: pa.Table) -> pa.Table:
        """Leave out the rows that must not come in."""
        # A word anywhere in the cell: better one row too few than one that is sensitive.
        unwanted = " or ".join(
            f"coalesce(regexp_matches({_quoted(column.name)},"
            f" '(?i)(^|[^\\pL])({'|'.join(map(re.escape, column.excluded))})([^\\pL]|$)'), false)"
            for column in self.columns
            if column.excluded
        )
        if not unwanted:
            return received
        self.memory.register("received", received)
        allowed = self._run(f"select * from received where not ({unwanted})")
        self.tally.excluded += received.num_rows - allowed.num_rows
        return allowed

    def _quarantine(self, received: pa.Table) -> pa.Table:
        """Type the rows; those that break the contract go to the tally with their reasons."""
        self.memory.register("received", received)
        typed = ", ".join(f"{c.typed} as {_quoted('=' + c.name)}" for c in self.columns)
        breach = " or ".join(column.breach for column in self.columns)
        kept = ", ".join(f"{_quoted('=' + c.name)} as {_quoted(c.name)}" for c in self.kept)
        judged = self._run(
            f"select {kept}, _fichier, _ligne, {breach} as _ecartee"
            f" from (select *, {typed} from received)"
        )
        broken = judged["_ecartee"]
        if pc.any(broken).as_py():
            self.memory.register("received", received.filter(broken))
            reasons = ", ".join(column.reason for column in self.columns)
            self._set_aside(
                self._run(
                    "select _fichier as fichier, _ligne as ligne, list_filter("
                    f"[{reasons}], lambda c: c.motif is not null) as reasons"
                    f" from (select *, {typed} from received)"
                )
            )
            judged = judged.filter(pc.invert(broken))
        return judged.drop_columns("_ecartee")

    def _last_of_each_key(self, typed: pa.Table) -> pa.Table:
        """Keep the last row of each key.

        The same row twice says nothing new, a later answer corrects an earlier one; two that differ
        under one key within one file or answer are a conflict.
        """
        self.memory.register("typed", typed)
        key = ", ".join(map(_quoted, self.key))
        keys = self.memory.execute(f"select count(distinct {self._key_hash}) from typed").fetchone()
        if keys == (typed.num_rows,):
            return typed
        content = _digest(_quoted(column.name) for column in self.kept)
        ranked = typed.append_column("_place", pa.arange(0, typed.num_rows))
        self.memory.register("typed", ranked)
        last = f"over (partition by {key} order by _place desc)"
        self.memory.execute(
            "create or replace temp table ranked as select *,"
            f" row_number() {last} as _rival, first_value(_contenu) {last} as _gardee,"
            f" first_value(_fichier) {last} as _derniere"
            f" from (select *, {content} as _contenu from typed)"
        )
        self._set_aside(
            self._run(
                "select _fichier as fichier, _ligne as ligne, [{"
                f"'colonne': '{self.key[0]}', 'classe_valeur': 'ligne entière', 'motif':"
                " 'clé en double avec un autre contenu : la dernière ligne est gardée'}] as reasons"
                " from ranked where _rival > 1 and _contenu <> _gardee and _fichier = _derniere"
            )
        )
        return self._run(
            "select * exclude (_place, _rival, _contenu, _gardee, _derniere)"
            " from ranked where _rival = 1 order by _place"
        )

    def _set_aside(self, rows: pa.Table) -> None:
        for row in rows.to_pylist():
            self.tally.by_whence[row["fichier"]][1] += 1
            self.tally.aside += 1
            self.tally.rejects += [
                {"fichier": row["fichier"], "ligne": row["ligne"], **reason}
                for reason in row["reasons"]
            ]

    def _compare(self, arrived: pa.Table) -> pa.Table:
        """Keep the rows that this origin has not landed yet, or not with this content."""
        self.memory.register("arrived", arrived)
        hashes = self._run(
            f"select {self._key_hash} as key_hash, hash(_empreinte) as row_hash from arrived"
        )
        hashes = hashes.append_column("place", pa.arange(0, arrived.num_rows))
        self.memory.register("hashes", hashes)
        met = self._run(
            "select place, hashes.row_hash = known.row_hash as is_same"
            " from hashes join known using (key_hash)"
        )
        again = met.filter(met["is_same"])["place"]
        self.tally.new += arrived.num_rows - met.num_rows
        self.tally.changed += met.num_rows - len(again)
        if met.num_rows:
            self.memory.execute("delete from known where key_hash in (select key_hash from hashes)")
        self.memory.execute("insert into known select key_hash, row_hash from hashes")
        if len(again):
            arrived = arrived.filter(pc.invert(pc.is_in(hashes["place"], again)))
        rank = pa.arange(self.tally.read, self.tally.read + arrived.num_rows)
        origin = _repeated([self.origin], [arrived.num_rows])
        return arrived.append_column("_origine", origin).append_column("_rang", rank)

    def _run(self, sql: str) -> pa.Table:
        return self.memory.execute(sql).to_arrow_table()


def _together(pages: Iterable[Page]) -> Iterator["pa.Table | Body | list[Records]"]:
    """Yield the pages, small answers by many: each passage costs the same few queries."""
    small: list[Records] = []
    count = 0
    for page in pages:
        if isinstance(page, pa.Table):
            yield page
        elif "body" in page:
            yield cast(Body, page)
        elif records := page["records"]:
            small.append(cast(Records, page))
            count += len(records)
            if count >= ROWS_TOGETHER:
                yield small
                small, count = [], 0
    if small:
        yield small


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
    return f"md5(concat_ws(chr(31), {texts}))"


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
