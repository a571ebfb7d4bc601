"""What citizens write: the vocabularies agree, a message is classed by words that can be shown."""

import json
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from dbt.cli.main import dbtRunner

from benchmarks import themes
from benchmarks.experiences import experiences, lexicon, parents, rows, threshold
from dbt_project.udfs import messages
from dlt_pipelines import stores

PROJECT = stores.ROOT / "dbt_project"

# What the tests of those below read.
SUPPORT = {"ref_methodes", "taxo_menaces", "map_signalements_agreges__menaces"}

# A line that one of the vocabularies must not hold, and what the build says of it.
WRONG = {
    "a pattern for a label that nobody knows": (
        "lexique_besoins",
        "signaler_une_fraude,carte,1,indifferente,2",
        "« signaler_une_fraude » (code) n'est pas un besoin_code de taxo_besoins.csv.",
    ),
    "one pattern with two weights": (
        "lexique_besoins",
        "fraude_carte,fraude carte,0.2,indifferente,2",
        "« fraude_carte · fraude carte » est déjà dit plus haut.",
    ),
    "a parent that nobody knows": (
        "taxo_themes",
        "sous_theme,Sous-thème,thème_inconnu,Invention.",
        "« thème_inconnu » (theme_parent_code) n'est pas un theme_code de taxo_themes.csv.",
    ),
    "a code that two seeds define": (
        "taxo_themes",
        "harcelement,Harcèlement,,Invention.",
        "« harcelement » est aussi un besoin (taxo_besoins.csv, ligne ",
    ),
    "a third level": (
        "taxo_besoins",
        "troisieme,Troisième niveau,fraude_carte,Invention.",
        "« troisieme » dépend de « fraude_carte », qui dépend déjà d'un autre",
    ),
    "a service that answers an unknown need": (
        "map_services__besoins",
        "perceval,besoin_inconnu",
        "« besoin_inconnu » (besoin_code) n'est pas un besoin_code de taxo_besoins.csv.",
    ),
    "a reason tied to an unknown need": (
        "map_ma_gendarmerie__besoins",
        "Victime,Motif inventé,besoin_inconnu",
        "« besoin_inconnu » (besoin_code) n'est pas un besoin_code de taxo_besoins.csv.",
    ),
    "a threat that nobody knows": (
        "map_menaces__besoins",
        "perceval,menace_inconnue,fraude_carte",
        "« menace_inconnue » (menace) n'est pas un menace de taxo_menaces.csv.",
    ),
    "a page of an unknown service": (
        "map_pages__services",
        "piano,%site%,%page%,service_inconnu",
        "« service_inconnu » (service_code) n'est pas un service_code de ref_services_offerts.csv.",
    ),
    "a source that measures something else": (
        "map_sources__services",
        "perceval,opinion,%,perceval",
        "« opinion » (objet) n'est pas l'un de : usage, satisfaction.",
    ),
    "an unknown service": (
        "map_services__besoins",
        "service_inconnu,fraude_carte",
        "« service_inconnu » (service_code) n'est pas un service_code",
    ),
    "a service that answers nothing": (
        "ref_services_offerts",
        "vain,Service vain,web,,,,",
        "« vain » ne répond à aucun besoin dans map_services__besoins.csv.",
    ),
    "a word of two tones": (
        "lexique_tonalite",
        "negatif,merci,1,inverse,1",
        "« merci » est negatif ici et positif ligne 2.",
    ),
    "a rule that does not exist": (
        "lexique_tonalite",
        "positif,épatant,1,jamais,1",
        "« jamais » (negation) n'est pas l'un de : indifferente, annule, inverse, exige.",
    ),
    "a version that the methods do not have": (
        "lexique_themes",
        "ecoute,oreille,1,indifferente,7",
        "version 7, quand ref_methodes.csv dit 1.",
    ),
}


