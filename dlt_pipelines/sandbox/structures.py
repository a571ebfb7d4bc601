"""The structures that citizens write about: units, préfectures, police and national services.

Their labels say that they are invented; their networks and typologies are the platform's own.
"""

from dataclasses import dataclass
from functools import lru_cache

from dlt_pipelines.sandbox.story import Departement, departements

GENDARMERIE = "Gendarmerie Nationale"
OUTSIDE = "demo_hors_structure"

# typology -> (code, network, label)
NATIONAL = {
    "Gendarmerie Nationale": ("dggn", GENDARMERIE, "Direction générale"),
    "Unité Numérique": ("unite_numerique", GENDARMERIE, "Unité numérique"),
    "Service en ligne Perceval": ("perceval", GENDARMERIE, "Perceval"),
    "Service en ligne Ma Sécurité": ("ma_securite", GENDARMERIE, "Ma Sécurité"),
    "Masecurite.fr": ("masecurite_fr", GENDARMERIE, "Masecurite.fr"),
    "Pré-plainte en ligne (PPEL)": ("ppel", GENDARMERIE, "Pré-plainte en ligne"),
    "Plainte en ligne (PEL)": ("pel", GENDARMERIE, "Plainte en ligne"),
    "THESEE": ("thesee", "POLICE NATIONALE", "THESEE"),
    "PHAROS": ("pharos", "POLICE NATIONALE", "PHAROS"),
    "ANTAI": ("antai", "Services numériques du ministère de l'Intérieur", "ANTAI"),
    "ANTS": ("ants", "ANTS", "ANTS"),
    "CAF": ("caf", "CNAF", "Caisse d'allocations familiales"),
    "Service-public.fr": (
        "service_public",
        "Direction de l'information légale et administration publique (DILA)",
        "Service-public.fr",
    ),
    "Réseau consulaire": (
        "consulats",
        "Ministère de l’Europe et des Affaires étrangères (MEAE)",
        "Réseau consulaire",
    ),
    "Hors réseau": ("hors_structure", "Réseau hors réseau", "Hors-structures"),
}

# typology -> (code, network, how the label opens)
LOCAL = {
    "Groupement de gendarmerie départementale": (
        "ggd", GENDARMERIE, "Groupement de gendarmerie départementale",
    ),
    "Préfecture": ("pref", "Administration territoriale de l'Etat", "Préfecture"),
    "COMMISSARIAT DE POLICE": ("cp", "POLICE NATIONALE", "Commissariat de police"),
}  # fmt: skip
TOWNS_WITH_POLICE = 70


@dataclass(frozen=True)
class Structure:
    """One line of the platform's directory; `departement` is where it lies."""

    id: str
    reseau: str
    typologie: str
    label: str
    departement: Departement
    parent: "Structure | None" = None


@lru_cache(maxsize=1)
def structures() -> tuple[Structure, ...]:
    """Return about 300 structures, in a fixed order."""
    places = departements()
    paris = next(place for place in places if place.code == "75")
    national = {
        typologie: Structure(f"demo_{code}", reseau, typologie, _label(label), paris)
        for typologie, (code, reseau, label) in NATIONAL.items()
    }
    regions: dict[str, Structure] = {}
    for place in sorted(places, key=lambda place: -place.population):
        if place.region_code not in regions:
            regions[place.region_code] = Structure(
                f"demo_region_{place.region_code}", GENDARMERIE, "Région de Gendarmerie",
                _label(f"Région de gendarmerie, {place.region_nom}"), place,
                national["Gendarmerie Nationale"],
            )  # fmt: skip
    towns = sorted(places, key=lambda place: -place.population)[:TOWNS_WITH_POLICE]
    local = [
        Structure(
            f"demo_{code}_{place.code}", reseau, typologie, _label(f"{label}, {place.nom}"), place,
            regions[place.region_code] if code == "ggd" else None,
        )
        for typologie, (code, reseau, label) in LOCAL.items()
        for place in places
        if code != "cp" or place in towns
    ]  # fmt: skip
    return (*national.values(), *regions.values(), *local)


def _label(name: str) -> str:
    return f"{name} (démonstration)"
