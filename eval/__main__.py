"""``make eval DATA=dir OUT=file.json``: what is right and what is wrong, in numbers, beside the plain tools.

Parts: ``speech`` (words), ``speakers`` (who speaks when), ``word_times``, ``text`` (findings in dialogues), ``emotion``
(recall on speakers left out). Development data only; nothing of it is written to the output but numbers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

PARTS = ("speech", "speakers", "word_times", "text", "emotion")
console = Console()


def run(part: str, data: Path) -> dict[str, Any]:
    """One part's numbers."""
    if part == "speech":
        from eval import speech

        return speech.evaluate(data)
    if part == "speakers":
        from eval import diarization

        return diarization.evaluate(data)
    if part == "text":
        from eval import text

        return text.evaluate(data)
    if part == "emotion":
        from eval import emotion

        return emotion.evaluate(data)
    if part == "word_times":
        from eval import word_times

        return word_times.evaluate(data)
    raise ValueError(f"no part is called {part}")


def show_speech(found: dict[str, Any]) -> None:
    """Words, as a table."""
    table = Table("set", "", "CER", "cpCER", "s per audio second", title="Words, same weights, same machine, same run")
    for name in ("ko_calls", "ko_speech"):
        for who in ("voiceman", "plain_whisperx"):
            one = found[name][who]
            cp = f"{one['cp_cer']:.1%}" if "cp_cer" in one else "–"
            table.add_row(name, who, f"{one['cer']:.1%}", cp, f"{one['s_per_audio_s']:.3f}")
    console.print(table)
    console.print(f"words where nobody speaks: {sum(found['words_in_noise'].values())}")


def main() -> None:
    """Evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--parts", default=",".join(PARTS))
    args = parser.parse_args()
    result: dict[str, Any] = {}
    parts = args.parts.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for part in parts:
        result[part] = run(part, args.data)
        if part == "speech":
            show_speech(result[part])
        elif part == "word_times":
            console.print_json(json.dumps(result[part]))
        if args.out:
            args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