def build(folder: Path, lines: list[tuple[str, str]]) -> tuple[str, str, list[int]]:
    """Build the vocabularies with `lines` added.

    Return the fate of a model that reads them, the errors, and where each line landed.
    """
    project = folder / "dbt"
    for part in ("macros", "seeds"):
        shutil.copytree(PROJECT / part, project / part)
    for part in ("dbt_project.yml", "profiles.yml", "tests/assert_vocabularies_agree.sql"):
        (project / part).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / part, project / part)
    seeds = sorted({seed for seed, _, _ in WRONG.values()} | SUPPORT)
    (project / "models").mkdir()
    (project / "models" / "suite.sql").write_text(
        "".join(f"-- depends_on: {{{{ ref('{seed}') }}}}\n" for seed in seeds) + "select 1 as un"
    )
    landed = []
    for seed, line in lines:
        path = project / "seeds" / f"{seed}.csv"
        path.write_text(path.read_text("utf-8") + line + "\n", "utf-8")
        landed.append(len(path.read_text("utf-8").splitlines()))
    duckdb.connect(str(folder / "raw.duckdb")).close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYBERIMPACT_DATA", str(folder))
        flags = ["--project-dir", str(project), "--profiles-dir", str(project), "--quiet"]
        done = dbtRunner().invoke(["build", "--select", "+suite", *flags])
    assert done.exception is None, done.exception
    runs = {run.node.name: run for run in done.result.results}
    errors = [str(run.message) for run in runs.values() if str(run.status) in ("error", "fail")]
    return str(runs["suite"].status), "\n".join(errors), landed


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, list[int]]:
    return build(
        tmp_path_factory.mktemp("spoiled"), [(seed, line) for seed, line, _ in WRONG.values()]
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_line_of_a_vocabulary_is_named(
    spoiled: tuple[str, str, list[int]], case: str
) -> None:
    _, errors, landed = spoiled
    seed, _, cause = WRONG[case]
    line = landed[list(WRONG).index(case)]
    assert f"{seed}.csv, ligne {line} : {cause}" in errors


def test_a_wrong_line_stops_what_follows(spoiled: tuple[str, str, list[int]]) -> None:
    fate, errors, _ = spoiled
    assert fate == "skipped"
    assert "Remède : corriger cette ligne, puis relancer." in errors


@pytest.mark.slow
def test_the_vocabularies_of_the_house_agree(tmp_path: Path) -> None:
    assert build(tmp_path, []) == ("success", "", [])


# ---- reading -------------------------------------------------------------------------------------

ROWS = [
    {"code": code, "motif": pattern, "poids": weight, "negation": rule, "version": "1"}
    for code, pattern, weight, rule in (
        ("plainte", "plaint*", 0.6, "indifferente"),
        ("vol", "vélo", 0.5, "indifferente"),
        ("vol", "vol* vélo", 1.0, "indifferente"),
        ("silence", "répond*", 1.0, "exige"),
        ("silence", "aucune réponse", 1.0, "indifferente"),
        ("clair", "clair*", 1.0, "annule"),
        ("content", "satisfait*", 1.0, "inverse"),
        ("renvoi", "vers qui", 1.0, "indifferente"),
    )
]


def found(text: str) -> dict[str, float]:
    """Return the patterns found in `text`, and what each weighs."""
    lexicon = messages.Lexicon(ROWS)
    _, pattern, weight = lexicon.find(messages.read(pa.array([text])))
    return {lexicon.patterns[p]: float(w) for p, w in zip(pattern, weight, strict=True)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("J'ai porté PLAINTE, deux plaintes même.", {"plaint*": 0.6}),
        ("Vol de mon VÉLO", {"vélo": 0.5, "vol* vélo": 1.0}),
        ("Le vol du vieux vélo", {"vélo": 0.5, "vol* vélo": 1.0}),  # one word leapt over
        ("Un vol. Mon vélo va bien.", {"vélo": 0.5}),  # not across the end of a clause
        ("On me répond vite", {}),
        ("Personne ne me répond", {"répond*": 1.0}),
        ("Je n’ai eu aucune réponse", {"aucune réponse": 1.0}),  # says its own negation
        ("C'est clair", {"clair*": 1.0}),
        ("Ce n'est pas clair", {}),
        ("Je ne suis pas satisfaite", {"satisfait*": -1.0}),
        ("Je n'attends plus. Satisfaite !", {"satisfait*": 1.0}),  # the scope of a negation ends
        ("Ne sachant pas hier encore à qui parler, satisfait", {"satisfait*": 1.0}),
        ("Vers qui aller ?", {"vers qui": 1.0}),  # a linking word that a pattern names
        ("Qui va vers le vélo ?", {"vélo": 0.5}),
    ],
)
def test_a_pattern_is_found_where_it_is_said(text: str, expected: dict[str, float]) -> None:
    assert found(text) == expected


