"""The container examination: what it sees in whole, crafted and damaged files; no file makes it fail."""

from __future__ import annotations

import io
import itertools
import json
import random
import re
import struct
import subprocess
import time
import tracemalloc
import wave
from pathlib import Path
from string import Formatter

import pytest
from typer.testing import CliRunner

from include import container
from include.cli import files  # noqa: F401  # registers what the command line needs
from include.cli.app import app
from include.container import mpeg
from include.container.source import Notes, Source
from include.errors import DocumentError
from include.settings import ROOT

SAMPLE = ROOT / "tests" / "audio" / "threat_9s.m4a"


def seen(data: bytes | Path, name: str | None = None, folder: Path | None = None) -> dict[str, list[dict[str, str]]]:
    """Observations by id."""
    if isinstance(data, bytes):
        assert folder is not None
        path = folder / "file"
        path.write_bytes(data)
    else:
        path = data
    found = container.examine_file(path, sha256="0" * 64, name=name)
    ids: dict[str, list[dict[str, str]]] = {}
    for one in found.observations:
        ids.setdefault(one.id, []).append(one.values | {"where": one.where})
    return ids


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def mdhd(created: int, modified: int, scale: int = 1000, length: int = 5000) -> bytes:
    return box(b"mdhd", struct.pack(">IIIIIHH", 0, created, modified, scale, length, 0x55C4, 0))


def movie(created: int = 0, *, edits: bytes = b"", extra: bytes = b"", media: bytes = b"x" * 20) -> bytes:
    mvhd = box(b"mvhd", struct.pack(">IIIII", 0, created, created, 1000, 5000) + b"\0" * 80)
    sizes = box(b"stsz", struct.pack(">III", 0, 10, 2))
    times = box(b"stts", struct.pack(">IIII", 0, 1, 2, 2500))
    table = box(b"minf", box(b"stbl", times + sizes))
    track = box(b"trak", edits + box(b"mdia", mdhd(created, created) + table))
    return box(b"ftyp", b"3gp4\0\0\0\0isom3gp4") + box(b"mdat", media) + box(b"moov", mvhd + track + extra)


def since_1904(text: str) -> int:
    from datetime import UTC, datetime

    return int((datetime.fromisoformat(text).replace(tzinfo=UTC) - datetime(1904, 1, 1, tzinfo=UTC)).total_seconds())


def test_a_file_that_ffmpeg_wrote_names_its_writer_and_times() -> None:
    ids = seen(SAMPLE, "통화 녹음 홍길동_260101_123456.m4a")
    assert ids["bmff.brands"][0]["major"] == "M4A"
    assert [one["created"] for one in ids["bmff.times"]] == ["not set (0)"] * 3
    assert [one["software"] for one in ids["writer.export"]] == ["FFmpeg libraries"]
    assert ids["name.pattern"][0]["time_in_name"] == "2026-01-01T12:34:56"
    assert "홍길동" not in json.dumps(ids["name.pattern"], ensure_ascii=False)
    assert "name.nothing_to_compare" in ids
    assert "structure.malformed" not in ids


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("2026-01-01T03:34:56", "name.agrees_as_utc"),  # UTC, as the specification asks
        ("2026-01-01T03:35:01", "name.agrees_as_utc"),  # stamped at the end of five seconds
        ("2026-01-01T12:34:56", "name.agrees_as_local"),
        ("2026-01-02T03:34:56", "name.differs"),
        ("2025-12-31T18:34:56", "name.differs"),
    ],
)
def test_the_names_time_against_the_containers(tmp_path: Path, inside: str, expected: str) -> None:
    ids = seen(movie(since_1904(inside)), "Call recording Kim_260101_123456.m4a", tmp_path)
    assert {one for one in ids if one.startswith(("name.agrees", "name.differs"))} == {expected}


