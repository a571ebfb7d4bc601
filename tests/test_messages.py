"""What citizens write: the vocabularies agree, a message is classed by words that can be shown."""

import shutil
from pathlib import Path

import duckdb
import pytest
from dbt.cli.main import dbtRunner

from dlt_pipelines import stores

PROJECT = stores.ROOT / "dbt_project"


# A line that one of the vocabularies must not hold, and what the build says of it.
WRONG = {
    "a pattern for a label that nobody knows": (
        "lexique_besoins",
        "signaler_une_fraude,carte,1,indifferente,1",
        "« signaler_une_fraude » (code) n'est pas un besoin_code de taxo_besoins.csv.",
    ),
    "one pattern with two weights": (
        "lexique_besoins",
        "fraude_carte,fraude carte,0.2,indifferente,1",
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
    seeds = sorted({seed for seed, _, _ in WRONG.values()} | {"ref_methodes"})
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


def test_the_vocabularies_of_the_house_agree(tmp_path: Path) -> None:
    assert build(tmp_path, []) == ("success", "", [])
