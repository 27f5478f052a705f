"""A proxy in front of the stack's S3 server that can misbehave: 503, slow, bodies cut off."""

from __future__ import annotations

import asyncio
import random
import threading
from contextlib import suppress
from typing import Literal

Mode = Literal["pass", "503", "slow", "truncate"]

_BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>injected</Message></Error>"
_LIMIT = 1 << 20


class S3Proxy:
    """Listens on ``port`` of 127.0.0.1 and hands on to ``upstream``; :attr:`mode` may change at any time.

    - ``503``: each request that ``share`` selects is answered 503 SlowDown.
    - ``slow``: each selected response waits ``delay_s`` seconds.
    - ``truncate``: each selected response with a body ends in the middle of it.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.upstream: int | None = None
        self.mode: Mode = "pass"
        self.share = 1.0
        self.delay_s = 2.0
        self.hits = 0
        """How many requests were answered badly."""
        self.broken = 0
        """How many connections ended because one side went away."""
        self.random = random.Random(0)
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        if not started.wait(10):
            raise RuntimeError(f"The S3 proxy does not listen on port {port}.")

    def close(self) -> None:
        """Stop listening, end the connections."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        listening = asyncio.start_server(self._connection, "127.0.0.1", self.port, limit=_LIMIT)
        server = self._loop.run_until_complete(listening)
        started.set()
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0))  # closed transports let go of their sockets
        self._loop.close()

    def _selected(self, mode: Mode) -> bool:
        if self.mode != mode or self.random.random() >= self.share:
            return False
        self.hits += 1
        return True

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if self._selected("503"):
                    answer = b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\n"
                    writer.write(answer + b"Content-Length: %d\r\n\r\n" % len(_BUSY) + _BUSY)
                    await writer.drain()
                    break
                up = up or await asyncio.open_connection("127.0.0.1", self.upstream, limit=_LIMIT)
                if not await self._exchange(head, reader, writer, *up):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self.broken += 1  # one side went away: so does the other
        finally:
            for one in (writer, *((up[1],) if up else ())):
                with suppress(OSError):
                    one.close()

    async def _exchange(
        self,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
    ) -> bool:
        """One request and its response; False when the connection is to end."""
        up_writer.write(head)
        sending = asyncio.create_task(_body(head, reader, up_writer))
        try:
            while True:
                answer = await up_reader.readuntil(b"\r\n\r\n")
                status = int(answer.split(b" ", 2)[1])
                if status >= 200:
                    break
                writer.write(answer)  # 100 Continue
                await writer.drain()
            if self._selected("slow"):
                await asyncio.sleep(self.delay_s)
            empty = head.startswith(b"HEAD ") or status in (204, 304)
            length = 0 if empty else (_header(answer, b"content-length") or 0)
            cut = length > 1 and self._selected("truncate")
            writer.write(answer)
            if not empty:
                await _body(answer, up_reader, writer, most=length // 2 if cut else None)
            await writer.drain()
            return not cut and b"connection: close" not in answer.lower() and sending.done()
        finally:
            if not sending.done():
                sending.cancel()
            with suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
                await sending


def _header(head: bytes, name: bytes) -> int | None:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return int(value)
    return None


async def _body(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, most: int | None = None
) -> None:
    """Hand on a message's body, by its length or chunk by chunk; at most ``most`` bytes of it."""
    if b"transfer-encoding: chunked" in head.lower():
        while True:
            size = await reader.readuntil(b"\r\n")
            chunk = int(size.split(b";")[0], 16)
            writer.write(size + await reader.readexactly(chunk + 2))
            await writer.drain()
            if chunk == 0:
                return
    left = _header(head, b"content-length") or 0
    left = left if most is None else min(left, most)
    while left > 0:
        block = await reader.read(min(left, 1 << 16))
        if not block:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(block)
        writer.write(block)
        await writer.drain()
