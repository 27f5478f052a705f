"""Lost audio is noticed, placed and counted: in good files damaged on purpose, with the real ffmpeg."""

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from include.errors import AudioError
from include.settings import get_settings
from include.stt.audio import DecodedAudio, decode
from include.stt.loss import Timeline
from include.stt.probe import probe

SECONDS = 20
FORMATS = {
    "m4a": ("-c:a", "aac", "-movflags", "+faststart"),
    "mp3": ("-c:a", "libmp3lame", "-b:a", "48k"),
    "nox.mp3": ("-c:a", "libmp3lame", "-b:a", "48k", "-write_xing", "0", "-id3v2_version", "0"),
    "ogg": ("-c:a", "libopus", "-b:a", "32k"),
    "vorbis.ogg": ("-c:a", "libvorbis"),
    "amr": ("-c:a", "libopencore_amrnb", "-ar", "8000"),
    "aac": ("-c:a", "aac"),
    "wav": ("-c:a", "pcm_mulaw", "-ar", "8000"),
    "flac": ("-c:a", "flac"),
    "webm": ("-c:a", "libopus", "-b:a", "32k"),
    "wma": ("-c:a", "wmav2"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One recording of coloured noise in every format."""
    folder = tmp_path_factory.mktemp("good")
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"anoisesrc=d={SECONDS}:c=pink:a=0.4:r=44100:seed=3"]
    paths = {name: folder / f"good.{name}" for name in FORMATS}
    for name, path in paths.items():
        command += ["-ac", "1", *FORMATS[name], str(path)]
    subprocess.run(command, check=True)
    return paths


def damaged(path: Path, change: Callable[[bytearray], None], folder: Path) -> Path:
    data = bytearray(path.read_bytes())
    change(data)
    out = folder / path.name.replace("good", "bad")
    out.write_bytes(data)
    return out


def read(path: Path, monkeypatch: pytest.MonkeyPatch) -> DecodedAudio:
    monkeypatch.setenv("VOICEMAN_ACCEPT_DAMAGED", "true")
    get_settings.cache_clear()
    return decode(path, probe(path))


def cut_out(data: bytearray) -> None:
    del data[len(data) // 2 : len(data) // 2 + len(data) // 8]  # 2.5 s


def cut_end(data: bytearray) -> None:
    del data[len(data) * 3 // 4 - 7 :]  # 5 s, within a frame


def test_good_files_carry_no_flag(good: dict[str, Path]) -> None:
    for name, path in good.items():
        audio = decode(path, probe(path))
        assert audio.flags == [], name
        assert audio.duration_s == pytest.approx(SECONDS, abs=0.15), name


@pytest.mark.parametrize("name", [*FORMATS])
def test_a_piece_missing_in_the_middle(
    good: dict[str, Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = damaged(good[name], cut_out, tmp_path)
    if name not in {
        "amr",
        "aac",
        "nox.mp3",
    }:  # bytes cut out cleanly of a chain of frames leave at most one broken frame
        with pytest.raises(AudioError, match=r"^bad\.\S+ is (cut off or )?damaged: .*ask for the complete file"):
            decode(path, probe(path))
    audio = read(path, monkeypatch)
    lost = SECONDS - audio.duration_s
    assert lost > 2
    assert audio.flags
    if name in {"ogg", "vorbis.ogg", "flac", "webm"}:  # time stamps go on after the gap
        gap = next(flag for flag in audio.flags if flag.kind == "missing_audio")
        assert gap.at_s == pytest.approx(10, abs=1.5)
    if name not in {"amr", "aac", "nox.mp3"}:
        assert audio.missing_s == pytest.approx(lost, abs=0.4)


@pytest.mark.parametrize("name", [*FORMATS])
def test_a_missing_end(good: dict[str, Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = damaged(good[name], cut_end, tmp_path)
    audio = read(path, monkeypatch)
    kinds = {flag.kind for flag in audio.flags}
    assert "truncated" in kinds, (name, audio.flags)
    if probe(path).duration_is_declared and name != "wma":
        assert audio.missing_s == pytest.approx(SECONDS - audio.duration_s, abs=0.2)


@pytest.mark.parametrize("name", ["amr", "aac", "nox.mp3"])
def test_garbage_between_frames_is_counted_where_no_duration_is_declared(
    good: dict[str, Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wipe(data: bytearray) -> None:
        start, size = len(data) // 2, len(data) // 8
        data[start : start + size] = bytes(size)

    path = damaged(good[name], wipe, tmp_path)
    with pytest.raises(AudioError, match=r"is damaged: [\d.]+ s of its audio are missing, the first at"):
        decode(path, probe(path))
    audio = read(path, monkeypatch)
    gap = next(flag for flag in audio.flags if "no frame" in flag.detail)
    assert gap.at_s == pytest.approx(10, abs=0.5)
    assert gap.seconds == pytest.approx(2.5, abs=0.3)
    assert audio.missing_s == pytest.approx(2.5, abs=0.3)


@pytest.mark.parametrize("name", ["m4a", "mp3", "ogg", "amr", "wav", "flac"])
@pytest.mark.parametrize("seed", [1, 2])
def test_fuzzed_files_end_as_audio_or_as_a_named_error(
    good: dict[str, Path], name: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(f"{name}{seed}")

    def flip(data: bytearray) -> None:
        for _ in range(40):  # anywhere, headers too
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        for _ in range(3):
            data[dice.randrange(min(200, len(data)))] ^= 1 << dice.randrange(8)
        if dice.random() < 0.5:
            del data[dice.randrange(len(data) // 2, len(data)) :]

    path = damaged(good[name], flip, tmp_path)
    try:
        audio = read(path, monkeypatch)
    except AudioError as error:
        assert str(error).startswith(path.name)
        return
    if abs(audio.duration_s - SECONDS) > 0.3:
        assert audio.flags, audio.duration_s


def test_jumps_of_time_stamps_are_placed() -> None:
    line = Timeline()
    line.feed(b"#tb 0: 1/1000\n0, 5, 5, 20, 40, 0x1\n0, 25, 25, 20, 40, 0x1\n0, 1")
    line.feed(b"45, 145, 20, 40, 0x1\n0, 265, 265, 20, 40, 0x1\n0, 5000, 5000, 20, 40, 0x1\n")
    assert line.places() == [(pytest.approx(0.04), pytest.approx(0.1 + 0.1 + 4.715))]
    wander = Timeline()
    wander.feed(b"#tb 0: 1/1000\n" + b"".join(b"0, %d, %d, 20, 40, 0x1\n" % (i * 22, i * 22) for i in range(200)))
    assert wander.places() == []
    assert wander.drift_s == pytest.approx(199 * 0.002)


def test_a_pause_of_the_recorder_is_flagged_not_refused(tmp_path: Path) -> None:
    path = tmp_path / "pause.mka"
    source = ["-f", "lavfi", "-i", "sine=f=300:d=10", "-af", "asetpts='PTS+if(gte(T,5),3/TB,0)'"]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-c:a", "pcm_s16le", str(path)], check=True)
    audio = decode(path, probe(path))
    assert audio.duration_s == pytest.approx(10, abs=0.1)
    flag = next(flag for flag in audio.flags if flag.kind == "discontinuity")
    assert flag.seconds == pytest.approx(3, abs=0.1)
    assert flag.at_s == pytest.approx(5, abs=0.1)


def test_a_wav_whose_size_was_mended_after_a_cut_still_tells_by_its_data(good: dict[str, Path], tmp_path: Path) -> None:
    def mend(data: bytearray) -> None:
        cut_end(data)
        data[4:8] = (len(data) - 8).to_bytes(4, "little")

    path = damaged(good["wav"], mend, tmp_path)
    with pytest.raises(AudioError, match=r"is cut off or damaged: 15.0 of 20.0 s decode"):
        decode(path, probe(path))
