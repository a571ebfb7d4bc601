"""What sqlfluff reads of dbt's `modules`."""

import pytz

__all__ = ["pytz"]
