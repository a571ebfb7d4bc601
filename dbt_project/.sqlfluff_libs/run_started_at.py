"""What sqlfluff reads of dbt's `run_started_at`, the instant when a run started."""

from datetime import UTC, datetime

astimezone = datetime.now(UTC).astimezone
