"""What the disk tier's tests need: entries, clocks, and a tier that is closed in the end."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from gateway.core.keys import framed
from gateway.core.verdict import Entry, Extent, HttpHead
from gateway.tiers.disk import DiskTier
from gateway.tiers.shared_generations import SharedGenerations
from gateway.tiers.usage import taken

HEAD = HttpHead(200, b"OK", ((b"Content-Type", b"application/octet-stream"), (b"X-Odd", b"\xff a")))


def key_of(name: str, service: str = "jobs") -> bytes:
    return framed(b"s", service.encode()) + framed(b"m", name.encode())


def entry_of(
    name: str, body: bytes, *, service: str = "jobs", generations: tuple[int, ...] = (0, 0)
) -> Entry:
    return Entry(key_of(name, service), "http", body, 1000.0, 2000.0, 3000.0, 0, generations, HEAD)


class Disk:
    """A tier on a folder of the test's, its generations, and a clock that the test moves."""

    def __init__(self, state: Path, size: int = 1 << 30, under: dict[str, bytes] | None = None) -> None:
        self.now = 1000.0
        self.state = state
        self.root = state / "cache"
        self.generations = SharedGenerations(state / "generations")
        self.tier = DiskTier(
            self.root, size, self.generations, under or {}, wall=lambda: self.now, monotonic=lambda: self.now
        )

    def files(self) -> list[Path]:
        return sorted(self.root.glob("entries/*/*/*"))

    def unfinished(self) -> list[Path]:
        return sorted(self.root.glob("tmp/*"))

    async def close(self) -> None:
        await self.tier.close()
        self.generations.close()


def body_of(entry: Entry | None) -> bytes | None:
    """The body's bytes, wherever they are."""
    if entry is None or entry.extent is None:
        return None if entry is None else entry.body
    extent: Extent = entry.extent
    extent.file.seek(extent.offset)
    return extent.file.read(extent.length)


def on_disk(disk: Disk) -> int:
    """Bytes that the entries' files take, looked at one by one."""
    sizes = []
    for file in disk.files():
        with suppress(FileNotFoundError):
            sizes.append(taken(file.stat().st_size))
    return sum(sizes)


async def until(holds: Callable[[], bool | Awaitable[bool]], patience: float = 20.0) -> None:
    """Wait until it holds; fails when it does not within the time."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = holds()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to hold")
