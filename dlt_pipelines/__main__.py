"""Land sources by hand: `python -m dlt_pipelines <source> …`."""

import argparse
import sys
from concurrent.futures import Future

from dlt_pipelines import stores
from dlt_pipelines.catalog import CATALOG
from dlt_pipelines.landings import Landing, LandingError, land_together


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m dlt_pipelines",
        description="Fait atterrir des sources dans raw.duckdb et dit ce qui est entré.",
    )
    parser.add_argument(
        "sources",
        nargs="*",
        choices=[*CATALOG, []],
        metavar="source",
        help=f"parmi : {', '.join(CATALOG)} (toutes par défaut)",
    )
    parser.add_argument(
        "--reprendre",
        action="store_true",
        help="relire les fichiers du dépôt déjà pris, pour corriger ce qu’un fichier faux a "
        "changé, et croire un service qui donne bien moins qu’avant",
    )
    asked = parser.parse_args()
    stores.secure()
    with land_together(
        asked.sources or CATALOG,
        report=lambda name, line: print(f"  {name} · {line}"),
        retake=asked.reprendre,
    ) as landings:
        return int(not all([_told(name, landing) for name, landing in landings.items()]))


def _told(name: str, coming: Future[Landing]) -> bool:
    """Wait for a landing and print what it did; return whether it succeeded."""
    try:
        landing = coming.result()
    except LandingError as error:
        print(f"■ {name} : échec. {error}", file=sys.stderr)
        return False
    span = f", du {landing.cursor_from or 'début'} au {landing.cursor_to}"
    print(
        f"■ {name} ({landing.origin}) : {landing.total('read')} lignes lues, "
        f"{landing.total('new')} nouvelles, {landing.total('changed')} modifiées, "
        f"{landing.total('quarantined')} en quarantaine"
        f"{span if landing.cursor_to else ''}, {landing.seconds:.1f} s"
    )
    for line in landing.warnings:
        print(f"  attention : {line}")
    return True


if __name__ == "__main__":
    sys.exit(main())
