"""Runs the commands that explore an index for a server.

They take seconds to minutes of a whole processor, so each runs in a process of its own: it holds no lock of the
server's interpreter, and ends with the request. One runs at a time, and an answer is kept for a minute.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from pathlib import Path
from typing import Final

from cachetools import TTLCache

from senseweave.redaction import without_secrets
from senseweave.retrieval import Index
from senseweave.serving.errors import ApiError

LOG = logging.getLogger("senseweave.serving")
KEPT_SECONDS: Final = 60.0
LONGEST_SECONDS: Final = 600.0
"""Longest time that a command may take."""


class Explorer:
    """Runs commands on the folder of an index, or on the store at its address."""

    def __init__(self, index: Index, address: str | None = None) -> None:
        folder = Path(index.info()["place"])
        self._place = address or (str(folder) if folder.is_dir() else None)
        self._kept: TTLCache[tuple[str, ...], str] = TTLCache(8, KEPT_SECONDS)
        self._running = asyncio.Lock()

    async def run(self, *arguments: str) -> str:
        """Return what a command prints, as JSON, or the page that it writes.

        Raises:
            ApiError: If the index has neither folder nor address, or the command fails or takes too long.
        """
        if self._place is None:
            raise ApiError(501, "no_folder", "only an index in a folder or at an address can be explored")
        async with self._running:
            if arguments not in self._kept:
                self._kept[arguments] = await self._run(arguments)
            return self._kept[arguments]

    async def _run(self, arguments: tuple[str, ...]) -> str:
        with tempfile.TemporaryDirectory(prefix="senseweave-") as folder:
            page = Path(folder) / "map.html"
            name, *rest = arguments
            written = [str(page)] if name == "map" else []
            command = [sys.executable, "-m", "senseweave", name, str(self._place), *written, *rest, "--json"]
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                printed, said = await asyncio.wait_for(process.communicate(), LONGEST_SECONDS)
            except TimeoutError:
                raise ApiError(503, "too_slow", f"it took more than {LONGEST_SECONDS:g} seconds") from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            if process.returncode != 0:
                raise failure(said.decode(errors="replace"), str(self._place))
            return page.read_text(encoding="utf-8") if written else printed.decode()


def failure(said: str, place: str) -> ApiError:
    """Return the error of a command that failed on an index, given what it said; no path and no address is in it."""
    if "pip install" in said:
        return ApiError(501, "not_installed", 'the server lacks what this needs: pip install "senseweave[explore]"')
    LOG.warning("%s", without_secrets(said))
    last = (said.strip().splitlines() or [""])[-1].removeprefix("error: ")
    if not last or place in last or "://" in last:
        last = "the index cannot be explored; the server's log says why"
    return ApiError(422, "not_explored", last)
