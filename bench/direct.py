"""One fresh process, as a script would do it: import, load, then one recording after the other. Prints its seconds."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

STARTED = time.perf_counter()


def main(files: list[Path]) -> None:
    """Transcribe, analyse and report each file; print seconds per stage as JSON."""
    seconds: Counter[str] = Counter()

    def clock(stage: str, since: float) -> float:
        now = time.perf_counter()
        seconds[stage] += now - since
        return now

    from include import plain, stt

    transcriber = stt.Transcriber()
    _ = transcriber.model
    since = clock("load", STARTED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in files:
            since = time.perf_counter()
            transcript = transcriber.transcribe(file)
            path = folder / f"{file.stem}_transcript.json"
            path.write_text(transcript.to_json())
            since = clock("decode and transcribe", since)
            analysis = folder / f"{file.stem}_forensic.json"
            analysis.write_text(plain.analyze_file(path, file).to_json())
            since = clock("analyse", since)
            plain.report_file(analysis, folder, transcript=None, generated_at="2026-01-01T00:00:00Z")
            since = clock("render", since)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
