"""Make calls for a benchmark: the sample calls joined in different orders, each with bytes of its own."""

from __future__ import annotations

import itertools
import random
import subprocess
from pathlib import Path

from include.settings import ROOT

SAMPLES = ("booking", "threat", "extortion_stereo")


def make_calls(folder: Path, count: int, parts: int) -> list[Path]:
    """``count`` mono m4a files of ``parts`` sample calls each (about 25 s a part)."""
    orders = list(itertools.product(SAMPLES, repeat=parts))
    random.Random(7).shuffle(orders)
    made = []
    for number in range(count):
        order = orders[number % len(orders)]
        inputs = [option for name in order for option in ("-i", str(ROOT / "samples" / f"{name}.m4a"))]
        streams = "".join(f"[{i}:a]aformat=channel_layouts=mono[a{i}];" for i in range(parts))
        joined = "".join(f"[a{i}]" for i in range(parts)) + f"concat=n={parts}:v=0:a=1[out]"
        target = folder / f"call-{number:03d}.m4a"
        command = ["ffmpeg", "-v", "error", "-y", *inputs, "-filter_complex", streams + joined, "-map", "[out]"]
        subprocess.run([*command, "-c:a", "aac", "-b:a", f"{40 + number}k", str(target)], check=True)
        made.append(target)
    return made
