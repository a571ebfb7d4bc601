"""Stories: what is said together is found together, and nothing looks ahead."""

import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from benchmarks import stories as benchmark
from benchmarks.copies import corpus
from benchmarks.posts import generate
from dbt_project.udfs import stories
from dbt_project.udfs.stories import Settings, Stream, copies, describe, group

LEXICON = Path(__file__).parents[1] / "dbt_project/seeds/lexique_doute.csv"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
VAN = [
    "Une camionnette blanche rôde devant l'école Jean-Moulin à Brest",
    "ALERTE camionnette blanche devant l'école Jean Moulin Brest faites tourner",
    "camionnette blanche école Jean-Moulin : info ou intox ?",
    "Quelqu'un confirme pour la camionnette blanche devant l'école Jean Moulin ?",
    "C'est faux, aucune camionnette blanche à Brest https://www.gendarmerie.interieur.gouv.fr/a",
]
MATCH = ["Match nul entre Lorient et Guingamp ce soir", "quel match Lorient Guingamp !"]


@pytest.fixture(scope="module")
def invented():
    return generate(seed=3, events=12, noise=0.3)[:2500]


def feed(posts, settings=None, cuts=()):
    stream = Stream("fr", settings)
    answers = []
    for begin, end in zip([0, *cuts], [*cuts, len(posts)], strict=True):
        part = posts[begin:end]
        answers += stream.add([p.id for p in part], [p.text for p in part], [p.at for p in part])
    return stream, answers


def table(texts, minutes=7, **columns):
    return pa.table(
        {
            "publication_id": [f"p{row}" for row in range(len(texts))],
            "texte": pa.array(texts, pa.string()),
            "publie_at": [NOON + timedelta(minutes=minutes * row) for row in range(len(texts))],
            **columns,
        }
    )


def told(texts, **columns):
    posts = table(texts, **columns)
    found = group(posts).posts
    for name in ("histoire_id", "proche_de_id"):
        posts = posts.append_column(name, found[name])
    return describe(posts, pyarrow.csv.read_csv(LEXICON)).to_pylist()


def test_what_comes_later_changes_no_answer(invented):
    stream, answers = feed(invented)
    shorter, earlier = feed(invented[:1501])
    assert answers[:1501] == earlier
    assert [m for m in stream.merges if m.after < 1501] == shorter.merges
    assert stream.alerts[: len(shorter.alerts)] == shorter.alerts
    assert len(stream.alerts) > 2 and len(stream.merges) > 2


def test_calls_of_any_size_give_the_same(invented):
    cuts = sorted(random.Random(5).sample(range(1, len(invented)), 60))
    whole, answers = feed(invented)
    cut, pieces = feed(invented, cuts=[*cuts[:30], *range(cuts[30] + 1, cuts[30] + 20)])
    assert pieces == answers
    assert (cut.merges, cut.alerts) == (whole.merges, whole.alerts)


def test_rows_are_taken_in_order_of_time_and_come_back_in_theirs(invented):
    posts = pa.table(
        {
            "publication_id": [p.id for p in invented],
            "texte": [p.text for p in invented],
            "publie_at": [datetime.fromtimestamp(p.at, UTC) for p in invented],
        }
    )
    mixed = np.random.default_rng(0).permutation(len(posts))
    straight, shuffled = group(posts), group(posts.take(mixed))
    assert shuffled.posts.equals(straight.posts.take(mixed))
    assert shuffled.alerts.equals(straight.alerts)


def test_events_are_found_and_kept_apart(invented):
    stream, answers = feed(invented)
    names = stream.names()
    labelled = [
        (p.event, names.get(a.story, a.story))
        for p, a in zip(invented, answers, strict=True)
        if p.event
    ]
    codes = [{v: k for k, v in enumerate(dict.fromkeys(c))} for c in zip(*labelled, strict=True)]
    events = np.array([codes[0][event] for event, _ in labelled])
    groups = np.array([codes[1][story] for _, story in labelled])
    assert benchmark.scores(events, groups)["macro-F1"] > 60


def test_copies_and_paraphrases_share_a_story_and_another_subject_does_not():
    found = group(table(VAN + MATCH)).posts["histoire_id"].to_pylist()
    assert found == ["p0"] * 5 + ["p5"] * 2


def test_a_day_and_more_later_the_same_words_start_another_story():
    assert len(set(group(table(VAN[:2], minutes=60)).posts["histoire_id"].to_pylist())) == 1
    assert len(set(group(table(VAN[:2], minutes=60 * 40)).posts["histoire_id"].to_pylist())) == 2


