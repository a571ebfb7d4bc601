"""Are the rumours that the sandbox plants found as stories? `python -m benchmarks.rumours`.

Reads the warehouse built from the sandbox (`make build`; or the social networks landed, and
`dbt build --select +int_histoires__decrites`). A rumour's posts are those that its sentences made,
between its first and its last hour; its story is the one that most of them tell.
"""

import argparse
import re
import tomllib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np

from benchmarks import Metric, record
from dlt_pipelines import sandbox, stores

SENTENCES = Path(sandbox.__file__).parent / "posts.toml"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.rumours", description=__doc__)
    parser.add_argument("--warehouse", type=Path, default=stores.warehouse())
    path = parser.parse_args().warehouse
    if not path.exists():
        raise SystemExit(f"{path} n'existe pas : lancez d'abord `make build`.")
    told = tomllib.loads(SENTENCES.read_text("utf-8"))["rumeur"]["evenement"]
    sentence = re.compile("|".join(re.escape(s).replace(r"\{ville\}", ".+") for s in told))
    with duckdb.connect(path, read_only=True) as warehouse:
        # What is told of the publications is a view over what was received.
        stores.attach(warehouse, path.with_name(stores.raw().name), "raw", read_only=True)
        warehouse.execute("set timezone = 'UTC'")
        stores.attach(warehouse, path.with_name("raw.duckdb"), "raw", read_only=True)
        posts = warehouse.sql(
            """
            select distinct
                plateforme || ':' || publication_id as post, publie_at, texte, histoire_id
            from intermediate.int_publications__unioned
            inner join intermediate.int_publications__groupees using (plateforme, publication_id)
            order by publie_at, post
            """
        ).fetchall()
        rises = dict(
            warehouse.sql(
                "select histoire_id, montee_at from intermediate.int_histoires__decrites"
            ).fetchall()
        )
    rumours = [event for event in sandbox.ledger(sandbox.world()) if event.kind == "rumeur"]
    gathered, strangers, before, hours = [], [], [], []
    for rumour in rumours:
        start, end = (at.replace(tzinfo=None) for at in (rumour.start, rumour.end))
        own = [
            (_naive(at), story)
            for _, at, text, story in posts
            if start <= _naive(at) < end and sentence.search(text)
        ]
        if not own:
            continue
        story, size = Counter(story for _, story in own).most_common(1)[0]
        everyone = sum(other == story for *_, other in posts)
        gathered.append(100 * size / len(own))
        strangers.append(100 * (1 - size / everyone))
        rise = rises.get(story)
        if rise is not None:
            before.append(sum(at <= _naive(rise) for at, _ in own))
            hours.append((_naive(rise) - start).total_seconds() / 3600)
    if not gathered:
        raise SystemExit(f"{path} ne contient aucune rumeur du bac à sable.")
    record(
        "rumours",
        [
            Metric("rumeurs plantées", len(gathered)),
            Metric("… montées", len(before)),
            Metric("publications de la rumeur dans son histoire, médiane", _median(gathered), "%"),
            Metric("autres publications dans l'histoire, médiane", _median(strangers), "%"),
            Metric("publications avant la montée, médiane", _median(before), "", "≤ 6"),
            Metric("heures avant la montée, médiane", _median(hours), "h"),
        ],
        publications=len(posts),
    )


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at


def _median(values: list) -> float | None:
    return float(np.median(values)) if values else None


if __name__ == "__main__":
    main()
