"""Speech to vectors: the starter's audio encoder against faster-whisper alone, beam 1 with its voice detector.

    python benchmarks/speech.py [--seconds 60]

Both have the same weights (Whisper tiny.en, int8) and threads. The starter also listens for sounds, cuts at pauses,
times the words and embeds them; faster-whisper only writes. Speech is that of the sample corpus, again and again.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import measuring
import numpy as np

RATE = 16_000
CORPUS = Path(__file__).parents[1] / "examples" / "data" / "audio"


def main() -> None:
    """Time both with short padding, the default, and with padding to 30 seconds."""
    parser = measuring.arguments(__doc__, rounds=5)
    parser.add_argument("--seconds", type=int, default=60, help="of speech")
    options = parser.parse_args()
    measuring.set_threads(options.threads)
    warnings.simplefilter("ignore")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import faster_whisper
    import soundfile

    import senseweave as sw
    from senseweave.encoders.parts.starter_weights import WHISPER_TINY

    files = [CORPUS / name for name in ("recording-01.wav", "recording-02.flac", "recording-06.wav")]
    parts = [sw.Audio(path).decode(sampling_rate=RATE).samples for path in files]
    speech = np.resize(np.concatenate(parts), options.seconds * RATE)
    folder = WHISPER_TINY.find().folder
    model = faster_whisper.WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=options.threads)

    def write() -> str:
        segments, _ = model.transcribe(speech, language="en", beam_size=1, vad_filter=True)
        return " ".join(segment.text for segment in segments)

    heard = set(write().lower().split())
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "speech.wav"
        soundfile.write(path, speech, RATE)
        for padding in ("short", "exact"):
            space = sw.load("starter", device="cpu", cache_size=0, speech_padding=padding)
            said = set(str(space.encode([sw.Audio(path)]).descriptions).lower().split())
            gate = f"{len(heard & said) / len(heard):.0%} of faster-whisper's words are there"
            work = f"{options.seconds} s of speech to vectors, {padding} padding"
            sides = {measuring.OURS: lambda space=space: space.embed_audio([path]), "faster-whisper, beam 1": write}
            measuring.report(measuring.compare(work, sides, options, unit="s", gate=gate), options)


if __name__ == "__main__":
    main()
