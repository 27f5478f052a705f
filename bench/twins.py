"""Report rendering: CPU seconds and pages, beside WeasyPrint alone on the same words as plain paragraphs.

python bench/report.py        (make bench-report)
"""

from __future__ import annotations

import html
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from rich.console import Console
from rich.table import Table

from include.report import encode_audio, render_player, render_redacted, render_report
from tests.unit.report_factory import make_analysis, make_facts, make_transcript


def _children() -> float:
    """CPU seconds of the processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    import weasyprint

    warm = make_transcript(segments=8)
    render_report(warm, make_analysis(warm), make_facts(), language="ko")  # imports and fonts are not the report's
    table = Table(
        "recording",
        "findings",
        "CPU s",
        "plain paragraphs, CPU s",
        "redacted, CPU s",
        "player, CPU s (ffmpeg's with it)",
        "player, MB",
        title="A report in Korean, one core",
    )
    for name, seconds, segments, findings in (("10 min", 600, 150, 10), ("70 min", 4163, 1100, 200)):
        transcript = make_transcript(duration_s=seconds, segments=segments)
        for number, one in enumerate(transcript.segments):  # no two alike: what is equal is searched once
            one.text += f" {number}번 이야기"
        analysis, facts = make_analysis(transcript, findings=findings), make_facts()
        began = time.process_time()
        render_report(transcript, analysis, facts, language="ko")
        took = time.process_time() - began
        paragraphs = "".join(f"<p>{html.escape(one.text)}</p>" for one in transcript.segments)
        began = time.process_time()
        weasyprint.HTML(string=f"<html lang='ko'><body>{paragraphs}</body></html>").write_pdf()
        plain = time.process_time() - began
        began = time.process_time()
        render_redacted(transcript, analysis, facts, language="ko")
        redacted = time.process_time() - began
        began, children = time.process_time(), _children()
        tone = np.sin(np.arange(seconds * 16000, dtype=np.float32) * 0.1) * np.float32(0.3)
        page = render_player(transcript, analysis, facts, encode_audio([tone, tone], 16000), language="ko")
        player = time.process_time() - began + _children() - children
        figures = (f"{one:.1f}" for one in (took, plain, redacted, player, len(page) / 1e6))
        table.add_row(name, str(findings), *figures)
    Console().print(table)
    print(f"peak memory of all of it: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    main()
