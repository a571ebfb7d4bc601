"""The contract of a table, applied to each page that arrives: type, refuse, protect, compare.

A page is what a source yields: `{"whence": name of the answer, "records": list of JSON objects}`,
or an Arrow table of text whose columns bear the outside's own names, with `_fichier` and `_ligne`.
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
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypedDict

import duckdb
import pyarrow as pa

from dlt_pipelines import privacy


class Records(TypedDict):
    """An answer of an outside service: where it was read, and its records (JSON objects)."""

    whence: str
    records: list[dict[str, Any]]


Page: TypeAlias = Records | pa.Table

ROWS_TOGETHER = 20_000
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
            local = f"try_strptime({text}, {list(_CLOCKS)!r})"
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
    def complaints(self) -> str:
        """Return the SQL list of reasons for which this column sets its row aside."""
        text, value = _quoted(self.name), _quoted("=" + self.name)
        kind = {
            "bigint": "n’est pas un nombre entier",
            "double": "n’est pas un nombre",
            "date": "n’est pas une date lisible entre 1900 et 2100",
            "timestamp": "n’est pas une date lisible entre 1900 et 2100",
        }.get(self.data_type, "n’a pas la forme attendue")
        cases = [f"when {text} is not null and {value} is null then '{kind}'"]
        if self.required:
            cases.append(f"when {text} is null then 'valeur obligatoire absente'")
            if self.format == "departement":
                cases.append(
                    f"when not regexp_matches({value}, '{_DEPARTEMENT}|^00$') "
                    "then 'n’est pas un code de département connu'"
                )
        if self.minimum is not None:
            cases.append(
                f"when {value} < {self.minimum} then 'inférieur au minimum ({self.minimum})'"
            )
        if self.check:
            condition, reason = self.check
            typed = re.sub(r"\{(\w+)\}", lambda name: _quoted("=" + name[1]), condition)
            cases.append(f"when not ({typed}) then '{reason}'")
        cases.append(
            f"when contains({text}, chr(65533)) or contains({text}, chr(0)) "
            "then 'caractères illisibles'"
        )
        return (
            f"{{'colonne': '{self.name}', 'classe_valeur': {_value_class(text)}, "
            f"'motif': case {' '.join(cases)} end}}"
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

    @property
    def whences(self) -> set[str]:
        return set(self.by_whence)


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
        self._key_hash = f"hash({', '.join(_quoted(name) for name in self.key)})"
        self.memory.execute("create table known (key_hash ubigint, row_hash ubigint)")
        if known is not None:
            self.memory.register("landed", known)
            self.memory.execute(
                f"insert into known select {self._key_hash}, hash(_empreinte) from landed"
            )
            self.memory.unregister("landed")

    def empty(self) -> pa.Table:
        """Return no row of what `admit` yields."""
        nothing = {name: pa.array([], pa.string()) for name in ("_fichier", "_empreinte")}
        typed = {c.name: pa.array([], _ARROW.get(c.data_type, pa.string())) for c in self.kept}
        return pa.table(typed | nothing | {"_ligne": pa.array([], pa.int64())})

    def admit(self, pages: Iterable[Page]) -> Iterator[pa.Table]:
        """Yield the new and changed rows of `pages`, typed and protected, ready for dlt."""
        small: list[dict[str, Any]] = []
        for page in pages:
            if isinstance(page, pa.Table):
                yield self._admitted(self._header(page))
                continue
            small += [
                {**record, "_fichier": page["whence"], "_ligne": number}
                for number, record in enumerate(page["records"], start=1)
            ]
            # Each passage costs the same few queries: small answers go through together.
            if len(small) >= ROWS_TOGETHER:
                yield self._admitted(self._records(small))
                small = []
        if small:
            yield self._admitted(self._records(small))

    def _admitted(self, received: pa.Table) -> pa.Table:
        allowed = self._allowed(received)
        for whence in allowed["_fichier"].value_counts().to_pylist():
            self.tally.by_whence[whence["values"]][0] += whence["counts"]
        typed = self._quarantine(allowed)
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
        moved = self._compare(typed)
        self.tally.read += received.num_rows
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
            f"coalesce({', '.join(_clean(_quoted(outside)) for outside in names)}, null)"
            f" as {_quoted(name)}"
            if names
            else f"cast(null as varchar) as {_quoted(name)}"
            for name, names in matching.items()
        )
        where = ", ".join(
            name if name in page.column_names else f"null as {name}" for name in _WHERE
        )
        return self._run(f"select {texts}, {where} from page")

    def _records(self, records: list[dict[str, Any]]) -> pa.Table:
        """Take the declared fields out of JSON records, each as text."""
        body = json.dumps(records)
        self.memory.register("page", pa.table({"body": pa.array([body], pa.large_string())}))
        header = [name for name in _paths(records[0]) if name not in _WHERE]
        matching = self.matching(header)
        # The first record may lack an optional field that a later one bears.
        paths = {
            column.name: list(dict.fromkeys((*matching[column.name], *column.names)))
            for column in self.columns
        }
        self.tally.unknown.update(set(header).difference(*paths.values()))
        # One list of paths: the record is parsed once, not once a field.
        asked = list(dict.fromkeys(path for names in paths.values() for path in names))
        place = {path: f"found[{i}]" for i, path in enumerate(asked, start=1)}
        texts = ", ".join(
            f"coalesce({', '.join(_clean(place[p]) for p in names)}, null) as {_quoted(name)}"
            for name, names in paths.items()
        )
        return self._run(
            f"select {texts}, record ->> '$._fichier' as _fichier,"
            " cast(record ->> '$._ligne' as bigint) as _ligne from (select record,"
            f" json_extract_string(record, [{', '.join(map(_json_path, asked))}]) as found"
            " from (select unnest(from_json(body, '[\"JSON\"]')) as record from page))"
        )

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
        complaints = ", ".join(c.complaints for c in self.columns)
        self.memory.execute(
            "create or replace temp table judged as select *,"
            f" list_filter([{complaints}], lambda c: c.motif is not null) as reasons"
            f" from (select *, row_number() over () as _place, {typed} from received)"
        )
        values = {column.name: _quoted("=" + column.name) for column in self.kept}
        last = (
            f"over (partition by {', '.join(values[name] for name in self.key)}"
            " order by _place desc)"
        )
        self.memory.execute(
            "create or replace temp table ranked as select *,"
            f" row_number() {last} as _rival, first_value(_contenu) {last} as _gardee,"
            f" first_value(_fichier) {last} as _derniere"
            f" from (select *, {_digest(values.values())} as _contenu from judged"
            " where len(reasons) = 0)"
        )
        rejects = self._run(
            "select _fichier as fichier, _ligne as ligne, unnest(reasons, recursive := true)"
            " from judged where len(reasons) > 0"
            # The same row twice says nothing new, a later answer corrects an earlier one; two that
            # differ under one key within one file or answer are a conflict.
            " union all by name select _fichier as fichier, _ligne as ligne,"
            f" '{self.key[0]}' as colonne, 'ligne entière' as classe_valeur,"
            " 'clé en double avec un autre contenu : la dernière ligne est gardée' as motif"
            " from ranked where _rival > 1 and _contenu <> _gardee and _fichier = _derniere"
        ).to_pylist()
        for whence, _ in {(reject["fichier"], reject["ligne"]) for reject in rejects}:
            self.tally.by_whence[whence][1] += 1
            self.tally.aside += 1
        self.tally.rejects += rejects
        selected = ", ".join(f"{value} as {_quoted(name)}" for name, value in values.items())
        return self._run(
            f"select {selected}, _fichier, _ligne from ranked where _rival = 1 order by _place"
        )

    def _compare(self, typed: pa.Table) -> pa.Table:
        """Keep the rows that this origin has not landed yet, or not with this content."""
        self.memory.register("typed", typed)
        self.memory.execute(
            "create or replace temp table arrived as"
            f" select *, hash(_empreinte) as row_hash, {self._key_hash} as key_hash from"
            f" (select *, {_digest(_quoted(c.name) for c in self.kept)} as _empreinte from typed)"
        )
        self.memory.execute(
            "create or replace temp table moved as"
            " select arrived.*, known.key_hash is null as is_new from arrived left join known"
            " on arrived.key_hash = known.key_hash"
            " where known.key_hash is null or arrived.row_hash <> known.row_hash"
        )
        self.memory.execute("delete from known where key_hash in (select key_hash from moved)")
        self.memory.execute("insert into known select key_hash, row_hash from moved")
        counted = self.memory.execute(
            "select count(*) filter (is_new), count(*) filter (not is_new) from moved"
        ).fetchone()
        new, changed = counted or (0, 0)
        self.tally.new += new
        self.tally.changed += changed
        return self._run(
            "select * exclude (row_hash, key_hash, is_new),"
            f" '{self.origin}' as _origine, {self.tally.read} + row_number() over () as _rang"
            " from moved"
        )

    def _run(self, sql: str) -> pa.Table:
        return self.memory.execute(sql).to_arrow_table()


def _clean(text: str) -> str:
    """Return the SQL of a received text without its margins, null when nothing is left."""
    return f"nullif(trim({text}, ' ' || chr(9) || chr(10) || chr(13) || chr(160)), '')"


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


def _json_path(dotted: str) -> str:
    steps = ".".join('"' + step.replace('"', "") + '"' for step in dotted.split("."))
    return "'$." + steps.replace("'", "''") + "'"
