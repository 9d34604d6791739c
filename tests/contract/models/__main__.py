"""`python -m tests.contract.models [--port N]` prints its address and serves until its standard input ends."""

from __future__ import annotations

import argparse
import asyncio
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from tests.contract.models.server import application


async def serve(port: int) -> None:
    """Serve on loopback."""
    server = HTTPServer(application(), max_body_size=64 << 20)
    sockets = bind_sockets(port, "127.0.0.1")
    server.add_sockets(sockets)
    print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


parser = argparse.ArgumentParser(prog="tests.contract.models", description=__doc__)
parser.add_argument("--port", type=int, default=0)
asyncio.run(serve(parser.parse_args().port))
