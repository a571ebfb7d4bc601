"""What sqlfluff reads of dbt's `adapter`: the words of DuckDB, whose dialect it checks."""

from collections.abc import Callable
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context


@pass_context
def dispatch(context: Context, name: str) -> Callable[..., Any]:
    """Return the default form of a macro."""
    return context[f"default__{name}"]