def test_unknown_and_late_dates_take_the_clock_of_the_stream():
    stream = Stream()
    answers = stream.add(["a", "b", "c"], VAN[:3], [1e9, float("nan"), 1e9 - 5e6])
    assert {answer.story for answer in answers} == {"a"}
    assert stream.clock == 1e9
    nowhen = group(table(VAN).set_column(2, "publie_at", pa.nulls(5, pa.timestamp("us", "UTC"))))
    assert set(nowhen.posts["histoire_id"].to_pylist()) == {"p0"}


def test_what_says_nothing_has_no_story():
    nothing = ["", None, "😀😀", "https://t.co/abc @quelquun", "de la le", "!!!"]
    assert group(table(nothing)).posts["histoire_id"].null_count == len(nothing)
    assert group(table(nothing).slice(0, 0)).posts.num_rows == 0


def test_a_huge_text_is_read_to_a_limit():
    huge = "gendarmerie " + "mot%d " * 20_000 % tuple(range(20_000))
    stream = Stream()
    assert len(huge) > 10**5
    assert stream.add(["a", "b"], [huge, huge], [0.0, 1.0])[1].story == "a"
    assert len(stream.vocabulary.numbers) < 2000


def test_the_same_post_again_is_not_counted_twice():
    stream = Stream()
    answers = stream.add(["a"] * 5, [VAN[0]] * 5, [0.0] * 5)
    assert {answer.story for answer in answers} == {"a"}
    assert not stream.alerts
    stream.add(list("bcd"), VAN[1:4], [1.0] * 3)
    assert [(alert.story, alert.post, alert.posts) for alert in stream.alerts] == [("a", "d", 4)]


def test_what_everybody_always_says_raises_no_alert():
    rng = random.Random(2)
    often = [
        " ".join(["bonne nuit à tous", *rng.sample(["demain", "amis", "bises", "fatigué"], 1)])
        if row % 10 == 0 else f"{rng.choice(['chat', 'pain', 'vélo', 'café'])} {rng.random()}"
        for row in range(1500)
    ]  # fmt: skip
    stream = Stream()
    stream.add([str(row) for row in range(1500)], often, [row * 60.0 for row in range(1500)])
    assert all("nuit" not in often[int(alert.post)] for alert in stream.alerts[4:])


def test_memory_is_bounded_by_the_window_and_the_vocabulary():
    rng = random.Random(1)
    small = Settings(window=500, vocabulary=3000)
    stream = Stream("fr", small)
    for part in range(20):
        texts = [f"nom{rng.random():.9f} lieu{rng.randrange(9000)} vol à Brest" for _ in range(250)]
        stream.add([f"{part}-{row}" for row in range(250)], texts, [part * 10.0] * 250)
    assert len(stream._rows) <= 500 + 256
    assert len(stream._by_post) <= 500 + 256
    assert len(stream._stories) <= 500 + 256
    assert len(stream.vocabulary.numbers) <= 3000 + 4 * 256
    retold = [f"copie-{row}" for row in range(4000)]
    stream.add(retold, ["un vol à Brest"] * 4000, [300.0] * 4000)
    assert len(stream._by_post) <= 4 * 500 + 256
    assert stream.add(["z"], ["un vol à Brest"], [200.0])[0].story


def test_a_story_is_described_and_never_judged():
    columns = {
        "plateforme": ["x", "x", "bluesky", "mastodon", "x"],
        "departement_code": ["29", None, "29", "22", None],
        "portee_count": [10, 5, None, 1, 100],
    }
    (story,) = told(VAN, **columns)
    assert story["premiere_at"] == NOON
    assert story["montee_at"] == NOON + timedelta(minutes=21)
    assert (story["publications_count"], story["vitesse_max_par_heure"]) == (5, 5)
    assert story["plateformes"] == ["bluesky", "mastodon", "x"]
    assert story["departements"] == ["29", "22"]
    assert story["portee_count"] == 116
    assert (story["doute_count"], story["dementi_count"]) == (2, 1)
    assert (story["reponse_officielle"], story["reponse_delai_minutes"]) == ("lien", 7.0)
    # The rarest of its words first, whatever letter they begin with.
    assert story["mots"][0] == "camionnette"
    assert "blanche" in story["mots"]
    assert story["copies_count"] >= 2
    (unanswered,) = told(VAN[:4])
    assert unanswered["etat"] == "non vérifié, se propage"
    assert unanswered["reponse_at"] is None and not unanswered["origine_officielle"]
    ours = told(VAN[:4], est_officiel=[False, False, False, True])[0]
    assert (ours["reponse_officielle"], ours["etat"]) == ("compte", "réponse officielle vue")


