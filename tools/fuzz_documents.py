"""Change documents and photos of each kind at random, read them, and report what each change came to.

Usage: python tools/fuzz_documents.py [COUNT] [SEED]

Each changed document is read in a process of bounded memory, which a new one replaces if it dies or takes over 20
seconds. Of packages, half of the changes are made in a file inside, so that its reader is reached. Prints counts by
kind; a document that neither gives values nor a `MediaError` is written to `fuzz-KIND-NUMBER` and ends in exit code 1.
"""

from __future__ import annotations

import io
import random
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.media.conftest import Judge, Make  # noqa: E402
from tests.media.document_samples import package, samples  # noqa: E402
from tests.media.photo_samples import photo_samples  # noqa: E402

LIMIT_MEGABYTES = 500
TOKENS = (
    b"<",
    b">",
    b"/>",
    b"&#x10ffff;",
    b"<!ENTITY",
    b"\0",
    b"\xff\xfe",
    b"99999999999",
    b"-1",
    b"{",
    b"}",
    b"\\bin9999 ",
)
"""What readers look for, in places where they do not expect it."""


def change(data: bytes, rng: random.Random) -> bytes:
    """Return some bytes with one to eight changes, often a single one."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, rng.choice((1, 3, 8)))):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(7)
        if kind == 0 and changed:
            changed[min(at, len(changed) - 1)] = rng.randrange(256)
        elif kind == 1:
            del changed[at : at + rng.randint(1, 64)]
        elif kind == 2:
            start = rng.randrange(len(changed) + 1)
            changed[at:at] = changed[start : start + rng.randint(1, 256)]
        elif kind == 3:
            changed[at:at] = rng.choice(TOKENS)
        elif kind == 4:
            changed[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\x80"))
        elif kind == 5 and rng.random() < 0.2:
            del changed[at:]
        else:
            changed[at : at + 2] = rng.randbytes(2)
    return bytes(changed)


def change_inside(data: bytes, rng: random.Random) -> bytes:
    """Return a package in which one of the files is changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        files = {name: whole.read(name) for name in whole.namelist()}
    name = rng.choice([name for name in files if name != "mimetype"])
    files[name] = change(files[name], rng)
    mime_type = files.pop("mimetype", b"").decode()
    return package(files, mime_type)


def main() -> None:
    """Change, read and report."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    documents = samples(Make) | photo_samples(Make)
    judge = Judge()
    told: dict[str, Counter[str]] = {kind: Counter() for kind in documents}
    bad = megabytes = 0
    slowest, began = 0.0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            kind = rng.choice(list(documents))
            data = documents[kind]
            inside = data[:2] == b"PK" and rng.random() < 0.5
            changed = change_inside(data, rng) if inside else change(data, rng)
            path = Path(folder, "document")
            path.write_bytes(changed)
            start = time.monotonic()
            found = judge("parts", path)
            slowest = max(slowest, time.monotonic() - start)
            megabytes = max(megabytes, found["megabytes"])
            verdict = found["verdict"] if found["megabytes"] <= LIMIT_MEGABYTES else "memory"
            told[kind][verdict] += 1
            if verdict not in ("value", "error"):
                bad += 1
                Path(f"fuzz-{kind.replace(' ', '-')}-{number}").write_bytes(changed)
                print(f"{kind} {number}: {verdict}: {found['words']}", flush=True)
    judge.close()
    for kind, counts in told.items():
        print(f"{kind:13}", dict(counts))
    print(f"{count:,} changes in {time.monotonic() - began:.0f} s, {bad} bad; slowest {slowest:.1f} s, {megabytes} MB")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
