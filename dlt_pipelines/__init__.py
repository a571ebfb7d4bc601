"""What comes in: every outside system, brought home through one door."""

import os
from pathlib import Path
from zoneinfo import ZoneInfo

# dlt reads both at its first import: its configuration lies beside this package, and nothing is
# told to anybody.
os.environ.setdefault("DLT_PROJECT_DIR", str(Path(__file__).parent))
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")

PARIS = ZoneInfo("Europe/Paris")  # where a day begins and ends, and what people are shown