def test_stories_are_described_alike_all_together_or_some_at_a_time():
    texts = [text for pair in zip(VAN, [*MATCH, *MATCH, MATCH[0]], strict=True) for text in pair]
    posts = table(texts)
    found = group(posts).posts
    text_of = dict(zip(posts["publication_id"].to_pylist(), texts, strict=True))
    near = [text_of.get(post) for post in found["proche_de_id"].to_pylist()]
    posts = posts.append_column("histoire_id", found["histoire_id"])
    together = describe(
        posts.append_column("proche_de_id", found["proche_de_id"]), pyarrow.csv.read_csv(LEXICON)
    )
    pages = posts.append_column("proche_texte", pa.array(near)).sort_by("histoire_id")
    vocabulary = stories.Vocabulary("fr", stories.settings_for("fr"))
    now = (NOON + timedelta(minutes=7 * (len(texts) - 1))).timestamp()
    parts = [
        describe(part, pyarrow.csv.read_csv(LEXICON), now=now, vocabulary=vocabulary)
        for part in stories.whole_stories(pages.to_batches(max_chunksize=2), rows=1)
    ]
    assert len(parts) == len(together) == 2
    assert pa.concat_tables(parts).to_pylist() == together.to_pylist()


def test_a_look_alike_site_is_no_official_answer():
    fake = [*VAN[:3], VAN[4].replace("interieur.gouv.fr/a", "interieur.gouv.fr.exemple.invalid")]
    assert told(fake)[0]["reponse_officielle"] is None


def test_growth_is_the_fastest_doubling():
    story = told(VAN[:1] * 16)[0]
    assert story["doublement_minutes"] == 28.0  # from 4 to 8 posts, one every seven minutes


def test_the_lexicon_is_read_and_its_motifs_compile():
    rows = pyarrow.csv.read_csv(LEXICON).to_pylist()
    assert {row["code"] for row in rows} == {"doute", "dementi"}
    for row in rows:
        assert re.compile(row["motif"])
        assert row["motif"] == stories.plain(row["motif"].lower())


def test_changed_copies_are_found_and_strangers_are_not():
    texts, origins, levels = corpus(seed=2, language="fr", size=400)
    links = copies(texts)
    right = (links >= 0) & (origins[links] == origins)
    assert right.sum() > 0.95 * (links >= 0).sum()
    assert right[levels == 0].mean() > 0.6  # some come before their original
    assert copies(["", "😀", "bonjour Brest", "bonjour Brest"]).tolist() == [-1, -1, -1, 2]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "id,text,created_at,event\n1,Feu à Brest,2018-07-16T10:00:00Z,7\n2,rien,,\n"),
        ("a.tsv", 'event\tTexte\tID\tDate\n7\tFeu "à Brest\t1\t16/07/2018 10:00\n\trien\t2\t\n'),
        ("a.csv", "Event_ID;Tweet;Tweet_ID;Created At\n7;Feu à Brest;1;1531735200\nnan;rien;2;\n"),
        ("a.jsonl", '{"event": 7, "text": "Feu à Brest", "id": 1, "created_at": '
                    '"Mon Jul 16 10:00:00 +0000 2018"}\n{"id": 2, "text": "rien"}\n'),
    ],
)  # fmt: skip
def test_labelled_files_of_any_layout_are_read(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, "cp1252" if ";" in content else "utf-8")
    first, second = benchmark.read(path)
    assert (first.id, first.event, first.at) == ("1", "7", 1531735200.0)
    assert "Brest" in first.text
    assert (second.id, second.event) == ("2", "")


def test_a_file_that_is_something_else_is_refused_in_words(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="colonne text et event introuvable"):
        benchmark.read(path)


def test_the_warehouse_uses_what_the_benchmark_measures():
    rows = pyarrow.csv.read_csv(LEXICON.with_name("ref_methodes.csv")).to_pylist()
    assert stories.settings_from(rows) == stories.settings_for("fr")
    versions = {str(row["version"]) for row in rows if row["methode_id"] == "histoires"}
    assert versions == {stories.VERSION}
