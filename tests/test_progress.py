"""Progress is that of the work: what is embedded, with its rate, the file at work and what failed so far."""

import io
import threading

import numpy as np
import pytest
import soundfile
from rich.console import Console

import senseweave as sw
from senseweave import progress as progress_module
from senseweave.interop import progress_bar
from senseweave.progress import Progress, shown_progress, tracked
from senseweave.retrieval import Index
from senseweave.retrieval.records.forecast import Forecast
from senseweave.retrieval.records.loading import ChunkLoader
from senseweave.testing import ToyEncoder


def tone(seconds):
    return sw.Audio((np.sin(np.arange(int(8000 * seconds)) / 5).astype(np.float32), 8000))


class Watched(ToyEncoder):
    """Keeps what the progress says while a batch is encoded."""

    batch_budget = 1
    state: Progress
    seen: list

    def forward(self, batch):
        self.seen.append((self.state.done, self.state.chunks))
        return super().forward(batch)


@pytest.fixture
def watched():
    """A space of texts, images and sound in windows of a second, and the progress that it watches."""
    state, seen, encoders = Progress(), [], {}
    for modality in ("text", "image", "audio"):
        encoders[modality] = Watched(modality)
        encoders[modality].state, encoders[modality].seen = state, seen
    encoders["audio"].window_seconds = 1.0
    return sw.Space("watched", encoders), state, seen


def test_media_are_done_when_they_are_embedded_and_not_when_they_are_listed(watched, tmp_path):
    space, state, seen = watched
    Index(tmp_path / "index", spaces=[space]).add([sw.Text(f"note {i}") for i in range(5)], progress=state)
    assert seen[:5] == [(done, done) for done in range(5)]
    assert (state.done, state.total, state.chunks) == (5, 5, 5)


def test_sound_is_counted_in_seconds_and_a_recording_is_done_with_its_last_window(watched, tmp_path):
    space, state, seen = watched
    index = Index(tmp_path / "index", spaces=[space])
    index.add([tone(4.5), sw.Text("a note")], progress=state)
    assert (state.done, state.total, state.chunks) == (2, 2, 6)
    assert state.seconds == pytest.approx(5.0, abs=0.6)
    assert [state for state in seen if state[1] < 5] == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)]
    again = Progress()
    index.add([tone(4.5), sw.Text("a note")], progress=again)
    assert (again.done, again.chunks) == (2, 0)


def test_failures_and_the_source_at_work_are_told_while_it_runs(watched, tmp_path):
    space, _, _ = watched
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    for name in ("b.txt", "c.txt"):
        (tmp_path / name).write_text(f"words of {name}")
    told = []
    state = Progress(lambda now: told.append((now.current.rpartition("/")[2], now.failed, now.done)))
    Index(tmp_path / "index", spaces=[space]).add(
        [tmp_path / name for name in ("a.bin", "b.txt", "c.txt")], progress=state, on_error="skip"
    )
    assert ("b.txt", 1, 1) in told
    assert told[-1][1:] == (1, 3)
    assert str(state).startswith("3 of 3, 2 chunks (")
    assert "1 failed" in str(state)


def test_the_share_of_the_work_counts_chunks_and_not_files(watched, tmp_path):
    """Four notes and a minute of sound in windows of a second: the notes are a sixteenth of the work."""
    space, _, _ = watched
    folder = tmp_path / "media"
    folder.mkdir()
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        (folder / name).write_text(f"words of {name}")
    soundfile.write(folder / "e.wav", np.sin(np.arange(8000 * 60) / 5), 8000)
    shares, lines = [], []
    state = Progress(lambda now: (shares.append(now.share), lines.append(str(now))))
    Index(tmp_path / "index", spaces=[space]).add([folder], progress=state)
    embedded = sorted(set(shares))
    assert len(embedded) > 40
    assert embedded[-1] == 1.0
    assert min(shares[-60:]) < 0.3, "though four files of five are done"
    assert any(line.startswith("0 of 5, 0 of about ") for line in lines)
    assert (state.expected, state.settled, state.chunks) == (64, 64, 64)
    assert str(state).startswith("5 of 5, 64 chunks (")


def test_the_work_is_estimated_from_sizes_until_a_file_is_open(watched, tmp_path):
    space, _, _ = watched
    (tmp_path / "long.mp3").write_bytes(bytes(480_000 * 10))
    (tmp_path / "short.txt").write_text("words")
    forecast = Forecast([tmp_path], None)
    assert (forecast.media, forecast.chunks) == (2, 11)
    expected = []
    state = Progress(lambda now: expected.append(now.expected))
    Index(tmp_path / "index", spaces=[space]).add([tmp_path], progress=state)
    assert expected[0] == 11
    assert (state.expected, state.failed) == (1, 1), "the recording has no sound"


