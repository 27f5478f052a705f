"""Odd, damaged and rare files: each ends as audio or as a named error, and what is lost is said."""

import csv
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from include.errors import AudioError
from include.stt.audio import DecodedAudio, decode
from include.stt.probe import probe


def outcome(path: Path) -> DecodedAudio | str:
    try:
        return decode(path, probe(path))
    except AudioError as error:
        return str(error)


def test_every_odd_file_ends_as_audio_or_as_a_named_error(data: Path) -> None:
    folder = data / "odd_audio"
    with (folder / "manifest.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    # two programs are started for each: a third of them, unless all are asked for
    rows = rows if os.environ.get("VOICEMAN_ODD_AUDIO") == "all" else rows[::3]
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda row: outcome(folder / row["path"]), rows))
    assert len(outcomes) > 100
    decoded = 0
    for row, one in zip(rows, outcomes, strict=True):
        if isinstance(one, str):
            assert one.startswith(row["path"]), one
            assert ";" in one, f"{one}: says what to do"
            continue
        decoded += 1
        damaged = row["ffmpeg_decode"] != "ok"
        declared = float(row["duration"] or 0)
        assert one.flags or not damaged, f"{row['path']}: decodes with errors and carries no flag"
        assert one.flags or declared - one.duration_s < 0.3, f"{row['path']}: {one.duration_s} of {declared} s, no flag"
    assert decoded > 0.6 * len(rows)


@pytest.mark.parametrize("name", ["222_alac_file.m4a", "007_52-too-short-block-size.flac"])
def test_a_file_cut_off_is_refused(data: Path, name: str) -> None:
    said = outcome(data / "odd_audio" / name)
    assert isinstance(said, str)
    assert "ask for the complete file" in said
