"""Let dbt write encrypted stores: DuckDB by itself only reads them."""

from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin

from dlt_pipelines import stores


class Plugin(BasePlugin):
    """Loads the cipher before dbt attaches the stores."""

    def configure_connection(self, conn: Any) -> None:
        stores.load_cipher(conn)
