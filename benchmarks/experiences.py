"""The experiences of Services Publics+, as their 46-column export gives them."""

import csv
import io
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from dbt_project.udfs import messages

ROOT = Path(__file__).resolve().parents[1]
SEEDS = ROOT / "dbt_project" / "seeds"
TRAIN = Path("../shared/data/services_publics_plus_experiences.csv")
TONES = {"positif": "positif", "neutre": "neutre", "negatif": "negatif"}
TAGS = {
    "accessibilite": "Accessibilité",
    "information": "Information/Explication",
    "relation": "Relation",
    "reactivite": "Réactivité",
    "simplicite": "Simplicité/Complexité",
}


class Unreadable(SystemExit):
    """A file that is missing or is something else; cause and remedy, in French."""


@dataclass(frozen=True)
class Experience:
    """What its author wrote and ticked; never the answer of the administration."""

    identifier: str
    title: str
    text: str  # title and description, the only columns that are read
    tone: str | None
    service: str | None
    structure: str | None  # the one that answers; what a training row teaches, never read in a test
    tags: dict[str, str] = field(default_factory=dict)


def plain(text: str) -> str:
    """Return `text` as a key: lower case, no accent, no mark, single spaces."""
    apart = unicodedata.normalize("NFKD", text.lower().replace("œ", "oe"))
    kept = (c if c.isalnum() else " " for c in apart if not unicodedata.combining(c))
    return " ".join("".join(kept).split())


def rows(path: Path, *needed: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a CSV, whatever its encoding, separator and order of columns.

    Columns are named by their `plain` form. Each of `needed` is a set of names, one of which must
    be there.
    """
    try:
        raw = path.read_bytes()
    except OSError as absent:
        raise Unreadable(
            f"{path} ne se lit pas ({absent.strerror}). Remède : donner le chemin d'un fichier CSV."
        ) from absent
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    header = text.partition("\n")[0]
    separator = max(";,\t|", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    names = [plain(name) for name in next(reader, [])]
    for names_of_one in needed:
        if not set(names_of_one) & set(names):
            raise Unreadable(
                f"{path} n'a pas la colonne « {next(iter(names_of_one))} » (trouvé : "
                f"{', '.join(names[:8]) or 'rien'}). Remède : donner un export de cette forme."
            )
    return [dict(zip(names, row, strict=False)) for row in reader if any(row)]


def experiences(path: Path) -> list[Experience]:
    """Return the experiences of an export, each once, those without a text left out."""
    found: dict[str, Experience] = {}
    for number, row in enumerate(rows(path, ("description",), ("ressenti usager", "ressenti"))):
        identifier = row.get("id experience") or str(number)
        text = ". ".join(part for part in (row.get("titre"), row.get("description")) if part)
        felt = plain(row.get("ressenti usager") or row.get("ressenti") or "")
        ticked = {tag: plain(row.get(plain(label)) or "") for tag, label in TAGS.items()}
        if text.strip():
            found[identifier] = Experience(
                identifier,
                row.get("titre") or "",
                text,
                TONES.get(felt),
                row.get("intitule typologie 1") or None,
                row.get("intitule structure 1") or None,
                {tag: value for tag, value in ticked.items() if value},
            )
    return list(found.values())


def seed(name: str) -> list[dict[str, str | None]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [{key: value or None for key, value in row.items()} for row in csv.DictReader(file)]


def lexicon(name: str) -> messages.Lexicon:
    return messages.Lexicon(seed(f"lexique_{name}"))


def threshold(method: str, parameter: str = "seuil") -> float:
    for row in seed("ref_methodes"):
        if (row["methode_id"], row["parametre"]) == (method, parameter):
            return float(row["valeur"] or 0)
    raise KeyError((method, parameter))


def parents(taxonomy: str) -> dict[str, str | None]:
    noun = taxonomy.removesuffix("s")
    return {
        str(row[f"{noun}_code"]): row[f"{noun}_parent_code"] for row in seed(f"taxo_{taxonomy}")
    }
