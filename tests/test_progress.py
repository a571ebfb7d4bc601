"""What an incremental model in Python still has to read."""

import duckdb

from dbt_project.udfs import progress


class FirstRun:
    """The handle that dbt gives to a model which has no table yet."""

    this, is_incremental = "lus", False


def test_texts_to_read_need_not_fit_in_memory() -> None:
    with duckdb.connect() as session:
        session.execute("set memory_limit = '64MB'; set threads = 1")
        received = session.sql(
            "select 'x' as source, 'x:' || i as message_id, repeat(i::varchar, 200) as texte,"
            " '1' as chargement_id from range(300_000) as _(i)"
        )
        texts = progress.unread(FirstRun, session, received, "méthode")
        assert sum(map(len, texts.to_arrow_reader(20_000))) == 300_000


def test_a_text_received_twice_is_read_once_as_it_last_came() -> None:
    with duckdb.connect() as session:
        received = session.sql(
            "from (values ('x', 'x:1', 'avant', '1'), ('x', 'x:2', 'seul', '1'),"
            " ('x', 'x:1', 'après', '2')) as _(source, message_id, texte, chargement_id)"
        )
        texts = progress.unread(FirstRun, session, received, "méthode")
        assert sorted(texts.fetchall()) == [
            ("x", "x:1", "après", "2"),
            ("x", "x:2", "seul", "1"),
        ]
