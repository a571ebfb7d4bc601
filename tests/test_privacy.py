"""No personal datum survives the door (all persons and numbers are invented)."""

import json
import re
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlt_pipelines import catalog, landings, privacy
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
        (
            "O6 12 34 56 78, +41 79 123 45 67, 06\u00a012\u00a034\u00a056\u00a078",
            "[telephone], [telephone], [telephone]",
        ),
        ("camille.exemple arobase gmail point com", "[courriel]"),
        ("jean.exemple@interieur.gouv.fr", "[courriel]"),
        ("12 bis, rue des Lilas, 75011 Paris : bruit", "[adresse] : bruit"),
        ("au 7 allée de l'église et il pleut", "au [adresse] et il pleut"),
        ("j'habite rue des Lilas", "j'habite [adresse]"),
        (
            "né le 12/03/1985 à Lyon, née à Gap le 3 mars 1990",
            "né le [naissance] à Lyon, née à Gap le [naissance]",
        ),
        ("dossier n° 2021/12345, PV 01234/00567/2024", "dossier n° [dossier], PV [dossier]"),
        ("plainte 2024-001234 du 12/03/2024", "plainte [dossier] du 12/03/2024"),
        ("depuis 82.65.12.9 ou 2a01:e0a:1b2::1", "depuis [ip] ou [ip]"),
        ("https://exemple.info/suivi?id=12345678", "[lien]"),
        ("sur www.facebook.com/camille.exemple !", "sur [lien] !"),
        ("@camille_31 et snap : camille.exemple", "[compte] et snap : [compte]"),
    ],
)
def test_patterned_personal_data_is_masked(text: str, masked: str) -> None:
    assert privacy.redact(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "le numéro Info Escroqueries est le 0 805 805 817, ou le 3939, ou le 17",
        "dossier du 12/03/2021, 1 500,50 euros, 4111 1111 1111 1112, mon dossier 2023",
        "contact@interieur.gouv.fr, la préfecture au 12 rue de la Gare",
        "https://www.service-public.fr/particuliers/vosdroits/F1342",
        "version 10.2.0.14, article 226-1, Cerfa 12100*02, erreur 503",
        "@Gendarmerie, numéro 17, 112, 3919 ou 0805 805 817",
        "né pour un petit pain, le 12 au soir",
        "M. le maire, Mme la préfète, M. J'ai faim, le gendarme de Saint-Pierre",
        "la carte rose, une pierre, la Marine nationale, à Florence, de Paris, Noël",
        "rue Victor Hugo, le lycée Jean Moulin, la brigade de Saint-Martin",
        "Cordialement, un usager mécontent",
        "le 1er article L. 123-45 du code, page 2-30",
        "le 123 et le 124 de la rue, ou 456 à 789",
        "du 01-03-2026_15-03-2026, le 02/03/2026 18 h, 2026-03-05_10-00-00",
        "FR76 3000 6000 0112 3456 7890 180 n’est pas un compte",
        "demo-masecurite::perceval, Perceval (démonstration), le service Perceval",
    ],
)
def test_what_identifies_nobody_stays_readable(text: str) -> None:
    assert privacy.redact(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Mme Le Goff et M. d'Almeida", "Mme [nom] et M. [nom]"),
        (
            "l'adjudant-chef LEROY, le gendarme adjoint Martin",
            "l'adjudant-chef [nom], le gendarme adjoint [nom]",
        ),
        ("je m'appelle camille exemplard et je", "je m'appelle [nom] et je"),
        ("Nom : DUPONT Prénom : Jean", "Nom : [nom] Prénom : [nom]"),
        ("merci.\nCordialement,\nX. Exemplard", "merci.\nCordialement,\n[nom]"),
        ("Rose m'a reçue, pas la rose", "[nom] m'a reçue, pas la rose"),
        ("Florence Martin vit à Florence", "[nom] vit à Florence"),
        ("merci à Jean-Pierre de La Tour", "merci à [nom]"),
        ("DUPONT Nathalie a signé", "[nom] a signé"),
        ("MERCI A MME DURAND POUR SON AIDE", "MERCI A MME [nom] POUR SON AIDE"),
        ("mon voisin Ousmane crie", "mon voisin [nom] crie"),
        ("Paul Canariov 06 39 98 12 34 Xiomarov", "[nom] [telephone] Xiomarov"),
    ],
)
def test_names_are_told_from_their_context(text: str, masked: str) -> None:
    assert privacy.redact(text) == masked


@pytest.mark.parametrize("few", [0, privacy.FEW])
def test_a_column_is_redacted_and_its_nulls_stay(few: int, monkeypatch) -> None:
    monkeypatch.setattr(privacy, "FEW", few)
    column = pa.chunked_array([["a@exemple.fr", None], ["rien", "06 12 34 56 78"]])
    assert privacy.redact_column(column).to_pylist() == [
        "[courriel]",
        None,
        "rien",
        "[telephone]",
    ]


@pytest.mark.slow
@given(st.lists(st.one_of(st.none(), st.text()), max_size=20))
def test_column_and_single_text_agree(texts: list[str | None]) -> None:
    column = pa.chunked_array([pa.array(texts, pa.string())])
    expected = [None if text is None else privacy.redact(text) for text in texts]
    with patch.object(privacy, "FEW", 0):  # the hints are asked, however few the texts
        assert privacy.redact_column(column).to_pylist() == expected