@pytest.mark.parametrize(
    ("name", "clock"),
    [
        ("통화 녹음 홍 길동_260101_123456.m4a", "2026-01-01T12:34:56"),
        ("통화녹음_01012345678_20260101123456.m4a", "2026-01-01T12:34:56"),
        ("Recording_20260101_123456.wav", "2026-01-01T12:34:56"),
        ("음성 260101_123456.m4a", "2026-01-01T12:34:56"),
        ("20260101 123456-0A1B2C3D.m4a", "2026-01-01T12:34:56"),
        ("엄마_01012345678_20260101123456 (1).m4a", "2026-01-01T12:34:56"),
        ("통화 녹음 홍길동_261301_123456.m4a", None),
        ("새 녹음 3.m4a", None),
    ],
)
def test_names_of_recorders(tmp_path: Path, name: str, clock: str | None) -> None:
    ids = seen(movie(), name, tmp_path)
    found = ids.get("name.pattern")
    assert (found[0]["time_in_name"] if found else None) == clock
    assert ("name.copy_mark" in ids) == ("(1)" in name)


def test_traces_in_boxes(tmp_path: Path) -> None:
    entries = struct.pack(">II", 0, 2) + struct.pack(">IiI", 1000, 500, 65536) + struct.pack(">IiI", 1000, 3000, 65536)
    edits = box(b"edts", box(b"elst", entries))
    tool = box(b"\xa9too", box(b"data", struct.pack(">II", 1, 0) + b"Audacity 3"))
    tags = box(b"udta", box(b"meta", b"\0" * 4 + box(b"hdlr", b"\0" * 25) + box(b"ilst", tool)))
    data = movie(edits=edits, extra=tags, media=b"Lavc60.3 " + b"x" * 91) + box(b"free", b"\0left over") + b"tail"
    ids = seen(data, folder=tmp_path)
    assert ids["bmff.edit_list"][0]["2"] == "1.000 s from 3.000 s of the media"
    assert ids["bmff.edit_skips"][0]["skipped_at_start"] == "0.500 s"
    assert ids["bmff.media_unused"][0]["difference"] == "80"
    assert ids["bmff.trailing"][0]["bytes"] == "4"
    assert "not zero" in ids["bmff.free"][0]["contents"]
    assert {one["software"] for one in ids["writer.export"]} == {"Audacity", "FFmpeg libraries"}
    assert "writer.several" in ids
    ids = seen(movie() + movie()[24:], folder=tmp_path)
    assert {one["box"] for one in ids["bmff.several"]} == {"moov", "mdat"}
    assert "bmff.moov_first" in seen(
        box(b"ftyp", b"M4A \0\0\0\0") + box(b"moov", b"") + box(b"mdat", b"x"), None, tmp_path
    )


def test_traces_in_chunks(tmp_path: Path) -> None:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\0" * 1600)
    info = b"INFO" + b"ISFT" + struct.pack("<I", 8) + b"GoldWave" + b"ICRD" + struct.pack("<I", 10) + b"2026-01-01"
    chunks = out.getvalue() + b"LIST" + struct.pack("<I", len(info)) + info
    data = chunks[:4] + struct.pack("<I", len(chunks) - 8) + chunks[8:]
    ids = seen(data + b"more", folder=tmp_path)
    assert ids["writer.export"][0]["software"] == "GoldWave"
    assert ids["tag.date"][0]["text"] == "2026-01-01"
    assert ids["riff.trailing"][0]["bytes"] == "4"
    assert "structure.cut" in seen(data[:200], folder=tmp_path)


def made(tmp_path: Path, name: str, *options: str) -> Path:
    path = tmp_path / name
    source = ("-f", "lavfi", "-i", "sine=frequency=300:duration=1:sample_rate=8000")
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *options, str(path)], check=True)
    return path


