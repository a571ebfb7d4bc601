"""Read a table a page at a time, where its rows lie: in this process, or on Spark's workers."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

ROWS = 20_000
Read = Callable[[pa.Table], pa.Table]


def read(relation: Any, columns: list[str], of_page: Read, schema: pa.Schema) -> Any:
    """Return what `of_page` makes of each page of a relation, whose rows know nothing of others."""
    if hasattr(relation, "on_workers"):
        return relation.on_workers(columns, of_page, schema)
    pages = relation.select(", ".join(columns)).to_arrow_reader(ROWS)
    return pa.RecordBatchReader.from_batches(schema, batches(of_page, pages))


def batches(of_page: Read, pages: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for page in pages:
        yield from of_page(page).to_batches()
