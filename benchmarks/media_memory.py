"""Memory that decoding the windows of a two-hour recording takes: `python benchmarks/media_memory.py [--hours 2]`.

For each container the recording is written in blocks, and then decoded window by window at 16 kHz in a process of its
own, whose peak resident memory is printed. A further row decodes only the last window, as for a search hit.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

RATE = 44_100
SECONDS_PER_BLOCK = 10


@functools.cache
def block(index: int) -> np.ndarray:
    """Return ten seconds of stereo sound, shape (n, 2): a tone under noise, different for each of six blocks."""
    time_axis = np.arange(SECONDS_PER_BLOCK * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * (200 + 10 * (index % 60)) * time_axis)
    noise = np.random.default_rng(index).normal(0, 0.05, (len(time_axis), 2))
    return (tone[:, None] + noise).astype(np.float32)


def write(path: Path, hours: float) -> None:
    """Write the recording with soundfile, or with PyAV for containers that soundfile cannot write."""
    blocks = range(round(hours * 3600 / SECONDS_PER_BLOCK))
    if path.suffix != ".m4a":
        import soundfile

        with soundfile.SoundFile(path, "w", RATE, 2) as file:
            for index in blocks:
                file.write(block(index % 6))
        return
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=RATE)
        stream.layout = "stereo"
        for index in blocks:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block(index % 6).T), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = RATE, index * SECONDS_PER_BLOCK * RATE
            frame.time_base = Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def windows(path: str, answer: object) -> None:
    """Decode every window in one pass."""
    from senseweave.media import Audio

    start = time.process_time()
    count = sum(1 for _ in Audio(path).decoded_windows(30.0, sampling_rate=16_000))
    report(answer, count, start)


def last_window(path: str, answer: object) -> None:
    """Decode only the last window."""
    from senseweave.media import Audio

    start = time.process_time()
    Audio(path).windows(30.0)[-1].decode(sampling_rate=16_000)
    report(answer, 1, start)


def report(answer: object, count: int, start: float) -> None:
    """Send the number of windows, the processor time they took, and the peak of resident memory in megabytes."""
    # Not getrusage: its maximum is inherited from the process that started this process.
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
    answer.put((count, time.process_time() - start, peak))  # type: ignore[attr-defined]


def main() -> None:
    """Print a row for each container."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    kinds = ("wav", "flac", "mp3", "ogg", "m4a")
    parser.add_argument("--containers", nargs="+", choices=kinds, default=kinds)
    given = parser.parse_args()
    hours = given.hours
    spawn = multiprocessing.get_context("spawn")
    print(f"{hours:g} hours at {RATE:,} Hz, stereo, to windows of 30 s at 16 kHz\n")
    print("| container | file MB | what | windows | CPU s | peak MB |\n| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for kind in given.containers:
            path = Path(folder, f"recording.{kind}")
            write(path, hours)
            for name, work in (("all windows", windows), ("last window", last_window)):
                answer = spawn.Queue()
                process = spawn.Process(target=work, args=(str(path), answer))
                process.start()
                count, seconds, peak = answer.get()
                process.join()
                size = path.stat().st_size / 1e6
                print(f"| {kind} | {size:.0f} | {name} | {count} | {seconds:.1f} | {peak:.0f} |", flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
