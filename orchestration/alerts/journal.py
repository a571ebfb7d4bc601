"""What was told to whom, when and through what: one table to which rows are only added.

What is to be done is read from it: the last row of a channel and event says where they stand.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

TABLE = """
create table if not exists journal (
    numero integer primary key, at text not null, etape text not null, abonnement text,
    canal text, evenement text, reference text, essai integer, prochain_at text, motif text
);
create index if not exists journal_par_canal on journal (canal, evenement, numero);
create trigger if not exists journal_ne_se_modifie_pas before update on journal
begin select raise(abort, 'une ligne du journal ne se modifie pas'); end;
create trigger if not exists journal_ne_s_efface_pas before delete on journal
begin select raise(abort, 'une ligne du journal ne s''efface pas'); end;
"""

# Steps of a channel and event. A row `tente` that nothing follows is that of a killed run: one
# run at a time writes here, so whoever reads it knows that its writer is dead.
SEEN, ANTERIOR = "vu", "anterieur"  # an event, when it is first published; before all journals
JOINED = "inscrit"  # a channel, when it is first met
WAITING, TRIED, SENT, FAILED, GIVEN_UP = "attendu", "tente", "envoye", "echec", "abandonne"


@dataclass(frozen=True)
class Stand:
    """Where a channel and an event stand; nothing is to be done before `due`."""

    step: str
    tries: int = 0
    due: datetime | None = None


@dataclass(frozen=True)
class Summary:
    sent: int  # messages
    waiting: int  # events
    down: int  # channels whose last try failed
    reasons: list[str]


class Journal:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(
        self,
        now: datetime,
        stands: Mapping[str, Stand],
        *,
        subscription: str | None = None,
        channel: str | None = None,
        reference: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Write one row per event, all or none, on the disk when this returns."""
        with self._connection:
            self._connection.executemany(
                "insert into journal (at, etape, abonnement, canal, evenement, reference, essai,"
                " prochain_at, motif) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    [
                        *(now.isoformat(), stand.step, subscription, channel, event, reference),
                        *(stand.tries, stand.due and stand.due.isoformat(), reason),
                    ]
                    for event, stand in stands.items()
                ],
            )

    def is_empty(self) -> bool:
        return self._connection.execute("select 1 from journal limit 1").fetchone() is None

    def seen(self) -> dict[str, datetime | None]:
        """Return event -> when it was first published; none: before anybody subscribed."""
        rows = self._connection.execute(
            "select evenement, etape, at from journal where canal is null"
        )
        return {
            event: datetime.fromisoformat(at) if step == SEEN else None for event, step, at in rows
        }

    def joined(self, channel: str) -> datetime | None:
        row = self._connection.execute(
            "select at from journal where canal = ? and etape = ?", [channel, JOINED]
        ).fetchone()
        return row and datetime.fromisoformat(row[0])

    def stands(self, channel: str) -> dict[str, Stand]:
        """Return event -> where it stands for this channel."""
        rows = self._connection.execute(
            "select evenement, etape, essai, prochain_at from journal where"
            " numero in (select max(numero) from journal where canal = ? and etape != ?"
            " group by evenement)",
            [channel, JOINED],
        )
        return {
            event: Stand(step, tries, due and datetime.fromisoformat(due))
            for event, step, tries, due in rows
        }

    def summary(self, since: datetime) -> Summary:
        """Return what was sent since then, and what stands in need of it."""
        ((sent,),) = self._connection.execute(
            "select count(distinct canal || reference) from journal where etape = ? and at >= ?",
            [SENT, since.isoformat()],
        )
        last = (
            "with derniers as (select * from journal where at >= ? and numero in"
            " (select max(numero) from journal where canal is not null group by canal, evenement))"
        )
        ((waiting,),) = self._connection.execute(
            f"{last} select count(*) from derniers where etape in (?, ?, ?)",  # noqa: S608
            [since.isoformat(), WAITING, TRIED, FAILED],
        )
        down = self._connection.execute(
            f"{last} select canal, max(motif) from derniers where etape in (?, ?) group by canal",  # noqa: S608
            [since.isoformat(), FAILED, GIVEN_UP],
        ).fetchall()
        return Summary(sent, waiting, len(down), sorted({reason for _, reason in down}))


@contextmanager
def opened(path: Path, *, is_copy: bool = False) -> Iterator[Journal]:
    """Open the journal; a copy lies in memory, and what is written to it is lost."""
    with closing(sqlite3.connect(":memory:" if is_copy else path)) as connection:
        if is_copy and path.exists():
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source:
                source.backup(connection)
        connection.executescript(TABLE)
        yield Journal(connection)
