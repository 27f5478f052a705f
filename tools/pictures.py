"""The pictures of sample reports in ``docs/pictures/``: ``make pictures``.

The call is invented (the factory of the tests), the sound is one of our own samples; nobody's recording is used.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from include import stt
from include.report import Language, heard_findings, render_report
from tests.unit.report_case import make_case_facts, with_voice
from tests.unit.report_factory import make_analysis, make_transcript

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "samples" / "extortion_stereo.m4a"
OUT = ROOT / "docs" / "pictures"
MOST_BYTES = 150_000
PICTURES: dict[str, tuple[Language, str]] = {
    # file: language of the report, words that only this page holds
    "report_cover": ("ko", "접수 당시 파일명"),
    "report_finding": ("ko", "F002직접 협박"),
    "report_case": ("ko", "대화 당사자 여부"),
    "report_voice": ("en", "Voice measures over time"),
    "report_transcript": ("en", "Raw machine text"),
    "report_custody": ("en", "Custody ledger of the case"),
}


def _report(language: Language) -> bytes:
    pcm = stt.load_pcm(SAMPLE)
    transcript = make_transcript(language=language, duration_s=len(pcm) / stt.SAMPLE_RATE * 5, segments=24)
    pcm = np.tile(pcm, (5, 1))  # the sample is shorter than a call that has something to show
    analysis = with_voice(make_analysis(transcript), transcript)
    if not isinstance(analysis.waveform, stt.NotMeasured):
        step = int(analysis.waveform.step_s * stt.SAMPLE_RATE)
        loud = np.abs(pcm.astype(np.float32)) / 32768
        analysis.waveform.peaks = [
            [round(float(one), 4) for one in np.maximum.reduceat(lane, np.arange(0, len(lane), step))]
            for lane in loud.T
        ]
    sounds = heard_findings(transcript, analysis, lambda: pcm, stt.SAMPLE_RATE)
    return render_report(transcript, analysis, make_case_facts(), language=language, sounds=sounds).pdf


def _page_of(pdf: Path, words: str) -> int:
    """The first page, from 1, that holds the words."""
    pages = subprocess.run(["pdftotext", str(pdf), "-"], capture_output=True, text=True, check=True).stdout.split("\f")
    squeezed = ["".join(page.split()) for page in pages]
    return next(number for number, page in enumerate(squeezed, 1) if "".join(words.split()) in page)


def main() -> None:
    """Render, cut out, check sizes."""
    from PIL import Image

    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for language in ("ko", "en"):
            pdf = Path(folder) / f"{language}.pdf"
            pdf.write_bytes(_report(language))
            for name, (wanted, words) in PICTURES.items():
                if wanted != language:
                    continue
                page, target = str(_page_of(pdf, words)), Path(folder) / name
                subprocess.run(
                    ["pdftoppm", "-r", "112", "-png", "-singlefile", "-f", page, "-l", page, str(pdf), str(target)],
                    check=True,
                )
                picture = Image.open(f"{target}.png").convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE)
                picture.save(OUT / f"{name}.png", optimize=True)
                size = (OUT / f"{name}.png").stat().st_size
                sys.stdout.write(f"{name}.png: page {page}, {size // 1000} kB\n")
                if size > MOST_BYTES:
                    raise SystemExit(f"{name}.png has {size} bytes, more than {MOST_BYTES}: draw it smaller.")


if __name__ == "__main__":
    main()
