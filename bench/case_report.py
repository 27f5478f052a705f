"""A case report over 2, 40 and 200 recordings: CPU seconds, pages and peak memory, each in a process of its own.

python bench/case_report.py        (make bench-case)
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

SIZES = (2, 40, 200)


def measure(count: int) -> dict[str, float]:
    """Render one Korean case report in this process."""
    from pypdf import PdfReader

    from include.report import render_case_report
    from tests.unit.case_factory import make_case

    render_case_report(*make_case(2), language="ko")  # imports and fonts are not the report's
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    began = time.process_time()
    facts, course = make_case(count, undated=count // 20, long_names=True)
    compared = time.process_time() - began
    began, wall = time.process_time(), time.perf_counter()
    made = render_case_report(facts, course, language="ko")
    return {
        "course": compared,
        "cpu": time.process_time() - began,
        "wall": time.perf_counter() - wall,
        "pages": len(PdfReader(io.BytesIO(made.pdf)).pages),
        "kib": len(made.pdf) / 1024,
        "before": before,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def main() -> None:
    """Measure each size in a fresh process, and print."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
        return
    heads = ("recordings", "set side by side, CPU s", "render, CPU s", "wall s", "pages", "PDF, KiB", "peak, MiB")
    table = Table(*heads, title="A case report in Korean, one core")
    for count in SIZES:
        told = subprocess.run([sys.executable, __file__, str(count)], capture_output=True, text=True, check=True)
        one = json.loads(told.stdout.splitlines()[-1])
        table.add_row(
            str(count), f"{one['course']:.1f}", f"{one['cpu']:.1f}", f"{one['wall']:.1f}", f"{one['pages']:.0f}",
            f"{one['kib']:.0f}", f"{one['peak']:.0f} ({one['before']:.0f} after a report over 2)",
        )  # fmt: skip
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
