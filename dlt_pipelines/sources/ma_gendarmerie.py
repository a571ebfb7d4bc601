"""Ma Gendarmerie: contacts of the digital brigade, by chat and form.

Origin    : CSV export of the tool of the brigade (Easiware), `;`, without a header; local clocks.
Licence   : internal.
Grain     : one row per contact.
Personal  : the reference is replaced by a keyed pseudonym; the channel and the qualification are
            dropped. Contacts of the portal for sexual and sexist violence (PNAV) never come in:
            they are counted, and kept nowhere.
"""

from collections.abc import Iterable
from typing import Any

import dlt
from dlt.sources import DltResource

SENSITIVE = {"x-exclude": ["PNAV", "violences sexuelles", "violences sexistes"]}

CONTACTS: dict[str, Any] = {
    "reference": {"x-personal": "pseudonymise", "nullable": False},
    "date": {"x-personal": "keep", "data_type": "timestamp", "nullable": False},
    "canal": {**SENSITIVE, "x-personal": "drop"},
    "motif_parent": SENSITIVE,
    "motif": SENSITIVE,
    "element_de_qualification": {**SENSITIVE, "x-personal": "drop"},
}
HEADER = tuple(CONTACTS)


@dlt.source
def ma_gendarmerie(pages: Iterable[Any] = ()) -> DltResource:
    """Yield the resource `contacts` from `pages`, tables of text read from CSV."""
    return dlt.resource(iter(pages), name="contacts", columns=CONTACTS, primary_key="reference")
