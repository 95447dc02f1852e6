"""
The smallest server that answers a POST, to compare generators on: `python -m bench.load.answering`

prints its port, and serves until it is ended. It asks for no token and knows no score.
"""

import asyncio
from typing import cast

import uvloop

from bench.load import heads

HOST = "127.0.0.1"

_BODY = b'{"user_id":"somebody","new_score":1}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)


class Answering(asyncio.Protocol):
    """Says the same to every request that has come in whole."""

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        parts = heads.split(data)
        if parts is None or len(parts[1]) < int(heads.field(parts[0], b"content-length")):
            self._rest = data
            return
        self._rest = b""
        self._transport.write(_ANSWER)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Answering, HOST, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
