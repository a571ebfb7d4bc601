"""Places named in French texts: found, settled or left alone, on sentences invented for it."""

import json
from collections import defaultdict
from typing import Any

import pytest

from dbt_project.udfs.places import Gazetteer
from dlt_pipelines import stores

THRESHOLD = 0.6  # `lieux, confiance_min` of ref_methodes.csv

# kind → (text, département that it happens in, or None)
SENTENCES: dict[str, list[tuple[str, str | None]]] = {
    "communes": [
        ("J'ai attendu deux heures à la gendarmerie de Chinon.", "37"),
        ("Vol de vélo à Angoulême, personne ne répond.", "16"),
        ("La brigade de Saint-Jean-d'Angély m'a très bien reçu.", "17"),
        ("J'habite Le Mans et je voudrais un rendez-vous.", "72"),
        ("Accueil parfait au Havre, merci.", "76"),
        ("Les gendarmes des Sables-d'Olonne sont passés deux fois.", "85"),
        ("je vis à niort depuis dix ans et c'est la première fois", "79"),
        ("VOL DE REMORQUE A PARTHENAY, AUCUNE SUITE", "79"),
        ("La COB de Bellac est fermée le samedi.", "87"),
        ("Rendez-vous proposé à Bourg-en-Bresse dans trois semaines.", "01"),
        ("Contrôle à la sortie de Villefranche-de-Rouergue hier.", "12"),
        ("Je réside à L'Haÿ-les-Roses, près de la mairie.", "94"),
        ("L'unité de Porto-Vecchio a pris ma plainte.", "2A"),
        ("À Saint-Laurent-du-Maroni le tchat ne fonctionne pas.", "973"),
        ("La brigade de St-Maixent-l'École ne décroche pas.", "79"),
        ("Mon fils a été agressé à Nantes.", "44"),
        ("Il y a eu un cambriolage à Tours, rue des Halles.", "37"),
        ("Peloton de Chamonix-Mont-Blanc : chapeau.", "74"),
        ("Ma plainte a été déposée au commissariat de Roubaix.", "59"),
        ("Tapage toutes les nuits à Nouméa.", "988"),
    ],
    "departements et regions": [
        ("Cela se passe dans l'Orne, en pleine campagne.", "61"),
        ("Je vis dans le Nord et rien ne bouge.", "59"),
        ("Panne du site depuis la Manche ? Ici, dans la Manche, oui.", "50"),
        ("Le groupement de gendarmerie de la Vienne m'a rappelé.", "86"),
        ("Nous habitons en Loire-Atlantique.", "44"),
        ("Aucune patrouille dans le Lot.", "46"),
        ("Les routes du Pas-de-Calais sont coupées.", "62"),
        ("La préfecture des Deux-Sèvres renvoie vers la brigade.", "79"),
        ("Je suis en Haute-Savoie pour l'hiver.", "74"),
        ("Ici à La Réunion, le cyclone a tout emporté.", "974"),
        ("En Guadeloupe, pas de créneau avant mars.", "971"),
        ("Rien en Bretagne, ni ailleurs.", None),
        ("Dans le Finistère, on ne capte rien.", "29"),
    ],
    "codes": [
        ("On m'a volé mon scooter dans le 37.", "37"),
        ("Escroc signalé, dep37, merci de faire suite.", "37"),
        ("Je suis en 2A et personne ne répond.", "2A"),
        ("Département 2B : trois relances.", "2B"),
        ("Ici dans le 974 la brigade est fermée.", "974"),
        ("Vol à Saint-Denis (974), que faire ?", "974"),
        ("Une arnaque tourne, dépt 03, attention.", "03"),
        ("Code postal 17000, votre carte ne me trouve pas.", "17"),
        ("J'habite au 12 rue des Lilas 86000 Poitiers.", "86"),
        ("On se donne rendez-vous dans le 75, près de la mairie.", "75"),
        ("Reçu dans les 48 heures, bravo.", None),
        ("Le 06 mai on m'a volé 17000 euros.", None),
        ("Appelez le 17 ou le 112.", None),
        ("Il fait 37 degrés et j'attends depuis le 13 juin.", None),
        ("Dans le 13e arrondissement, deux vols.", None),
        ("Dossier 2025/37/14, aucune nouvelle.", None),
    ],
    "homonymes": [
        ("La brigade de Saint-Denis ne répond pas.", None),
        ("Vol à Saint-Aubin, déjà le troisième.", None),
        ("J'habite à Beaumont.", None),
        ("À Saint-Martin, près de Niort, les cambriolages continuent.", "79"),
        ("Beaumont, dans la Vienne : aucune patrouille.", "86"),
        ("Perquisition à Sainte-Marie, La Réunion.", "974"),
        ("Je viens de Villeneuve, je vais à Villeneuve.", None),
        ("Accueil parfait à Vienne, en Isère.", "38"),
        ("J'ai porté plainte à Nantes, puis à Marseille.", None),
    ],
    "pieges": [
        ("Cela n'a pas de sens, je perds le nord.", None),
        ("Ils ont retroussé leurs manches, la manche est gagnée.", None),
        ("Monsieur Valence, adjudant, m'a reçu avec humanité.", None),
        ("Merci à Madame Lamballe pour son écoute.", None),
        ("Sophie Valence a été parfaite.", None),
        ("Une somme de 300 euros, un lot de vaisselle, cher payé.", None),
        ("Cher service, pourquoi un tel délai ?", None),
        ("Mon vélo a été volé rue de Nantes.", None),
        ("Gare de Lyon, avenue de Paris, boulevard de Strasbourg.", None),
        ("Les paris sportifs en ligne sont une plaie.", None),
        ("J'ai fait deux tours du parking, à tours de bras.", None),
        ("La Loire déborde encore.", None),
        ("On cherche dans le nord de la ville.", None),
        ("Mars et Avril furent calmes, Bonne année, Contre toute attente.", None),
        ("La tour de contrôle, le port, la rivière et la poste sont fermés.", None),
        ("Pour Lens comme pour nous, le match est fini.", None),
        ("J'ai répondu à Florence hier.", None),
        ("Bravo à Albert et à Clément.", None),
        ("Plainte en ligne, pré-plainte, THESEE et Percev@l : je m'y perds.", None),
        ("Une dame en vert m'a dit : à demain.", None),
    ],
}


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    def cog(name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads((stores.cog_package() / f"{name}.json").read_text())
        return rows

    communes = [
        {
            "commune_label": row["nom"],
            "commune_type": row["type"],
            "departement_code": row.get("departement")
            or row.get("collectiviteOutremer", {})["code"],
            "population_count": row.get("population"),
            "codes_postaux": row.get("codesPostaux", ()),
        }
        for row in cog("communes")
    ]
    places = [
        {
            "departement_code": row["code"],
            "departement_label": row["nom"],
            "region_code": row["region"],
        }
        for row in cog("departements")
    ]
    regions = [{"region_code": row["code"], "region_label": row["nom"]} for row in cog("regions")]
    served: dict[str, set[str]] = defaultdict(set)
    for row in communes:
        for postcode in row["codes_postaux"]:
            served[postcode].add(row["departement_code"])
    postcodes = {code: min(where) for code, where in served.items() if len(where) == 1}
    return Gazetteer(communes, places, regions, postcodes)


def located(gazetteer: Gazetteer, texts: list[str]) -> list[str | None]:
    return [
        row["departement_code"] if (row["confiance"] or 0) >= THRESHOLD else None
        for row in gazetteer.find(texts).to_pylist()
    ]


@pytest.mark.parametrize(
    ("kind", "precision", "recall"),
    [
        ("communes", 0.95, 0.9),
        ("departements et regions", 0.95, 0.9),
        ("codes", 0.95, 0.9),
        ("homonymes", 1.0, 1.0),
    ],
)
def test_places_are_found(gazetteer: Gazetteer, kind: str, precision: float, recall: float) -> None:
    texts, expected = zip(*SENTENCES[kind], strict=True)
    found = located(gazetteer, list(texts))
    wrong = [row for row in zip(texts, expected, found, strict=True) if row[1] != row[2]]
    right = sum(a == b is not None for a, b in zip(expected, found, strict=True))
    assert right / max(1, sum(code is not None for code in found)) >= precision, wrong
    assert right / max(1, sum(code is not None for code in expected)) >= recall, wrong


def test_a_word_or_a_person_is_no_place(gazetteer: Gazetteer) -> None:
    texts, _ = zip(*SENTENCES["pieges"], strict=True)
    found = located(gazetteer, list(texts))
    wrong = [row for row in zip(texts, found, strict=True) if row[1] is not None]
    assert len(wrong) <= 1, wrong


def test_nothing_is_nowhere(gazetteer: Gazetteer) -> None:
    assert gazetteer.find([]).num_rows == 0
    assert (
        gazetteer.find([None, "", "…"]).to_pylist()
        == [{"departement_code": None, "confiance": None, "lieux": None}] * 3
    )


def test_the_words_that_decided_are_told(gazetteer: Gazetteer) -> None:
    [row] = gazetteer.find(["À Sainte-Marie, près de Fort-de-France."]).to_pylist()
    assert row["lieux"] == "Sainte-Marie, Fort-de-France"
