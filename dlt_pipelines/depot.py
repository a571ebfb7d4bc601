"""The drop folder: files that people bring, known by their content, read as they are.

Real exports vary: UTF-8 with or without BOM, cp1252, UTF-16, `;` `,` or tabs, CRLF, line ends
and quotes inside cells. A file that cannot be what it claims is refused whole, with its reason, and
stays where it is; a broken line is set aside and the lines around it are kept.
"""

import codecs
import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlt_pipelines import privacy

MAX_BYTES = 512 * 1024**2
MAX_COLUMNS = 1_000
MAX_HEADER = 100_000  # characters; csv gives up a little beyond
_ROWS_PER_PAGE = 20_000
_DELIMITERS = (";", ",", "\t", "|")


class RefusedFileError(ValueError):
    """A file is not what it claims; the message says why, in French."""


@dataclass
class File:
    """One file, of the depot or fetched, identified by its content."""

    path: Path
    digest: str
    size: int
    content: bytes | None = None  # of a file that was fetched, and lies nowhere
    broken: list[tuple[int, str]] = field(default_factory=list)  # (line, reason)
    document: Any = None
    header: list[str] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)
    _delimiter: str = ";"
    _first_row: int = 1  # 0 for an export without a header

    @property
    def name(self) -> str:
        """Name of the file, kept with every row of it: people put names into it too."""
        return privacy.redact(self.path.name)

    @classmethod
    def identify(cls, path: Path) -> "File":
        if not path.is_file():
            raise RefusedFileError("ce n’est pas un fichier : déposer les fichiers eux-mêmes")
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return cls(path, digest, path.stat().st_size)
        except OSError as error:
            raise RefusedFileError(f"fichier illisible ({error.strerror})") from error

    @classmethod
    def received(cls, name: str, content: bytes) -> "File":
        return cls(Path(name), hashlib.sha256(content).hexdigest(), len(content), content)

    def open_json(self, recognise: Callable[[Any], None]) -> None:
        """Read a JSON document; `recognise` raises ValueError when it is another document."""
        text = self._decoded()
        try:
            self.document = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            line = f", ligne {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            raise RefusedFileError(f"ce n’est pas un document JSON lisible{line}") from error
        try:
            # Half a character, which no text can hold, passes as an escape.
            json.dumps(self.document, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise RefusedFileError(
                "le document JSON contient des caractères impossibles"
            ) from error
        try:
            recognise(self.document)
        except ValueError as error:
            raise RefusedFileError(str(error)) from error

    def open_csv(
        self,
        missing: Callable[[Iterable[str]], Sequence[str]],
        header: Sequence[str] = (),
    ) -> None:
        """Read the header of a CSV; `missing` names the required columns that a header lacks.

        `header` names the columns of an export that has none, in their order.
        """
        # Not splitlines(): it also cuts at characters that belong to the text of a cell.
        self._lines = list(io.StringIO(self._decoded(), newline=""))
        if not self._lines or not self._lines[0].strip():
            raise RefusedFileError("le fichier n’a pas de ligne d’en-tête")
        if len(self._lines[0]) > MAX_HEADER:
            raise RefusedFileError(
                f"la première ligne compte {len(self._lines[0])} caractères, au-delà de "
                f"{MAX_HEADER} : ce n’est pas un en-tête"
            )
        headers = {
            delimiter: next(csv.reader([self._lines[0]], delimiter=delimiter))
            for delimiter in _DELIMITERS
        }
        if header and all(missing(found) for found in headers.values()):
            widths = {delimiter: len(found) for delimiter, found in headers.items()}
            if len(header) not in widths.values():
                raise RefusedFileError(
                    f"{max(widths.values())} colonnes au lieu de {len(header)}, export sans en-tête"
                )
            headers = {
                delimiter: list(header)
                for delimiter, width in widths.items()
                if width == len(header)
            }
            self._first_row = 0
        # The right delimiter is the one under which the expected columns appear.
        self._delimiter, self.header = min(
            headers.items(), key=lambda item: (len(missing(item[1])), -len(item[1]))
        )
        if lacking := missing(self.header):
            raise RefusedFileError(
                "colonnes indispensables absentes : " + ", ".join(f"« {name} »" for name in lacking)
            )
        if not any(line.strip() for line in self._lines[self._first_row :]):
            raise RefusedFileError("le fichier n’a aucune ligne sous son en-tête")
        if len(self.header) > MAX_COLUMNS:
            raise RefusedFileError(f"{len(self.header)} colonnes, au-delà de {MAX_COLUMNS}")

    def pages(self) -> Iterator[pa.Table]:
        """Yield the rows of an opened CSV as tables of text, with `_fichier` and `_ligne`."""
        # Two columns of one name would hide each other.
        names = [
            name if name not in self.header[:i] else f"{name} ({i + 1})"
            for i, name in enumerate(self.header)
        ]
        self.broken.clear()
        rows: list[list[str]] = []
        numbers: list[int] = []
        for number, row in self._rows():
            rows.append(row)
            numbers.append(number)
            if len(rows) == _ROWS_PER_PAGE:
                yield self._page(names, rows, numbers)
                rows, numbers = [], []
        yield self._page(names, rows, numbers)

    def _page(self, names: list[str], rows: list[list[str]], numbers: list[int]) -> pa.Table:
        columns = zip(*rows, strict=True) if rows else ((),) * len(names)
        table = pa.table(
            {
                name: pa.array(values, pa.string())
                for name, values in zip(names, columns, strict=True)
            }
        )
        return table.append_column(
            "_fichier", pa.array([self.name] * len(rows), pa.string())
        ).append_column("_ligne", pa.array(numbers, pa.int64()))

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (line number, cells); resume at the next line when a record is broken.

        A quote left open swallows the lines after it. Such a record has the wrong number of cells,
        or an odd number of quotes over several lines: only its first line is set aside then.
        """
        start = self._first_row
        while start < len(self._lines):
            rest = (self._lines[i] for i in range(start, len(self._lines)))
            # Strict: text after a closing quote is a cell that swallowed its neighbours.
            reader = csv.reader(rest, delimiter=self._delimiter, strict=True)
            consumed = 0
            broken = False
            try:
                for row in reader:
                    first, consumed = start + consumed, reader.line_num
                    lines = self._lines[first : start + consumed]
                    odd = len(lines) > 1 and sum(line.count('"') for line in lines) % 2 == 1
                    if not row or lines == ["\x1a"]:
                        continue
                    if len(row) == len(self.header) and not odd:
                        yield first + 1, row
                        continue
                    reason = (
                        "guillemet jamais refermé"
                        if odd
                        else f"{len(row)} cellules au lieu de {len(self.header)}"
                    )
                    self.broken.append((first + 1, reason))
                    if len(lines) > 1:
                        broken = True
                        break
            except csv.Error:
                first = start + consumed
                self.broken.append((first + 1, "guillemets mal formés ou cellule démesurée"))
                broken = True
            if not broken:
                return
            start = first + 1

    def _decoded(self) -> str:
        if self.size == 0:
            raise RefusedFileError("le fichier est vide")
        if self.size > MAX_BYTES:
            raise RefusedFileError(
                f"{self.size / 1024**2:.0f} Mo, au-delà de {MAX_BYTES // 1024**2} Mo : "
                "le découper en plusieurs fichiers"
            )
        content = self.path.read_bytes() if self.content is None else self.content
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            try:
                return content.decode("utf-16")
            except UnicodeDecodeError as error:
                raise RefusedFileError("texte UTF-16 interrompu") from error
        if b"\x00" in content[:4096]:
            raise RefusedFileError("ce n’est pas un fichier de texte (octets nuls)")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
        # A single bad byte does not make a UTF-8 file a cp1252 one: the encoding is the one that
        # reads most of the accented lines, and what it cannot read is marked for the quarantine.
        accented = [line for line in content.splitlines() if not line.isascii()]
        readable = sum(_is_utf8(line) for line in accented)
        encoding = "utf-8-sig" if readable * 2 > len(accented) else "cp1252"
        return content.decode(encoding, errors="replace")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
