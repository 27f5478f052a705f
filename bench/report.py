"""Report rendering: seconds and peak memory, beside WeasyPrint alone on the same words as plain paragraphs.

python bench/report.py        (make bench-report)

Each call is rendered in a process of its own, in one language, with everything that the pipeline's report holds: case
facts, custody events, voice over time, a spectrogram for each finding, made of a synthetic recording that is decoded
for it. Aims: a call of 10 minutes in 5 s, one of 70 minutes with 200 findings in 60 s and 1 GB.
"""

from __future__ import annotations

import html
import json
import resource
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from include import stt
from include.report import heard_findings, render_report
from tests.unit.report_case import RATE, make_case_facts, make_pcm, with_voice
from tests.unit.report_factory import make_analysis, make_facts, make_transcript

CALLS = {"10 min": (600, 150, 10), "70 min": (4163, 1100, 200)}
"""Seconds, segments, findings."""


def _write(path: Path, seconds: int, segments: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(make_pcm(make_transcript(duration_s=seconds, segments=segments)).tobytes())


def measure(name: str, audio: Path) -> dict[str, float]:
    """Render one call; seconds of wall clock and CPU (ffmpeg's included), MiB."""
    seconds, segments, findings = CALLS[name]
    warm = make_transcript(segments=8)
    render_report(warm, make_analysis(warm), make_facts(), language="ko")  # imports and fonts are not the report's
    transcript = make_transcript(duration_s=seconds, segments=segments)
    analysis = with_voice(make_analysis(transcript, findings=findings), transcript)
    began, cpu = time.perf_counter(), _cpu()
    sounds = heard_findings(transcript, analysis, lambda: stt.load_pcm(audio), stt.SAMPLE_RATE)
    heard = _cpu() - cpu
    made = render_report(transcript, analysis, make_case_facts(), language="ko", sounds=sounds)
    return {
        "wall": time.perf_counter() - began,
        "cpu": _cpu() - cpu,
        "heard": heard,
        "memory": _peak(),
        "size": len(made.pdf) / 1e6,
    }


def plain(name: str) -> dict[str, float]:
    """The same words as paragraphs, nothing else."""
    import weasyprint

    seconds, segments, _ = CALLS[name]
    weasyprint.HTML(string="<html lang='ko'><body>가").write_pdf()
    transcript = make_transcript(duration_s=seconds, segments=segments)
    began = _cpu()
    paragraphs = "".join(f"<p>{html.escape(one.text)}</p>" for one in transcript.segments)
    weasyprint.HTML(string=f"<html lang='ko'><body>{paragraphs}</body></html>").write_pdf()
    return {"cpu": _cpu() - began, "memory": _peak()}


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak() -> float:
    """MiB at most. ``ru_maxrss`` of a new process begins with what its parent held when it was forked."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def _apart(*arguments: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _children() -> float:
    """CPU seconds of the processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    if len(sys.argv) > 2:
        print(json.dumps(plain(sys.argv[2]) if sys.argv[1] == "plain" else measure(sys.argv[2], Path(sys.argv[3]))))
        return
    columns = ("call", "findings", "seconds", "CPU s", "of it decoding and pictures", "peak MiB", "MB of PDF")
    table = Table(*columns, "plain paragraphs: CPU s", "MiB", title="A report in Korean")
    for name, (seconds, segments, findings) in CALLS.items():
        with tempfile.TemporaryDirectory() as folder:
            audio = Path(folder) / "call.wav"
            _write(audio, seconds, segments)
            made = _apart("report", name, str(audio))
        beside = _apart("plain", name)
        shown = [f"{made[key]:.1f}" for key in ("wall", "cpu", "heard")]
        shown += [f"{made['memory']:.0f}", f"{made['size']:.1f}", f"{beside['cpu']:.1f}", f"{beside['memory']:.0f}"]
        table.add_row(name, str(findings), *shown)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