def test_frames_pages_and_blocks(tmp_path: Path) -> None:
    mp3 = made(tmp_path, "a.mp3", "-b:a", "16k", "-metadata", "title=x").read_bytes()
    other = made(tmp_path, "b.mp3", "-ar", "16000", "-id3v2_version", "0").read_bytes()
    ids = seen(mp3 + other, folder=tmp_path)
    assert len(ids["mpeg.parameters_differ"]) == len(ids["mpeg.count_differs"]) == 1
    assert ids["mpeg.id3v2"] and ids["writer.export"]
    assert "mpeg.parameters_differ" not in seen(mp3, folder=tmp_path)
    ogg = made(tmp_path, "a.ogg", "-c:a", "libopus", "-ar", "48000").read_bytes()
    ids = seen(ogg + made(tmp_path, "b.ogg", "-c:a", "libopus", "-ar", "48000").read_bytes(), folder=tmp_path)
    assert "ogg.chained" in ids
    assert ids["ogg.pages"][0]["streams"] == "2"
    pages = [one.start() for one in re.finditer(b"OggS", ogg)]
    assert "ogg.pages_missing" in seen(
        ogg[: pages[2]] + ogg[pages[2] :].replace(b"OggS", b"OggX", 1) + ogg, None, tmp_path
    )
    ids = seen(made(tmp_path, "a.flac"))
    assert "Lavf" in ids["tag.encoder"][0]["text"]
    assert ids["flac.stream"][0]["seconds"] == "1.000 s"
    ids = seen(b"#!AMR\n" + (b"\x3c" + b"\0" * 31) * 50 + b"\xff\xff", folder=tmp_path)
    assert (ids["amr.frames"][0]["frames"], ids["amr.trailing"][0]["bytes"]) == ("50", "2")
    assert "structure.not_examined" in seen(b"hello", folder=tmp_path)


def test_no_damage_makes_it_fail(tmp_path: Path) -> None:
    sources = [
        SAMPLE.read_bytes()[:2000] + SAMPLE.read_bytes()[55000:],
        movie(extra=box(b"udta", box(b"\xa9nam", b"\0\4\0\0name"))),
        made(tmp_path, "a.mp3", "-metadata", "title=x").read_bytes(),
        made(tmp_path, "a.ogg", "-c:a", "libopus", "-ar", "48000").read_bytes(),
        made(tmp_path, "a.wav", "-t", "0.1", "-metadata", "title=x").read_bytes(),
        made(tmp_path, "a.flac", "-t", "0.1").read_bytes(),
        made(tmp_path, "a.wma", "-c:a", "wmav2", "-ar", "44100", "-t", "0.1").read_bytes(),
    ]
    chance = random.Random(6)
    for data in sources:
        for _ in range(60):
            broken = bytearray(data[: chance.randrange(4, len(data))] if chance.random() < 0.3 else data)
            for _ in range(chance.randrange(1, 12)):
                broken[chance.randrange(len(broken) if chance.random() < 0.3 else min(len(broken), 900))] = (
                    chance.choice((0, 255, chance.randrange(256)))
                )
            assert seen(bytes(broken), "통화 녹음 x_260101_123456.m4a", tmp_path)


