"""The sandbox's server, in a process of its own: see `servers.serve`.

It reads the world and its faults from its standard input, says its port on its standard output, and
ends when its input closes: it never outlives who started it, even killed.
"""

import asyncio
import os
import pickle
import socket
import sys
import threading

import uvicorn

from dlt_pipelines.sandbox.servers import application


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    world, faults = pickle.load(sys.stdin.buffer)  # noqa: S301 – written by our own `serve`
    threading.Thread(target=_end_with_parent, daemon=True).start()
    app = application(world, faults)
    # A connection that a fault cuts is no error to tell.
    config = uvicorn.Config(app, port=0, log_level="critical", lifespan="off")
    asyncio.run(_Server(config).serve())
