"""Draw docs/pictures/case_report.png: four pages of a case report over made-up calls (make case-picture).

The recordings, words and names are tests/unit/case_factory.py's; nothing of a real case is in it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from include.report import render_case_report
from tests.unit.case_factory import make_case

TARGET = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "case_report.png"
MOST_BYTES = 150_000
_GAP = 14


def main() -> None:
    """Render, take the pages with the cover, the calendar, the criteria and the network, and set them side by side."""
    facts, course = make_case(14, undated=1)
    pdf = render_case_report(facts, course, language="ko").pdf
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "case.pdf"
        source.write_bytes(pdf)
        pages = [_picture(source, number) for number in _pages(source, ("사건 번호", "시간표", "기준", "기재된 이름"))]
    width, height = pages[0].size
    whole = Image.new("RGB", (len(pages) * (width + _GAP) + _GAP, height + 2 * _GAP), (205, 205, 205))
    for at, page in enumerate(pages):
        whole.paste(page, (_GAP + at * (width + _GAP), _GAP))
        left = _GAP + at * (width + _GAP)
        ImageDraw.Draw(whole).rectangle((left - 1, _GAP - 1, left + width, _GAP + height), outline=(150, 150, 150))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    for colours in (48, 24, 12):
        whole.quantize(colours, dither=Image.Dither.NONE).save(TARGET, optimize=True)
        if TARGET.stat().st_size <= MOST_BYTES:
            break
    sys.stdout.write(f"{TARGET} {TARGET.stat().st_size} bytes\n")


def _pages(source: Path, wanted: tuple[str, ...]) -> list[int]:
    """The first page that holds each text, from 1."""
    text = subprocess.run(["pdftotext", source, "-"], capture_output=True, text=True, check=True).stdout.split("\f")
    return [next(at for at, page in enumerate(text, 1) if one in page) for one in wanted]


def _picture(source: Path, number: int) -> Image.Image:
    stem = source.with_name(f"p{number}")
    subprocess.run(
        ["pdftoppm", "-r", "58", "-png", "-singlefile", "-f", str(number), "-l", str(number), source, stem],
        check=True,
    )
    with Image.open(stem.with_suffix(".png")) as page:
        return page.convert("RGB")


if __name__ == "__main__":
    main()
