"""A stand-in for the service that records the users of each connection.

``python server.py`` listens on a free port of loopback, prints the port, and serves until its standard input ends. Then
it prints its record as JSON. Each response has the username as its request ID. A request for a user whose name begins
with ``held`` is answered only when the standard input ends.
"""

import asyncio
import json
import re
import sys
from collections import Counter

LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-amzn-RequestId: %b\r\n\r\n{}"


class Memory:
    """The record that is printed at the end.

    Attributes:
        connections: The number of requests for each user, for each connection.
        open: The number of open connections.
        most_open: The maximum number of open connections.
    """

    def __init__(self) -> None:
        self.connections: list[Counter[str]] = []
        self.open = self.most_open = 0
        self.ending = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a connection."""
        usernames: Counter[str] = Counter()
        self.connections.append(usernames)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = LENGTH.search(head)
                assert found is not None
                username: str = json.loads(await reader.readexactly(int(found[1])))["Username"]
                usernames[username] += 1
                if username.startswith("held"):
                    await self.ending.wait()
                writer.write(BODY % username.encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


async def main() -> None:
    """Runs the server."""
    memory = Memory()
    server = await asyncio.start_server(memory.serve, "127.0.0.1", backlog=128)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for _ in range(20):  # until the loop has processed all earlier closes
        await asyncio.sleep(0)
    print(json.dumps({"connections": memory.connections, "open": memory.open, "most_open": memory.most_open}))
    memory.ending.set()
    server.close()
    while memory.open:  # until the held connections are closed
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(main())