def test_columns_of_a_batch_are_redacted_apart() -> None:
    said = ["rien", "a@exemple.fr", None, *map(str, range(privacy.FEW))]
    first, second = pa.chunked_array([said[:2], said[2:]]), pa.chunked_array([said[::-1]])
    told = [text and text.replace("a@exemple.fr", "[courriel]") for text in said]
    redacted = privacy.redact_columns([first, second])
    assert [column.to_pylist() for column in redacted] == [told, told[::-1]]
    empty = privacy.redact_columns([first.slice(0, 0)] * 2)
    assert [column.to_pylist() for column in empty] == [[], []]


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


CANARY = "camille.canari@exemple.fr, 06 39 98 12 34, je m'appelle Camille Canariov"


@pytest.mark.slow
def test_no_table_lets_a_canary_through(data) -> None:
    """Whatever a source declares, what is not said to be kept is redacted, hidden or gone."""
    admitted_count = 0
    for source in catalog.CATALOG.values():
        for table, door in landings.doors_of(source, "reel", landed=False).items():
            plain = {
                column.name: str(place) if column.personal == privacy.KEEP else CANARY
                for place, column in enumerate(door.columns)
                if column.data_type == "text"
            }
            record = plain | {"inconnue": CANARY, "imbriquee": {"plus": [{"loin": CANARY}]}}
            page: Records = {"whence": "essai", "records": [record]}
            told = [admitted.to_pylist() for admitted in door.admit([page])]
            admitted_count += sum(map(len, told))
            told += [door.tally.rejects.to_pylist()]
            written = json.dumps(told, default=str, ensure_ascii=False)
            for canary in ("canari", "Canari", "06 39 98"):
                assert canary not in written, f"{source.name}.{table}"
    assert admitted_count > 9


@pytest.mark.parametrize("value", ["camille@exemple.fr", "06 39 98 12 34", "+33639981234"])
def test_a_key_that_is_somebody_is_set_aside(data, value: str) -> None:
    columns = {
        "id": {"nullable": False, "x-personal": "keep"},
        "texte": {},
    }
    door = Door("t", columns, ["id"], "reel")
    records = [{"id": value, "texte": "a"}, {"id": "42", "texte": "b"}]
    (admitted,) = door.admit([{"whence": "essai", "records": records}])
    assert admitted["id"].to_pylist() == ["42"]
    assert door.tally.rejects["motif"].to_pylist() == ["donnée personnelle à la place d’une clé"]
    assert value not in json.dumps(door.tally.rejects.to_pylist())


def test_nested_values_are_redacted(data) -> None:
    door = Door("t", {"id": {"nullable": False}, "detail": {"x-names": ["a"]}}, ["id"], "reel")
    records = [{"id": "1", "a": {"b": [CANARY, {"c": CANARY}]}}]
    (admitted,) = door.admit([{"whence": "essai", "records": records}])
    told = json.dumps(admitted.to_pylist(), ensure_ascii=False, default=str)
    assert "canari" not in told.lower()
    assert "06 39 98" not in told


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


# Pieces of what people write: data, traps, and what stands between them.
PIECES = st.sampled_from(
    """
    Rose|Paul|NATHALIE|jean|pierre|Le Goff|dupont|DURAND|Saint-Pierre|Xiomara|d'Almeida|M.|Mme
    |monsieur|l'adjudant|maître|agent|cordialement|Merci|merci,|appelle|nom :|est|je|m'appelle|mon
    |fils|voisine|avec|par|à|de|la|suis|né le|rue|lycée|m'a reçue|06|12|34|56|78|0612345678
    |12/03/1985|75011|Paris|AB-123-CD|ab|1234|FR76|4111|a@exemple.fr|@camille_31|82.65.12.9
    |https://exemple.info/?id=12345|12, bis|dossier n°|12 rue des Lilas|[nom]|[telephone]|.|￼|é
    |FR7630006000011234567890189|4111 1111 1111 1111|1 85 07 59 280 011 75|\u00a0|né(e)
    """.strip().split("|")
)
MESSAGES = st.lists(PIECES, max_size=14).map(" ".join) | st.text(max_size=60)


@given(MESSAGES)
def test_what_is_redacted_is_not_redacted_further(text: str) -> None:
    redacted = privacy.redact(text)
    assert privacy.redact(redacted) == redacted


@given(MESSAGES)
def test_only_marks_are_added(text: str) -> None:
    redacted = privacy.redact(text)
    marks = "|".join(re.escape(kind.mark) for kind in privacy.KINDS)
    kept = re.split(marks, redacted)
    # What stands between the marks stands in the text, in that order, and nothing else does.
    assert re.fullmatch(".*".join(map(re.escape, kept)), text, re.S)
    assert len("".join(kept)) <= len(text)


@given(st.lists(MESSAGES, min_size=1, max_size=4))
def test_no_hint_hides_a_personal_datum(texts: list[str]) -> None:
    column = pa.chunked_array([pa.array([*texts, None, "rien"], pa.string())])
    expected = [*map(privacy.redact, texts), None, "rien"]
    with patch.object(privacy, "FEW", 0):
        assert privacy.redact_column(column).to_pylist() == expected
