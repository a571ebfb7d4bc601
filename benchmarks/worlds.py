"""Raw stores of any size, which other benchmarks build on: `python -m benchmarks.worlds FOLDER`.

A small invented world of two years lands through the one door; then its messages are repeated in
SQL, in the very tables that the landings made, up to the number wanted. A copy has a key of its
own, another instant of the same hour (series keep their shape, planted events their place) and
another text: its own, the second half of one of the same tone or subject, and a time of day, for
towns and sentences alone would make too few.
"""

import argparse
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from unittest.mock import patch

import duckdb

from dlt_pipelines import sandbox, stores
from dlt_pipelines.catalog import CATALOG
from dlt_pipelines.landings import land_together

SIZE = 0.4  # of the world that lands: some 50,000 messages


@dataclass(frozen=True)
class Messages:
    """A raw table of messages, and how one of its rows becomes another; `copy` numbers copies."""

    share: float  # of all messages
    key: dict[str, str]  # column → SQL
    instants: tuple[str, ...]  # all move by as much, the first within its hour
    text: str = ""
    tone: str = ""  # SQL: what a text must share with another to be crossed with it


TONE = "case when {0} in {1} then 'positif' when {0} in {2} then 'negatif' else 'neutre' end"
TABLES = {
    "raw_bluesky.posts": Messages(
        0.30, {"uri": "md5(uri || '#' || copy)"}, ("indexed_at",), "text", "sujet"
    ),
    "raw_mastodon.statuses": Messages(
        0.20, {"uri": "md5(uri || '#' || copy)"}, ("created_at",), "text", "sujet"
    ),
    "raw_services_publics_plus.experiences": Messages(
        0.20,
        {"experience_id": "(hash(experience_id, copy) >> 2)::bigint"},
        ("publie_at", "ecrit_at", "premiere_reponse_at"),
        "description",
        TONE.format("ressenti", "('Positif')", "('Négatif')"),
    ),
    "raw_avis_google.reviews": Messages(
        0.10,
        {"id": "id || '-' || copy"},
        ("date", "update_date", "reply_date", "delete_date"),
        "content",
        TONE.format("rating", "(4, 5)", "(1, 2)"),
    ),
    "raw_ma_gendarmerie.contacts": Messages(
        0.10, {"reference": "md5(reference || '#' || copy)"}, ("date",)
    ),
    "raw_jedonnemonavis.avis": Messages(
        0.07,
        {"avis_id": "avis_id || '-' || copy"},
        ("cree_at",),
        "verbatim",
        TONE.format("satisfaction", "('Très bien')", "('Pas bien')"),
    ),
    "raw_x.tweets": Messages(0.03, {"id": "id || '-' || copy"}, ("created_at",), "text", "sujet"),
}
# What a copy says after its own words: of the network's subject, or of the review's tone.
_HALVES = r"""
create temp table halves as
with said as (
    select sujet as tone, text from raw_bluesky.posts
    union select sujet, text from raw_mastodon.statuses
    union select {tone}, description from raw_services_publics_plus.experiences
),
cut as (
    select tone, text, string_split(regexp_replace(text, '\s*#\w+', '', 'g'), '. ') as sentences
    from said
)
select
    tone,
    row_number() over (partition by tone order by text) - 1 as number,
    array_to_string(sentences[len(sentences) // 2 + 1 :], '. ') as half
from cut
"""
HOUR = "' Il était ' || draw % 24 || ' h ' || (draw >> 8) % 60 || '.'"
_COPIES = """
insert into {table}
with seeds as (
    select *, {tone} as tone, row_number() over (order by _rang) - 1 as seed from {table}
),
copies as (
    select *, hash({key}, copy) as draw
    from seeds
    cross join range(1, {copies} + 1) as numbers(copy)
    where seed + copy * {there} < {rows}
),
moved as (
    select
        copies.*,
        date_trunc('hour', {instant}) + to_microseconds((draw % 3_600_000_000)::bigint)
        - {instant} as gap,
        halves.half
    from copies
    left join sizes on copies.tone = sizes.tone
    left join halves
        on copies.tone = halves.tone and (draw >> 20) % sizes.size = halves.number
)
select * exclude (tone, seed, copy, draw, gap, half)
replace ({changes})
from moved
"""


def raw_of(rows: int, folder: Path, end: date | None = None) -> Path:
    """Return the raw store of `folder` with `rows` messages, made if it is not there yet.

    Args:
        rows: messages, of all the tables of TABLES.
        folder: a data folder (what CYBERIMPACT_DATA names), empty or as `land` left it.
        end: the day after the last one, today by default.
    """
    path = folder / "raw.duckdb"
    if not path.exists():
        land(folder, end)
    with stores.connect(path) as connection:
        if messages(connection) != rows:
            _repeat(connection, rows)
    return path


def land(folder: Path, end: date | None = None) -> None:
    """Land in `folder` the world that stores of any size are made of."""
    world = sandbox.world(end=end, size=SIZE)
    with (
        patch.dict(os.environ, CYBERIMPACT_DATA=str(folder)),
        patch.object(sandbox, "world", lambda: world),
    ):
        stores.secure()
        with land_together(CATALOG) as coming:
            for landing in coming.values():
                landing.result()


def messages(connection: duckdb.DuckDBPyConnection) -> int:
    return sum(_count(connection, table) for table in TABLES)


def _repeat(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    experiences = TABLES["raw_services_publics_plus.experiences"]
    connection.execute(_HALVES.format(tone=experiences.tone))
    connection.execute(
        "create temp table sizes as select tone, count(*) as size from halves group by tone"
    )
    left = rows
    for table, how in TABLES.items():
        wanted = left if table == list(TABLES)[-1] else round(rows * how.share)
        left -= wanted
        _repeat_table(connection, table, how, wanted)
    connection.execute("checkpoint")


def _repeat_table(
    connection: duckdb.DuckDBPyConnection, table: str, how: Messages, rows: int
) -> None:
    there = _count(connection, table)
    if there > rows:
        connection.execute(
            f"delete from {table} where rowid not in"  # noqa: S608
            f" (select rowid from {table} order by hash(_rang), _rang limit {rows})"
        )
        return
    changes = {
        **how.key,
        **{column: f'"{column}" + gap' for column in how.instants},
        "_empreinte": "left(md5(_empreinte || copy), 12)",
        "_rang": f"seed + copy * {there} + (select max(_rang) from {table})",  # noqa: S608
    }
    if how.text:
        changes[how.text] = f"\"{how.text}\" || ' ' || half || {HOUR}"
    connection.execute(
        _COPIES.format(
            table=table,
            tone=how.tone or "null",
            key=", ".join(how.key),
            copies=rows // there,
            there=there,
            rows=rows,
            instant=f'"{how.instants[0]}"',
            changes=", ".join(f'{sql} as "{column}"' for column, sql in changes.items()),
        )
    )


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    ((count,),) = connection.execute(f"select count(*) from {table}").fetchall()  # noqa: S608
    return int(count)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.worlds",
        description="Remplit le dépôt brut d’un dossier de données d’un nombre voulu de messages.",
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000, help="messages (1 000 000)")
    asked = parser.parse_args()
    path = raw_of(asked.rows, asked.folder)
    print(f"{path} : {asked.rows} messages, {path.stat().st_size >> 20} Mio")


if __name__ == "__main__":
    main()
