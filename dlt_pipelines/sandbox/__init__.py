"""The outside world where there is none: invented data behind each source's own contract.

Origin    : drawn from a seed; nobody and nothing in it exists.
Marks     : `(démonstration)` in labels, `demo_` in identifiers and accounts, `demonstration` in
            file names; telephones, banks and plates that nobody can own.
Determinism: a day's content depends on (seed, size, day) only, never on the window asked.
"""

from dlt_pipelines.sandbox.drops import DROPS, drop
from dlt_pipelines.sandbox.faults import Faults
from dlt_pipelines.sandbox.servers import serve, settings
from dlt_pipelines.sandbox.service import TOKEN
from dlt_pipelines.sandbox.social import SUBJECTS, Account, Subject, accounts
from dlt_pipelines.sandbox.story import (
    PlantedEvent,
    PlantedNeed,
    SandboxError,
    World,
    ledger,
    needs,
    world,
)

__all__ = [
    "DROPS",
    "SUBJECTS",
    "TOKEN",
    "Account",
    "Faults",
    "PlantedEvent",
    "PlantedNeed",
    "SandboxError",
    "Subject",
    "World",
    "accounts",
    "drop",
    "ledger",
    "needs",
    "serve",
    "settings",
    "world",
]