def test_texts_do_not_leak_into_each_other() -> None:
    texts = ["Je n'ai pas", "répondu au vol", "vélo", None, "clair"]
    lexicon = messages.Lexicon(ROWS)
    text, pattern, _ = lexicon.find(messages.read(pa.array(texts)))
    assert [(t, lexicon.patterns[p]) for t, p in zip(text.tolist(), pattern, strict=True)] == [
        (2, "vélo"),
        (4, "clair*"),
    ]


def told(
    *texts: str, rows: list[dict[str, object]] = ROWS
) -> list[tuple[int, str, float, str | None]]:
    parents = {"vol": "plainte", "plainte": None}
    labels = messages.labels(messages.read(pa.array(texts)), messages.Lexicon(rows), parents, 1.0)
    return sorted(
        zip(
            labels.texts.tolist(),
            labels.codes.to_pylist(),
            labels.scores.tolist(),
            labels.why.to_pylist(),
            strict=True,
        )
    )


def test_a_message_carries_every_label_with_the_words_that_decided() -> None:
    assert told("Vol de vélo, et aucune réponse.", "Bonjour", "Ma plainte") == [
        (0, "silence", 1.0, "aucune réponse"),
        (0, "vol", 1.5, "vol* vélo, vélo"),
        # Nothing, or not enough: undetermined rather than guessed.
        (1, "indetermine", 0.0, None),
        (2, "indetermine", 0.0, None),
    ]


def test_a_hint_of_a_need_inherits_from_its_parent() -> None:
    assert told("Vélo") == [(0, "indetermine", 0.0, None)]
    assert told("Plainte pour un vélo") == [(0, "indetermine", 0.0, None)]
    heavier = [{**row, "poids": 1.0} if row["code"] == "plainte" else row for row in ROWS]
    ((_, code, score, why),) = told("Plainte pour un vélo", rows=heavier)
    assert (code, score, why) == ("vol", 1.0, "plaint*, vélo")


# ---- the seeds of the house ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "need"),
    [
        ("Trois débits frauduleux sur ma carte bancaire cette nuit.", "fraude_carte"),
        ("J'ai reçu un faux SMS de livraison.", "message_frauduleux"),
        ("Comment remplir une pré-plainte ?", "plainte_a_distance"),
        ("Mon vélo a été volé dans le garage.", "plainte_biens"),
        ("Je n'arrive pas à obtenir un rendez-vous à la brigade.", "obtenir_creneau"),
        ("Où en est ma plainte déposée en mars ?", "suivi_plainte"),
        ("Les horaires de la brigade ont changé.", "adresse_horaires"),
        ("Ma procuration pour voter au second tour.", "etablir_procuration"),
        ("Quelles épreuves pour devenir gendarme ?", "devenir_gendarme"),
        ("J'ai hérité du fusil de mon grand-père.", "arme_heritee"),
        ("Je conteste cette amende, je n'étais pas là.", "contester_amende"),
        ("Une camionnette blanche rôde, info ou intox ?", "rumeur"),
        ("Rodéos toutes les nuits sous nos fenêtres.", "rodeo_nuisance"),
        ("Mon ex-conjoint violent me suit.", "violences_conjugales"),
        ("L'eau monte, la route est inondée.", "intemperies"),
        ("Il fait beau aujourd'hui.", "indetermine"),
    ],
)
def test_a_need_is_read_in_plain_words(text: str, need: str) -> None:
    given = themes.read_labels([text], "besoins")[0]
    assert need in given or (need == "indetermine" and not given)


