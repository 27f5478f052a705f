"""Whether a PDF is a sound file and keeps what PDF/A-3a asks for, as far as can be read off it: qpdf and pypdf.

veraPDF, the reference, needs Java and is not at hand; the clauses are those of ISO 19005-3:2012.
"""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pypdf import PdfReader

__all__ = ["archival_faults"]

_FORBIDDEN_ACTIONS = {"/Launch", "/Sound", "/Movie", "/ResetForm", "/ImportData", "/Hide", "/SetOCGState", "/Rendition",
                      "/Trans", "/GoTo3DView", "/JavaScript"}  # fmt: skip
_TEXT = re.compile(r"<pdfaid:(part|conformance)>([^<]+)<|pdfaid:(part|conformance)=\"([^\"]+)\"")


def archival_faults(data: bytes, folder: Path) -> list[str]:
    """What is wrong with a PDF; empty when nothing is.

    Args:
        data: the file.
        folder: where to put it for qpdf.

    Raises:
        FileNotFoundError: qpdf is not installed (``make test`` installs it).
    """
    path = folder / "archival.pdf"
    path.write_bytes(data)
    told = subprocess.run(["qpdf", "--check", path], capture_output=True, text=True, check=False, timeout=120)
    if told.returncode != 0:
        return [f"qpdf: {told.stdout}{told.stderr}"]
    reader = PdfReader(io.BytesIO(data))
    root: Any = reader.trailer["/Root"]
    first, second = data.split(b"\n", 2)[:2]
    checks = {
        "6.1.2 header": first == b"%PDF-1.7" and second[:1] == b"%" and all(byte > 127 for byte in second[1:5]),
        "6.1.3 identifier": "/ID" in reader.trailer,
        "6.1.3 encrypted": "/Encrypt" not in reader.trailer,
        "6.2.3 output intent": _has_output_intent(root),
        "6.6.4 part 3, level A": _claims(root) == {"part": "3", "conformance": "A"},
        "6.7.2 marked": root.get("/MarkInfo", {}).get("/Marked") is True or _true(root.get("/MarkInfo", {})),
        "6.7.3 structure": "/StructTreeRoot" in root,
        "6.7.4 language": bool(root.get("/Lang")),
        "6.8 attachments": all(
            "/AFRelationship" in one.get_object() and "/EF" in one.get_object() for one in root.get("/AF", ())
        ),
    }
    faults = [name for name, fine in checks.items() if not fine]
    for number, found in _objects(reader):
        faults += [f"object {number}: {fault}" for fault in _object_faults(found)]
    return faults


def _true(mark: Any) -> bool:
    return bool(getattr(mark.get("/Marked"), "value", False))


def _has_output_intent(root: Any) -> bool:
    intents = [one.get_object() for one in root.get("/OutputIntents", ())]
    return any(one.get("/S") == "/GTS_PDFA1" and "/DestOutputProfile" in one for one in intents)


def _claims(root: Any) -> dict[str, str]:
    if "/Metadata" not in root:
        return {}
    text = root["/Metadata"].get_object().get_data().decode()
    return {a or c: b or d for a, b, c, d in _TEXT.findall(text)}


def _objects(reader: PdfReader) -> Iterator[tuple[int, Any]]:
    for number in range(1, int(reader.trailer["/Size"])):
        found = reader.get_object(number)
        if found is not None:
            yield number, found


def _object_faults(found: Any) -> Iterator[str]:
    if not hasattr(found, "get"):
        return
    kind = found.get("/Type")
    if kind == "/FontDescriptor" and not {"/FontFile", "/FontFile2", "/FontFile3"} & set(found):
        yield f"6.2.11.4 the font {found.get('/FontName')} is not embedded"
    if kind == "/Font" and found.get("/Subtype") == "/Type0" and "/ToUnicode" not in found:
        yield f"6.2.11.7 the font {found.get('/BaseFont')} has no map to Unicode"
    if found.get("/S") in _FORBIDDEN_ACTIONS:
        yield f"6.5.1 an action {found['/S']}"
    if "/AA" in found:
        yield "6.5.2 an action of its own accord"
    if kind == "/Filespec" and not {"/F", "/UF"} <= set(found):
        yield "6.8 an attachment without its two names"
    if found.get("/Filter") == "/LZWDecode":
        yield "6.1.7 LZW"
