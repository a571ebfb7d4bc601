"""Land sources by hand: `python -m dlt_pipelines <source> …`."""

import argparse
import sys

from dlt_pipelines.catalog import CATALOG, LandingError, land


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
        help="relire les fichiers du dépôt déjà pris, pour corriger ce qu’un fichier faux a changé",
    )
    asked = parser.parse_args()
    failed = False
    for name in asked.sources or CATALOG:
        print(f"■ {name}")
        try:
            landing = land(name, report=lambda line: print(f"  {line}"), retake=asked.reprendre)
        except LandingError as error:
            print(f"  échec : {error}", file=sys.stderr)
            failed = True
            continue
        for line in landing.warnings:
            print(f"  attention : {line}")
        span = f", du {landing.cursor_from or 'début'} au {landing.cursor_to}"
        print(
            f"  {landing.origin} : {landing.total('read')} lignes lues, "
            f"{landing.total('new')} nouvelles, {landing.total('changed')} modifiées, "
            f"{landing.total('quarantined')} en quarantaine"
            f"{span if landing.cursor_to else ''}, {landing.seconds:.1f} s"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