@pytest.mark.parametrize(
    "bomb",
    [
        (struct.pack(">I4s", 0, b"moov")) * 20_000,  # each to the end of the file: as deep as it is long
        box(b"free", b"") * 30_000,
        box(b"moov", box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", box(b"stsz", b"\0" * 8 + b"\xff" * 4)))))),
        box(b"moov", box(b"udta", box(b"abcd", b"x") * 10_000)),
        b"OggS" * 50_000,
        b"RIFF\xff\xff\xff\xffWAVE" + b"abcd\0\0\0\0" * 30_000,
        b"\xff\xfb" * 100_000,
        b"ID3\4\0\0\x7f\x7f\x7f\x7f" * 5_000,
    ],
    ids=["deep", "many", "promise", "tags", "pages", "chunks", "frames", "id3"],
)
def test_hostile_files_are_bounded(tmp_path: Path, bomb: bytes) -> None:
    began = time.process_time()
    path = tmp_path / "bomb"
    path.write_bytes(bomb)
    found = container.examine_file(path, sha256="0" * 64)
    assert time.process_time() - began < 2
    assert len(found.observations) <= 250
    assert len(found.to_json()) < 300_000


def test_reading_is_bounded() -> None:
    from include.container.source import LimitReachedError

    source = Source(io.BytesIO(b"x" * 10), 1 << 40)
    with pytest.raises(LimitReachedError):
        source.read(0, 1 << 30)
    notes = Notes()
    for _ in range(500):
        notes.add("tag.other", "@0", text="x" * 10_000)
    assert (len(notes.taken), notes.left_out) == (20, 480)
    assert len(notes.taken[0][2]["text"]) == 301


def wav_of(chunk: bytes, body: bytes) -> bytes:
    """A WAVE file with one more chunk before its data."""
    chunks = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + chunk
    chunks += struct.pack("<I", len(body)) + body + b"data" + struct.pack("<I", 160) + b"\0" * 160
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def test_a_time_at_the_calendars_end_is_an_observation(tmp_path: Path) -> None:
    created = since_1904("9999-12-31T20:00:00")
    header = box(b"mvhd", b"\1\0\0\0" + struct.pack(">QQIQ", created, created, 1000, 5000) + b"\0" * 80)
    data = box(b"ftyp", b"M4A \0\0\0\0") + box(b"moov", header) + box(b"mdat", b"xx")
    assert "name.differs" in seen(data, "통화 녹음 a_251119_101010.m4a", tmp_path)
    data = wav_of(b"bext", b"\0" * 320 + b"9999-12-31" + b"23:00:00" + b"\0" * 300)
    assert "name.differs" in seen(data, "통화 녹음 a_251119_101010.wav", tmp_path)


@pytest.mark.parametrize(
    ("scale", "length", "expected"),
    [(1, 2**31, "name.differs"), (1, 80_000, "name.differs"), (1, 5, "name.agrees_as_utc")],
    ids=["68 years", "22 hours", "5 seconds"],
)
def test_a_false_length_does_not_make_two_times_agree(tmp_path: Path, scale: int, length: int, expected: str) -> None:
    named, inside = "2026-01-01T12:34:56", "2026-01-01T03:35:01" if length == 5 else "2026-01-01T05:34:56"
    whole = movie(since_1904(inside))
    created = since_1904(inside)
    data = whole.replace(mdhd(created, created), mdhd(created, created, scale, length))
    assert data != whole
    ids = seen(data, f"Call recording Kim_{named[2:].translate({45: None, 58: None, 84: 95})}.m4a", tmp_path)
    assert {one for one in ids if one.startswith(("name.agrees", "name.differs"))} == {expected}


def test_a_phone_that_names_its_system_and_its_maker_is_one_writer(tmp_path: Path) -> None:
    keys = b"\0" * 4 + struct.pack(">I", 1) + box(b"mdta", b"com.android.version")
    value = box(struct.pack(">I", 1), box(b"data", struct.pack(">II", 1, 0) + b"13"))
    meta = box(b"meta", b"\0" * 4 + box(b"hdlr", b"\0" * 8 + b"mdta" + b"\0" * 13) + box(b"keys", keys)
               + box(b"ilst", value))  # fmt: skip
    ids = seen(movie(extra=meta + box(b"udta", box(b"auth", b"\0" * 6 + b"SM-S918N"))), None, tmp_path)
    assert [one["software"] for one in ids["writer.platform"] + ids["writer.recorder"]] == ["Android", "Samsung"]
    assert "writer.several" not in ids


def test_a_long_table_costs_no_list(tmp_path: Path) -> None:
    count = 400_000
    times = box(b"stts", struct.pack(">II", 0, count) + struct.pack(">II", 2, 500) * count)
    track = box(b"trak", box(b"mdia", mdhd(0, 0) + box(b"minf", box(b"stbl", times))))
    path = tmp_path / "table"
    path.write_bytes(box(b"ftyp", b"M4A \0\0\0\0") + box(b"moov", track) + box(b"mdat", b"xx"))
    tracemalloc.start()
    try:
        found = container.examine_file(path, sha256="0" * 64)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20  # the table and its pieces: 3.2 MB each
    finally:
        tracemalloc.stop()
    (told,) = (one.values for one in found.observations if one.id == "bmff.durations")
    assert (told["samples"], told["sample_table"]) == (f"{2 * count}", f"{count}.000 s")


@pytest.mark.parametrize("piece", [b"\xff" * 16, b"\xff\xfb\x90\0" + b"\0" * 12], ids=["ones", "lone headers"])
def test_a_search_for_frames_is_bounded(tmp_path: Path, piece: bytes) -> None:
    path = tmp_path / "bait.mp3"
    seconds = []
    for size in (16, 18):
        path.write_bytes(b"ID3\3\0\0\0\0\0\0" + piece * (1 << size))
        began = time.process_time()
        found = container.examine_file(path, sha256="0" * 64)
        seconds.append(time.process_time() - began)
    assert seconds[1] < 10 * seconds[0] + 0.5  # four times the bytes; however busy the machine
    assert ("structure.limit" in {one.id for one in found.observations}) == piece.endswith(b"\0")


def test_the_search_for_frames_passes_no_header_over() -> None:
    for second, third in itertools.product(range(256), range(256)):
        data = bytes((255, second, third, 0))
        assert (mpeg.frame_at(data, 0) is None) == (mpeg._LIKELY.match(data) is None)


def test_amr_with_several_channels_is_not_read_as_one(tmp_path: Path) -> None:
    frames = (b"\x3c" + b"\0" * 31) * 10
    ids = seen(b"#!AMR_MC1.0\n\0\0\0\2" + frames, None, tmp_path)
    assert "structure.not_examined" in ids
    assert not {"amr.frames", "amr.trailing"} & set(ids)
    assert "amr.frames" in seen(b"#!AMR-WB\n" + b"\x04" + b"\0" * 17, None, tmp_path)


@pytest.mark.parametrize(
    ("language", "kind", "words"),
    [
        ("en", "bmff.modified_later", "paused"),
        ("ko", "bmff.modified_later", "일시 정지"),
        ("en", "bmff.modified_earlier", "set back"),
        ("ko", "bmff.modified_earlier", "뒤로 맞춰졌거나"),
        ("en", "mpeg.count_differs", "streaming"),
        ("ko", "mpeg.count_differs", "스트리밍"),
        ("en", "writer.several", "one device"),
        ("ko", "writer.several", "한 기기"),
    ],
)
def test_a_meaning_names_the_harmless_cause_too(language: str, kind: str, words: str) -> None:
    assert words in container.texts(language)[kind].meaning


def test_every_observation_has_its_words_in_both_languages() -> None:
    english, korean = container.texts("en"), container.texts("ko")
    assert set(english) == set(korean)
    source = "".join(path.read_text() for path in (ROOT / "include" / "container").glob("*.py"))
    used = set(re.findall(r'"((?:structure|bmff|riff|mpeg|ogg|flac|amr|asf|tag|name)\.[a-z0-9_]+)"', source))
    assert used <= set(english)
    assert set(english) - used == {"writer.export", "writer.recorder", "writer.platform", "writer.several"} - used
    for one in (*english.values(), *korean.values()):
        assert min(len(one.what), len(one.meaning), len(one.limits)) > 4
        assert len(one.limits) > 20  # a name of limits that there is not
        assert not next(iter(Formatter().parse(one.what)))[1]


def test_the_document_is_the_same_each_time_and_is_read_back() -> None:
    first, second = (container.examine_file(SAMPLE, sha256="0" * 64, name="x.m4a") for _ in range(2))
    assert first.to_json() == second.to_json()
    assert container.load_examination(first.to_json().encode(), name="x") == first
    with pytest.raises(DocumentError):
        container.load_examination(b"{}", name="x")


def test_the_command_prints_both_ways() -> None:
    run = CliRunner().invoke(app, ["examine", str(SAMPLE), "--json"])
    assert json.loads(run.stdout)["schema"] == "voiceman.container/1"
    run = CliRunner().invoke(app, ["examine", str(SAMPLE), "--language", "ko"])
    assert "bmff.tree" in run.stdout
    assert "규격" in run.stdout
