"""Decoding with the real ffmpeg: what is audio, what is not, and what is missing."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from include.errors import AudioError
from include.settings import ROOT
from include.stt import probe
from include.stt.audio import decode

SAMPLE = ROOT / "samples" / "threat.m4a"


def make(path: Path, *options: str, source: str = "sine=f=440:d=3", inputs: tuple[str, ...] = ("-f", "lavfi")) -> Path:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, "-i", source, *options, str(path)], check=True)
    return path


def test_a_sample_decodes_whole() -> None:
    found = probe(SAMPLE)
    audio = decode(SAMPLE, found)
    assert (found.codec, found.channels, found.sample_rate) == ("aac", 1, 16000)
    assert audio.pcm.shape[1] == 1
    assert audio.duration_s == pytest.approx(found.duration_s, abs=0.1)
    assert not audio.messages


def test_stereo_keeps_its_channels() -> None:
    path = ROOT / "samples" / "extortion_stereo.m4a"
    audio = decode(path, probe(path))
    left, right = audio.pcm[:, 0].astype(float), audio.pcm[:, 1].astype(float)
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.05


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.ogg", "a.flac", "a.3gp", "a.amr", "a.mka", "a.mov"])
def test_formats_that_phones_make(tmp_path: Path, name: str) -> None:
    narrow = ("-ar", "8000", "-ac", "1")
    options = {
        "a.3gp": ("-c:a", "libopencore_amrnb", *narrow),
        "a.amr": ("-c:a", "libopencore_amrnb", *narrow),
        "a.mov": ("-c:a", "aac"),
    }
    path = make(tmp_path / name, *options.get(name, ()))
    audio = decode(path, probe(path))
    assert audio.duration_s == pytest.approx(3.0, abs=0.2)
    assert float(np.abs(audio.pcm.astype(float)).mean()) > 100


def test_amr_goes_through_opencore(tmp_path: Path) -> None:
    path = make(tmp_path / "a.amr", "-c:a", "libopencore_amrnb", "-ar", "8000", "-ac", "1")
    assert "libopencore_amrnb" in decode(path, probe(path)).decoder


def test_empty_missing_and_text_files(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.m4a", tmp_path / "notes.m4a"
    empty.touch()
    text.write_text("this is not audio, only its name says so\n" * 50)
    with pytest.raises(AudioError, match=r"^empty.m4a is empty \(0 bytes\); ask for the file again"):
        probe(empty)
    with pytest.raises(AudioError, match=r"^notes.m4a is not audio that can be opened"):
        probe(text)
    with pytest.raises(AudioError, match=r"can't be read"):
        probe(tmp_path / "missing.m4a")


def test_a_container_cut_off_is_refused_not_shortened(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole.m4a", "-c:a", "aac", "-movflags", "+faststart", source="sine=f=300:d=20")
    cut = tmp_path / "cut.m4a"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"^cut.m4a is cut off or damaged: .* of 20.* s decode; ask for the complete"):
        decode(cut, probe(cut))
    tail = make(tmp_path / "tail.m4a", "-c:a", "aac")  # its index lies at the end: nothing opens without it
    tail.write_bytes(tail.read_bytes()[:2000])
    with pytest.raises(AudioError, match="is not audio that can be opened"):
        probe(tail)


def test_cut_wav_and_mp3_are_noticed(tmp_path: Path) -> None:
    for name in ("cut.wav", "cut.mp3"):
        path = make(tmp_path / name, source="sine=f=300:d=20")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(AudioError, match=f"^{name} is cut off"):
            decode(path, probe(path))


def test_what_declares_no_duration_is_not_measured_as_complete(tmp_path: Path) -> None:
    for name in ("a.ogg", "a.amr", "nox.mp3"):
        options = ("-write_xing", "0") if name == "nox.mp3" else ("-ar", "8000", "-ac", "1")
        path = make(tmp_path / name, *options, *(("-c:a", "libopencore_amrnb") if name == "a.amr" else ()))
        assert not probe(path).duration_is_declared


def test_a_header_that_breaks_ffprobe_is_bad_input(tmp_path: Path) -> None:
    path = make(tmp_path / "many.wav")
    data = bytearray(path.read_bytes())
    data[22:24] = (65535).to_bytes(2, "little")  # the number of channels
    path.write_bytes(bytes(data))
    with pytest.raises(AudioError, match=r"^many.wav "):
        found = probe(path)
        decode(path, found)


def test_damaged_audio_is_marked_when_a_lab_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_ACCEPT_DAMAGED", "true")
    whole = make(tmp_path / "whole.m4a", "-c:a", "aac", "-movflags", "+faststart", source="sine=f=300:d=20")
    cut = tmp_path / "cut.m4a"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    found = probe(cut)
    assert (found.duration_s or 0) - decode(cut, found).duration_s > 1


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {other}\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
    ],
)
def test_a_playlist_opens_no_other_file(tmp_path: Path, text: str) -> None:
    other = make(tmp_path / "secret.wav")
    playlist = tmp_path / "call.m4a"
    playlist.write_text(text.format(other=other))
    with pytest.raises(AudioError, match="is not audio that can be opened"):
        probe(playlist)


def test_more_than_two_channels_are_mixed(tmp_path: Path) -> None:
    path = make(tmp_path / "six.wav", "-ac", "6")
    audio = decode(path, probe(path))
    assert audio.pcm.shape[1] == 1
    assert "-ac 1" in audio.decoder


def test_a_limit_on_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_MAX_AUDIO_S", "2")
    path = make(tmp_path / "long.wav", source="sine=f=300:d=200")
    with pytest.raises(AudioError, match="is longer than"):
        decode(path, probe(path))
