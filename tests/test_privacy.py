"""No personal datum survives the door (all persons and numbers are invented)."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlt_pipelines import privacy
from dlt_pipelines.door import Door, Records

NIR = "1850759280011"
NIR += f"{97 - int(NIR) % 97:02d}"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("écrire à camille.exemple@courriel.fr svp", "écrire à [courriel] svp"),
        ("camille (at) courriel.fr", "[courriel]"),
        ("le 06 12 34 56 78 !", "le [telephone] !"),
        ("0612345678, 06.12.34.56.78", "[telephone], [telephone]"),
        ("06 39 98 12 34", "[telephone]"),  # outside the plan: kept for fiction
        ("+33 (0)6 12 34 56 78 et 0033 1 42 34 56 78", "[telephone] et [telephone]"),
        ("FR76 3000 6000 0112 3456 7890 189", "[iban]"),
        ("mon IBAN FR76 3000 6000 0112 3456 7890 189 et mon nom", "mon IBAN [iban] et mon nom"),
        ("FR7630006000011234567890189 est le mien", "[iban] est le mien"),
        ("gz-713-kw, gz713kw", "[plaque], [plaque]"),
        ("(06)12345678 ou 33612345678", "[telephone] ou [telephone]"),
        (f"né sous le {NIR[:13]}", "né sous le [nir]"),
        ("camille＠exemple.fr", "[courriel]"),
        (f"NIR {NIR}", "NIR [nir]"),
        (f"{NIR[0]} {NIR[1:3]} {NIR[3:5]} {NIR[5:7]} {NIR[7:10]} {NIR[10:13]} {NIR[13:]}", "[nir]"),
        ("carte 4111 1111 1111 1111", "carte [carte]"),
        ("AB-123-CD ou 1234 AB 56", "[plaque] ou [plaque]"),
    ],
)
def test_patterned_personal_data_is_masked(text: str, masked: str) -> None:
    assert privacy.redact(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "le numéro Info Escroqueries est le 0 805 805 817, ou le 3939, ou le 17",
        "dossier 2021 03 12345 du 12/03/2021, 1 500,50 euros, 4111 1111 1111 1112",
        "le 1er article L. 123-45 du code, page 2-30",
        "le 123 et le 124 de la rue, ou 456 à 789",
        "du 01-03-2026_15-03-2026, le 02/03/2026 18 h, 2026-03-05_10-00-00",
        "FR76 3000 6000 0112 3456 7890 180 n’est pas un compte",
    ],
)
def test_what_identifies_nobody_stays_readable(text: str) -> None:
    assert privacy.redact(text) == text


def test_a_column_is_redacted_and_its_nulls_stay() -> None:
    column = pa.chunked_array([["a@exemple.fr", None], ["rien", "06 12 34 56 78"]])
    assert privacy.redact_column(column).to_pylist() == [
        "[courriel]",
        None,
        "rien",
        "[telephone]",
    ]


@given(st.lists(st.one_of(st.none(), st.text()), max_size=20))
def test_column_and_single_text_agree(texts: list[str | None]) -> None:
    column = pa.chunked_array([pa.array(texts, pa.string())])
    expected = [None if text is None else privacy.redact(text) for text in texts]
    assert privacy.redact_column(column).to_pylist() == expected


def test_silence_means_redaction_and_drop_means_gone(data) -> None:
    door = Door(
        "messages",
        {
            "id": {"data_type": "bigint", "nullable": False},
            "texte": {},
            "auteur": {"x-personal": "pseudonymise"},
            "courriel": {"x-personal": "drop"},
            "theme": {"x-personal": "keep"},
        },
        ["id"],
        "reel",
    )
    page: Records = {
        "whence": "test",
        "records": [
            {
                "id": 1,
                "texte": "a@exemple.fr",
                "auteur": "camille",
                "courriel": "b@exemple.fr",
                "theme": "a@exemple.fr",
                "inconnu": "c@exemple.fr",
            }
        ],
    }
    ((row,),) = (admitted.to_pylist() for admitted in door.admit([page]))
    assert row["texte"] == "[courriel]"
    assert row["theme"] == "a@exemple.fr"
    assert len(row["auteur"]) == 32
    assert row["auteur"] != "camille"
    assert "b@exemple.fr" not in json.dumps(row)
    assert "c@exemple.fr" not in json.dumps(row)
    assert door.tally.unknown == {"inconnu"}


def test_pseudonyms_hold_within_a_key_and_break_with_it(data, monkeypatch) -> None:
    column = pa.chunked_array([["camille", "camille", None]])
    first = privacy.pseudonymise_column(column).to_pylist()
    assert first[0] == first[1]
    assert first[2] is None
    assert privacy.pseudonymise_column(column).to_pylist() == first
    assert (data / "pseudonymes.cle").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("CYBERIMPACT_PSEUDONYM_KEY", "autre clé")
    assert privacy.pseudonymise_column(column).to_pylist()[0] != first[0]


def test_an_unknown_treatment_is_refused() -> None:
    with pytest.raises(ValueError, match="x-personal"):
        Door("t", {"id": {"x-personal": "maybe"}}, ["id"], "reel")


@pytest.mark.parametrize("pattern", privacy.PATTERNS, ids=lambda pattern: pattern.mark)
@given(drawn=st.data())
def test_no_hint_hides_a_personal_datum(pattern: privacy.Pattern, drawn) -> None:
    text = drawn.draw(st.from_regex(pattern.candidate))
    column = pa.chunked_array([pa.array([text, None, "rien"], pa.string())])
    assert privacy.redact_column(column).to_pylist() == [privacy.redact(text), None, "rien"]
