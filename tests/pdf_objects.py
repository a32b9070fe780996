"""PDF files written object by object."""

from collections.abc import Sequence


def write_pdf(objects: Sequence[str], version: str) -> bytes:
    """Return a PDF of numbered objects, the first of which is its catalog."""
    body, offsets = f"%PDF-{version}\n", []
    for number, text in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{text}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    start = len(body)
    body += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    body += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return body.encode("latin-1")