def test_what_is_unchanged_is_work_that_is_done(watched, tmp_path):
    space, _, _ = watched
    index = Index(tmp_path / "index", spaces=[space])
    texts = [sw.Text(f"note {i}") for i in range(5)]
    index.add(texts)
    again = Progress()
    index.add(texts, progress=again)
    assert (again.chunks, again.settled, again.share) == (0, 5, 1.0)
    assert Progress().share is None


def test_a_loader_tells_the_share_of_the_chunks_that_it_made(tmp_path):
    (tmp_path / "a.txt").write_text("words " * 2000)
    (tmp_path / "b.txt").write_text("a word")
    shares = []
    state = Progress(lambda now: shares.append(now.share))
    loader = ChunkLoader(lambda error: None, progress=state)
    chunks = sum(1 for _ in loader.load([tmp_path], lambda chunk: chunk))
    assert chunks > 10
    assert state.settled == state.expected == chunks
    assert any(0.3 < share < 0.7 for share in shares)
    assert shares[-1] == 1.0


def test_the_source_at_work_is_the_one_that_is_embedded_and_not_the_last_that_was_read(watched, tmp_path):
    space, _, _ = watched
    (tmp_path / "a.txt").write_text("words")
    (tmp_path / "b.bin").write_bytes(bytes(range(256)))
    lines = []
    state = Progress(lambda now: lines.append(str(now)))
    Index(tmp_path / "index", spaces=[space]).add([tmp_path], progress=state)
    before = [line for line in lines if line.startswith("1 of 2, 0 of about 1 chunk (")]
    assert before[-1].endswith("1 failed, a.txt")


def test_every_space_of_an_index_is_work(watched, tmp_path):
    space, state, _ = watched
    other = sw.Space("other", {"text": ToyEncoder("text", seed=3)})
    Index(tmp_path / "index", spaces=[space, other]).add([sw.Text("one"), sw.Text("two")], progress=state)
    assert (state.done, state.chunks) == (2, 4)


def test_equal_content_and_what_cannot_be_embedded_are_done_too(watched, tmp_path):
    space, state, _ = watched
    texts = [sw.Text("same", source="a"), sw.Text("same", source="b"), sw.Text("half \ud800 a character")]
    Index(tmp_path / "index", spaces=[space]).add(texts, progress=state, on_error="skip")
    assert (state.done, state.total, state.chunks, state.failed) == (3, 3, 1, 1)


def test_a_function_is_called_with_each_media_that_is_done(watched, tmp_path):
    space, _, _ = watched
    counts = []
    index = Index(tmp_path / "index", spaces=[space])
    index.add([sw.Text("one"), tone(2)], progress=lambda *given: counts.append(given))
    assert counts == [(1, 2), (2, 2)]


def test_there_is_a_line_every_interval_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setattr(progress_module, "INTERVAL", 0.02)
    stream, printed = io.StringIO(), threading.Event()
    monkeypatch.setattr(stream, "flush", printed.set)
    with shown_progress("indexing", console=Console(file=io.StringIO()), stream=stream) as state:
        state.update(total=40, done=12, current="/media/talk \x1b[2J.mp3", failed=2)
        printed.clear()
        assert printed.wait(20)
    line = stream.getvalue().splitlines()[-1]
    assert line.startswith(r"indexing: 12 of 40, 2 failed, talk \x1b[2J.mp3, 0:00")
    assert "\x1b" not in line
    count = stream.getvalue().count("\n")
    assert not printed.wait(0.1) or stream.getvalue().count("\n") == count


def test_there_is_a_bar_in_a_terminal_and_only_lines_in_a_dumb_one(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    drawn = io.StringIO()
    with shown_progress("[b]media", console=Console(file=drawn, force_terminal=True, width=100)) as state:
        state.update(total=2, done=1, expected=40, settled=10, current="[red]note[/red].txt")
    assert "[b]media" in drawn.getvalue()
    assert "1 of 2, 10 of about 40 chunks" in drawn.getvalue()
    monkeypatch.setenv("TERM", "dumb")
    drawn = io.StringIO()
    with shown_progress("media", console=Console(file=drawn, force_terminal=True), stream=io.StringIO()):
        pass
    assert drawn.getvalue() == ""


def test_an_argument_shows_keeps_calls_or_does_nothing(capfd):
    for given in (None, False):
        with tracked(given, "adding") as state:
            assert state is None
    own = Progress()
    with tracked(own, "adding") as state:
        assert state is own
    with tracked(True, "adding") as state:
        assert isinstance(state, Progress)
    with progress_bar("embedding", [sw.Text("a")] * 3) as step:
        step(2, 3)
    assert capfd.readouterr().out == ""


def test_the_rate_is_that_of_the_last_half_minute(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    state = Progress()
    for _ in range(10):
        now[0] += 10
        state.update(embedded=sw.Text("words"))
    assert state.rate == pytest.approx(0.1, rel=0.4)
    assert state.elapsed == 100
    now[0] += 1000
    assert state.rate < 0.02
