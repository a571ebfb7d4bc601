"""data.gouv.fr: the files that the world drops, behind the portal's own API.

A dataset bears the name of the source that reads it.
"""

import hashlib
import tempfile
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlt_pipelines.sandbox.drops import DROPS, drop
from dlt_pipelines.sandbox.service import Refusal
from dlt_pipelines.sandbox.story import World


class DataGouv:
    def __init__(self, world: World) -> None:
        self.world = world
        self.lock = threading.Lock()
        self.file = lru_cache(self._file)

    def routes(self) -> list[Route]:
        return [
            Route("/datagouv/api/1/datasets/{dataset}/", self.describe),
            Route("/datagouv/resources/{dataset}/{name}", self.download),
        ]

    @staticmethod
    def settings(root: str) -> dict[str, Any]:
        return {"base_url": f"{root}/datagouv/api/1"}

    def _file(self, dataset: str) -> tuple[str, bytes]:
        with tempfile.TemporaryDirectory() as folder:
            [path] = drop(self.world, dataset, Path(folder))
            return path.name, path.read_bytes()

    def _known(self, request: Request) -> tuple[str, bytes]:
        dataset = request.path_params["dataset"]
        if dataset not in DROPS:
            raise Refusal(404, {"message": "Dataset does not exist"})
        with self.lock:
            return self.file(dataset)

    def describe(self, request: Request) -> Response:
        dataset = request.path_params["dataset"]
        name, content = self._known(request)
        root = str(request.url).split("/api/1/")[0]
        guide = {
            "id": "demo_guide",
            "title": "Guide de lecture (démonstration)",
            "format": "pdf",
            "url": f"{root}/resources/{dataset}/guide.pdf",
            "last_modified": "2021-01-01T00:00:00+00:00",
            "checksum": None,
        }
        file = {
            "id": f"demo_{dataset}",
            "title": f"{name} (démonstration)",
            "format": "csv",
            "url": f"{root}/resources/{dataset}/{name}",
            "last_modified": f"{self.world.now:%Y-%m-%dT%H:%M:%S}+00:00",
            "checksum": {"type": "sha1", "value": hashlib.sha1(content).hexdigest()},  # noqa: S324
        }
        return JSONResponse({"id": dataset, "slug": dataset, "resources": [guide, file]})

    def download(self, request: Request) -> Response:
        _, content = self._known(request)
        return Response(content, media_type="text/csv")