@pytest.mark.parametrize(
    ("text", "theme"),
    [
        ("Accueil glacial, personne souriante en revanche.", "accueil_aimable"),
        ("On m'a parlé avec mépris.", "respect"),
        ("Deux heures d'attente dans la salle.", "accueil_attente"),
        ("Trois relances, aucune réponse.", "absence_reponse"),
        ("On a refusé de prendre ma plainte.", "refus_explicite"),
        ("Le site affiche une page blanche.", "bug_panne"),
        ("Le standard est injoignable.", "joignabilite"),
        ("Ils m'ont écouté, avec beaucoup d'empathie.", "ecoute"),
    ],
)
def test_a_theme_is_read_in_plain_words(text: str, theme: str) -> None:
    assert theme in themes.read_labels([text], "themes")[0]


def invented(count: int) -> tuple[list[str], list[str]]:
    """Return messages whose tone lies in words that no lexicon knows, and their tone."""
    said = {
        "positif": ["zarpin", "folure", "mitrelle"],
        "neutre": ["quodam", "serpole", "vindre"],
        "negatif": ["broude", "catarpe", "noufle"],
    }
    texts, tones = [], []
    for number in range(count):
        tone = messages.TONES[number % 3]
        word = said[tone][number // 3 % 3]
        texts.append(f"Mon dossier {number} est {word}, voyez la pièce {number * 7}.")
        tones.append(tone)
    return texts, tones


TONE = [
    {"code": tone, "motif": motif, "poids": 1, "negation": "inverse", "version": "1"}
    for tone, motif in (("positif", "merci"), ("neutre", "question"), ("negatif", "honteux"))
]


def test_the_model_is_kept_only_where_it_beats_the_lexicon() -> None:
    lexicon = messages.Lexicon(TONE)
    texts, tones = invented(240)
    trials, model = messages.learn_tone(texts, tones, lexicon, 0.5, at_least=100, at_most=500)
    assert model is not None
    assert [(trial.method, trial.is_kept) for trial in trials] == [
        ("lexique", False),
        ("lineaire", True),
    ]
    assert trials[1].score is not None and trials[1].score > 0.9
    # Where the lexicon says all, and labels would teach noise, it stays.
    said = {"positif": "merci", "neutre": "une question", "negatif": "honteux"}
    texts = [f"{said[tone]} {text}" for text, tone in zip(texts, tones, strict=True)]
    trials, model = messages.learn_tone(texts, tones, lexicon, 0.5, at_least=100, at_most=500)
    assert model is None
    assert [trial.is_kept for trial in trials] == [True, False]


def test_what_a_model_learns_from_is_drawn_alike_at_once_or_page_by_page() -> None:
    lexicon = messages.Lexicon(TONE)
    texts, tones = invented(240)
    rows = pa.table({"texte": texts, "ressenti": tones})
    drawn = messages.drawn(rows.to_batches(max_chunksize=7), at_most=150)
    assert 150 <= len(drawn) < 160
    _, model = messages.learn_tone(texts, tones, lexicon, 0.5, at_least=100, at_most=150)
    _, other = messages.learn_tone(
        drawn["texte"].to_pylist(),
        drawn["ressenti"].to_pylist(),
        lexicon,
        0.5,
        at_least=100,
        at_most=150,
    )
    assert model is not None and other is not None
    words = messages.read(pa.array(texts))
    assert np.array_equal(model.opinions(words), other.opinions(words))


def test_with_few_rows_the_lexicon_stays() -> None:
    trials, model = messages.learn_tone(
        *invented(60), messages.Lexicon(TONE), 0.5, at_least=100, at_most=500
    )
    assert (trials, model) == ([messages.Trial("lexique", None, 60, True)], None)


def test_a_model_is_the_same_whatever_the_order_and_after_it_was_kept() -> None:
    lexicon = messages.Lexicon(TONE)
    texts, tones = invented(150)
    _, model = messages.learn_tone(texts, tones, lexicon, 0.5, at_least=100, at_most=120)
    _, other = messages.learn_tone(
        texts[::-1], tones[::-1], lexicon, 0.5, at_least=100, at_most=120
    )
    assert model is not None and other is not None
    words = messages.read(pa.array(["zarpin", "catarpe, vraiment catarpe", "inconnu", ""]))
    kept = messages.Model.from_bytes(model.to_bytes(), messages.TONES, lexicon)
    assert np.array_equal(model.opinions(words), other.opinions(words))
    assert np.array_equal(model.opinions(words), kept.opinions(words))
    assert [messages.TONES[row] for row in model.opinions(words).argmax(axis=1)[:2]] == [
        "positif",
        "negatif",
    ]


@pytest.mark.slow
def test_a_message_reads_the_same_alone_or_in_a_crowd() -> None:
    names = ("besoins", "themes", "tonalite")
    reader = messages.Reader(
        {name: lexicon(name) for name in names},
        {name: parents(name) for name in names[:2]},
        {name: threshold(f"lexique_{name}") for name in names},
        None,
    )
    texts = ["Merci, plainte prise en dix minutes.", "", None, "Site en panne, c'est honteux."]
    crowd = texts * (messages.CHUNK // 2)
    whole = reader.analyse(pa.array(map(str, range(len(crowd)))), pa.array(crowd)).to_pylist()

    def of(identifier: str, rows: list[dict[str, object]]) -> list[dict[str, object]]:
        kept = [{**row, "message_id": ""} for row in rows if row["message_id"] == identifier]
        return sorted(kept, key=str)

    for number, text in enumerate(texts):
        alone = reader.analyse(pa.array(["0"]), pa.array([text], pa.string())).to_pylist()
        assert of("0", alone) == of(str(number + messages.CHUNK), whole)
    tones = {row["message_id"]: row["code"] for row in whole if row["axe"] == "tonalite"}
    assert len(tones) == len(crowd)
    assert [tones[str(number)] for number in range(4)] == [
        "positif",
        "neutre",
        "neutre",
        "negatif",
    ]


# ---- benchmarks ----------------------------------------------------------------------------------


def test_a_file_of_labels_is_read_whatever_its_form(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(
        'Description;Thème\n"Accueil déplorable ;\nvraiment";Accueil\n'.encode("cp1252")
    )
    assert rows(path, ("theme",), ("description",)) == [
        {"description": "Accueil déplorable ;\nvraiment", "theme": "Accueil"}
    ]
    with pytest.raises(SystemExit, match=r"n'a pas la colonne « ressenti »"):
        rows(path, ("ressenti",))
    with pytest.raises(SystemExit, match=r"absent\.csv ne se lit pas"):
        rows(tmp_path / "absent.csv")


def test_an_experience_is_what_its_author_wrote_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "experiences.csv"
    header = "ID expérience,Titre,Description,Ressenti usager,Réponse structure 1,Relation"
    path.write_text(f"\ufeff{header}\n7,Titre,Texte,Négatif,Nous regrettons,Négatif\n", "utf-8")
    (one,) = experiences(path)
    assert (one.text, one.tone, one.tags) == ("Titre. Texte", "negatif", {"relation": "negatif"})


@pytest.mark.slow
def test_labels_are_set_against_those_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    test, mapping = tmp_path / "test.csv", tmp_path / "map.csv"
    said = {"Accueil": "Accueil souriant et aimable au guichet", "Attente": "Aucune réponse reçue"}
    test.write_text(
        "theme,description\n"
        + "".join(f"{k},{v} {n}\n" for k, v in said.items() for n in range(3)),
        "utf-8",
    )
    mapping.write_text("theme,code\nAccueil,accueil\nAttente,reactivite\n", "utf-8")
    monkeypatch.setattr("benchmarks.RESULTS", tmp_path / "results")
    monkeypatch.setattr("sys.argv", ["themes", "--test", str(test), "--map", str(mapping)])
    themes.main()
    told = json.loads((tmp_path / "results" / "themes.json").read_text("utf-8"))
    values = {metric["name"]: metric["value"] for metric in told["metrics"]}
    assert values["thèmes, premier niveau · pureté"] == 1
    assert values["lexique · F-mesure moyenne"] == 1
    assert values["majorité · F-mesure moyenne"] < 0.5
    # The texts stay where they are.
    assert "guichet" not in json.dumps(told)
    mapping.write_text("theme,code\nAccueil,accueille\n", "utf-8")
    with pytest.raises(SystemExit, match="ligne 2 : « accueille » n'est ni un besoin ni un thème"):
        themes.main()
