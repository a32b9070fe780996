"""What the routes of a server share."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from senseweave.retrieval import Index
from senseweave.retrieval.stores.lock import FolderLock
from senseweave.serving.explorer import Explorer
from senseweave.serving.files import RecordFiles
from senseweave.serving.guard import Doorkeeper
from senseweave.serving.metrics import Metrics
from senseweave.serving.previews import Previews
from senseweave.serving.settings import ServeSettings
from senseweave.serving.uploads import Uploads
from senseweave.spaces.space import Space

LOG = logging.getLogger("senseweave.serving")


@dataclass
class Services:
    """An index with what serves it.

    Attributes:
        index: The index.
        settings: What is allowed.
        files: Its records and their files.
        previews: Thumbnails, waveforms and spans.
        doorkeeper: Knows the token.
        metrics: What is counted.
        explorer: Finds duplicates and groups, and draws the map.
        uploads: Keeps what clients upload; None where nothing may be uploaded.
        state: `loading`, `ready` or `failed`.
        started: Seconds since 1970.
    """

    index: Index
    settings: ServeSettings
    files: RecordFiles
    previews: Previews
    doorkeeper: Doorkeeper
    metrics: Metrics
    explorer: Explorer
    uploads: Uploads | None
    state: str = "loading"
    started: float = field(default_factory=time.time)

    @classmethod
    def build(cls, index: Index, settings: ServeSettings) -> Services:
        """Return the services of an index."""
        files = RecordFiles(index)
        return cls(
            index,
            settings,
            files,
            Previews(files),
            Doorkeeper(settings.token),
            Metrics(),
            Explorer(index, settings.address),
            Uploads(settings.uploads, index) if settings.uploads is not None else None,
        )

    @property
    def spaces(self) -> dict[str, Space]:
        """The spaces that embed for clients, by name: those of the index first."""
        return {**self.index.spaces, **self.settings.spaces}

    def empty_note(self) -> str | None:
        """Return why nothing can be found, if the index holds no record, and whether records are on their way."""
        if len(self.index):
            return None
        folder = self.index._store.store.folder
        if folder is not None and FolderLock(folder).busy():
            return "The index is empty; files are being added to it: try again when the first ones are in."
        return "The index is empty."

    def load(self) -> None:
        """Load the models, so that the first request is as quick as later requests."""
        try:
            for space in self.spaces.values():
                space.load()
        except Exception:
            self.state = "failed"
            LOG.exception("the models cannot be loaded")
        else:
            self.state = "ready"


def services(request: Request) -> Services:
    """Return the services of the application that answers a request."""
    found: Services = request.app.state.services
    return found


Shared = Annotated[Services, Depends(services)]
