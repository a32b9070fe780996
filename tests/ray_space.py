"""A small space for processes of Ray: it notes what it embeds, and dies where a test wants it to."""

import os
import signal
from pathlib import Path

from shared_space import tiny_space

from senseweave.spaces.space import Space

tiny = tiny_space()
LONG = "so that a reader has to measure it " * 8
"""Beyond what is known to be short: readers ask the encoder how long such a text is."""


class NotedWords(tiny.HashedWords):
    """Words by hashing; `embedded` in the folder of notes has a line for each text."""

    def __init__(self, notes):
        super().__init__()
        self.notes = Path(notes)

    def prepare(self, items, role):
        if any("deadly to readers" in item for item in items):
            die_once(self.notes / "reader")
        if any("poison to readers" in item for item in items):
            die_always(self.notes / "poison")
        return super().prepare(items, role)

    def forward(self, batch):
        if any("deadly to actors" in item.data for item in batch):
            die_once(self.notes / "actor")
        if any("poison to actors" in item.data for item in batch):
            die_always(self.notes / "poison")
        encoded = super().forward(batch)
        note(self.notes, [" ".join(item.data.split()[:3]) for item in batch])
        return encoded


class NotedColours(tiny.Colours):
    """Pictures by their colour, noted as well."""

    def __init__(self, notes):
        self.notes = Path(notes)

    def forward(self, batch):
        encoded = super().forward(batch)
        note(self.notes, encoded.descriptions)
        return encoded


def note(notes, lines):
    handle = os.open(notes / "embedded", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, "".join(f"{line}\n" for line in lines).encode())
    os.close(handle)


def noted(notes):
    """Return what was embedded so far, by all processes."""
    file = Path(notes) / "embedded"
    return sorted(file.read_text().splitlines()) if file.exists() else []


def die_once(flag):
    """Kill this process if a file is there, which is removed first."""
    try:
        flag.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def die_always(flag):
    """Kill this process if a file is there."""
    if flag.exists():
        os.kill(os.getpid(), signal.SIGKILL)


def make_space(notes):
    encoders = {"text": NotedWords(notes), "image": NotedColours(notes), "audio": tiny.Pitch()}
    return Space("tiny", encoders, recipe=(make_space, (str(notes),), {}))


def start_ray(place):
    """Start Ray on the loopback interface, with two processors and little memory."""
    import ray

    path = os.environ.get("PYTHONPATH", "")
    if str(Path(__file__).parent) not in path.split(os.pathsep):  # processes of Ray import this module, too
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), path]))
    os.environ["RAY_enable_worker_prestart"] = "0"  # noqa: SIM112  (a process is started where there is work for it)
    os.environ["RAY_idle_worker_killing_time_threshold_ms"] = "30000"  # noqa: SIM112  (and used again)
    # Ray would take the address of the network for that of this machine.
    ray._private.services.get_node_ip_address = lambda *_: "127.0.0.1"
    ray.init(
        num_cpus=2,
        object_store_memory=100 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(place),
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def index_and_die(place, notes, into, folder):
    """Index a folder, and kill this process when it has written once."""
    from senseweave.retrieval import Index
    from senseweave.retrieval.stores.collections import Collections
    from senseweave.scale import index

    start_ray(place)
    write = Collections.upsert

    def write_and_die(self, description, records, copied=None):
        write(self, description, records, copied)
        if records:
            Path(notes, "written").write_text("\n".join(sorted(record.id for record in records)))
            os.kill(os.getpid(), signal.SIGKILL)

    Collections.upsert = write_and_die
    index(folder, Index(into, spaces=make_space(notes)), failures=None)
