"""Count what a call asks of a vector store, and how often it opens files."""

import contextlib
import functools
import os
import sys
from collections import Counter

_watched = []


class CountingStore:
    """A vector store that counts the calls to another, and the rows that these read."""

    def __init__(self, store):
        self._store = store
        self.calls, self.rows = Counter(), 0

    folder = property(lambda self: self._store.folder)
    place = property(lambda self: self._store.place)
    version = property(lambda self: self._store.version)

    def writing(self):
        return self._store.writing()

    def close(self):
        self._store.close()

    def take(self):
        """Return the numbers of calls and of rows read since the last time."""
        taken = sum(self.calls.values()), self.rows
        self.calls, self.rows = Counter(), 0
        return taken


def _counted(name):
    def call(self, *arguments, **options):
        self.calls[name] += 1
        answer = getattr(self._store, name)(*arguments, **options)
        self.rows += {"get": len, "query": lambda lists: sum(map(len, lists))}.get(name, lambda _: 0)(answer)
        return answer

    return call


METHODS = "collections count delete drop get make query save_metadata update_metadata upsert"
for _name in METHODS.split():
    setattr(CountingStore, _name, _counted(_name))


@contextlib.contextmanager
def opened_files(folder):
    """Give a counter of how often each file under a folder is opened inside the block."""
    _watch()
    watched = os.path.abspath(folder) + os.sep, Counter()
    _watched.append(watched)
    try:
        yield watched[1]
    finally:
        _watched.remove(watched)


@functools.cache
def _watch():
    sys.addaudithook(_note)  # stays for the life of the process


def _note(event, arguments):
    if event == "open" and _watched and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        for folder, opened in _watched:
            if path.startswith(folder):
                opened[path] += 1
