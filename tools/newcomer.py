"""Play a newcomer: built wheels, a fresh environment, a folder as people have them, and the README's blocks twice.

Usage: python tools/newcomer.py, in the environment of `make release`.

The folder holds notes, a PDF of text and a scanned one, a photo of a telephone (HEIC), a JPEG that was cut off, the
files that file managers leave behind, a recording, a video and a Word document. What cannot be read must be listed
with its reason, everything else found, and every framework must answer with its sources, twice.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from release import ROOT, build, install, run

CORPUS = ROOT / "examples" / "data"
UNREADABLE = {"cut.jpg", "Thumbs.db"}
"""Files of the folder that must be listed as failed; `.DS_Store` is hidden, and is not even looked at."""
QUESTIONS = {
    "What does the insurance for the bicycle cost?": "insurance.pdf",
    "Who brings the salad to the garden party?": "party.docx",
    "Who won the national chess championship?": "recording.m4a",
    "a cup of coffee": "coffee.heic",
}
"""Questions that one of the files answers."""
DOCX = """<?xml version="1.0" encoding="UTF-8"?><w:document
xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>Garden party on Sunday:
Ruth brings the salad, Peter the drinks, and the music is from next door.</w:t></w:r></w:p></w:body></w:document>"""


def lay_out(folder: Path) -> None:
    """Write the newcomer's files; in an environment that has Pillow and pillow-heif."""
    import pillow_heif  # type: ignore[import-untyped]
    from PIL import Image
    from run_readme import lay_out as lay_out_corpus

    pillow_heif.register_heif_opener()
    lay_out_corpus(folder)
    notes = folder / "notes"
    (notes / "insurance.pdf").write_bytes(text_pdf("The insurance for the bicycle costs forty euros a year."))
    Image.open(CORPUS / "images" / "photo-03.jpg").convert("RGB").save(notes / "scanned.pdf")
    Image.open(CORPUS / "images" / "photo-02.jpg").convert("RGB").save(notes / "coffee.heic")
    photo = (CORPUS / "images" / "photo-01.jpg").read_bytes()
    (notes / "cut.jpg").write_bytes(photo[: len(photo) // 3])
    (notes / "Thumbs.db").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504))
    (notes / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(100))
    shutil.copy(CORPUS / "audio" / "recording-05.m4a", notes / "recording.m4a")
    shutil.copy(CORPUS / "video" / "video-01.mp4", notes / "zoo.mp4")
    with zipfile.ZipFile(notes / "party.docx", "w") as archive:
        archive.writestr("[Content_Types].xml", CONTENT_TYPES)
        archive.writestr("_rels/.rels", RELATIONS)
        archive.writestr("word/document.xml", DOCX)


CONTENT_TYPES = """<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/word/document.xml"
ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"""
RELATIONS = """<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Target="word/document.xml"
Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>"""


def text_pdf(line: str) -> bytes:
    """Return a PDF of one page with one line of text."""
    stream = f"BT /F1 14 Tf 60 700 Td ({line}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    written, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(written)
    return written + b"xref\n0 5\n0000000000 65535 f \n" + table + trailer


def check_command_line(senseweave: Path, folder: Path) -> None:
    """Index the folder on the command line: failures are listed, and each question finds its file."""

    def answer(*arguments: str, cwd: Path = folder) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(senseweave), *arguments], cwd=cwd, capture_output=True, text=True, check=False)

    done = answer("index", "notes/", "--into", "command-line-index", "--json")
    report = json.loads(done.stdout)
    failed = {Path(failure["source"]).name: failure["reason"] for failure in report["failed"]}
    print(f"indexed: {report['added']} records; failed: {failed}", flush=True)
    if done.returncode != 0 or set(failed) != UNREADABLE or not all(failed.values()):
        sys.exit(f"expected exit code 0 and failures of {sorted(UNREADABLE)}, got {done.returncode}: {done.stderr}")
    for question, file in QUESTIONS.items():
        found = json.loads(answer("search", "command-line-index", question, "-k", "1", "--json").stdout)
        print(f"{question} -> {Path(found[0]['source']).name}", flush=True)
        if Path(found[0]["source"]).name != file:
            sys.exit(f"{question!r} should find {file} first")


def main() -> None:
    """Play it through, and say how long each part took."""
    if sys.argv[1:2] == ["files"]:
        lay_out(Path(sys.argv[2]))
        return
    times = [time.monotonic()]
    build()
    times.append(time.monotonic())
    with tempfile.TemporaryDirectory(prefix="senseweave-newcomer-", ignore_cleanup_errors=True) as temporary:
        python = install(Path(temporary) / "environment")
        times.append(time.monotonic())
        folder = Path(temporary) / "folder"
        folder.mkdir()
        run(str(python), __file__, "files", str(folder))
        check_command_line(python.with_name("senseweave"), folder)
        run(str(python), str(ROOT / "tools" / "run_readme.py"), str(folder), cwd=folder)
        times.append(time.monotonic())
    parts = zip(("wheels", "install", "work"), times, times[1:], strict=False)
    print(", ".join(f"{name} {(end - begin) / 60:.1f} min" for name, begin, end in parts))


if __name__ == "__main__":
    main()
