"""Decoding with the real ffmpeg: what is audio, what is not, and what is missing."""

import subprocess
import sys
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


NARROW = ("-ar", "8000", "-ac", "1")


@pytest.mark.parametrize(
    ("name", "options", "codec"),
    [
        ("a.m4a", ("-c:a", "aac"), "aac"),
        ("a.aac", ("-c:a", "aac"), "aac"),
        ("wb.3gp", ("-c:a", "aac", "-ar", "16000", "-ac", "1"), "aac"),
        ("mu.wav", ("-c:a", "pcm_mulaw", *NARROW), "pcm_mulaw"),
        ("a.wav", ("-c:a", "pcm_alaw", *NARROW), "pcm_alaw"),
        ("gsm.wav", ("-c:a", "libgsm_ms", *NARROW), "gsm_ms"),
        ("ima.wav", ("-c:a", "adpcm_ima_wav", *NARROW), "adpcm_ima_wav"),
        ("ms.wav", ("-c:a", "adpcm_ms", *NARROW), "adpcm_ms"),
        ("a.gsm", ("-c:a", "libgsm", *NARROW), "gsm"),
        ("a.opus", ("-c:a", "libopus"), "opus"),
        ("a.spx", ("-c:a", "libspeex", *NARROW), "speex"),
        ("a.wma", ("-c:a", "wmav2"), "wmav2"),
        ("a.caf", ("-c:a", "pcm_s16be"), "pcm_s16be"),
        ("a.aiff", (), "pcm_s16be"),
        ("a.amr", ("-c:a", "libvo_amrwbenc", "-ar", "16000", "-ac", "1"), "amr_wb"),
    ],
)
def test_every_coding_that_phones_and_recorders_use(
    tmp_path: Path, name: str, options: tuple[str, ...], codec: str
) -> None:
    if codec == "amr_wb":
        listed = subprocess.run(["ffmpeg", "-v", "error", "-encoders"], capture_output=True, text=True, check=True)
        if "libvo_amrwbenc" not in listed.stdout:
            pytest.skip("this ffmpeg writes no AMR-WB")
    path = make(tmp_path / name, *options)
    found = probe(path)
    audio = decode(path, found)
    assert found.codec == codec
    assert audio.duration_s == pytest.approx(3.0, abs=0.15)
    assert float(np.abs(audio.pcm.astype(float)).mean()) > 100
    assert audio.flags == []


@pytest.mark.parametrize("name", ["v.mp4", "v.mov", "v.mkv", "v.webm", "v.avi", "v.3gp", "v.ts"])
def test_the_sound_of_a_video(tmp_path: Path, name: str) -> None:
    sound = {"v.webm": "libopus", "v.avi": "libmp3lame", "v.3gp": "aac"}.get(name, "aac")
    picture = "libvpx" if name == "v.webm" else "mpeg4"
    source = "testsrc=s=64x48:d=3:r=10[out0];sine=f=440:d=3[out1]"
    path = make(tmp_path / name, "-c:v", picture, "-c:a", sound, source=source)
    audio = decode(path, probe(path))
    assert audio.duration_s == pytest.approx(3.0, abs=0.2)
    assert audio.flags == []


def test_very_short_wide_and_fast_recordings(tmp_path: Path) -> None:
    for name, options in (("s.wav", ()), ("s.m4a", ("-c:a", "aac")), ("s.mp3", ()), ("s.ogg", ("-c:a", "libopus"))):
        path = make(tmp_path / name, *options, source="sine=f=300:d=0.05")
        assert 0.04 < decode(path, probe(path)).duration_s < 0.2
    eight = make(tmp_path / "eight.wav", "-af", "pan=8c|c3=c0", source="sine=f=300:d=3")  # only the LFE's place sounds
    audio = decode(eight, probe(eight))
    assert audio.pcm.shape == (48000, 1)
    assert np.abs(audio.pcm).max() > 100
    fast = make(tmp_path / "fast.wav", "-ar", "192000", source="sine=f=300:d=3")
    assert decode(fast, probe(fast)).pcm.shape == (48000, 1)


def test_clipping_is_counted_before_resampling(tmp_path: Path) -> None:
    path = make(tmp_path / "loud.wav", "-af", "volume=30dB", source="sine=f=3900:d=3:r=8000")
    audio = decode(path, probe(path))
    assert audio.clipping is not None
    assert audio.clipping > 0.3
    flag = next(flag for flag in audio.flags if flag.kind == "clipped")
    assert flag.seconds == pytest.approx(3, abs=0.1)
    mulaw = make(tmp_path / "mu.wav", "-af", "volume=30dB", "-c:a", "pcm_mulaw", source="sine=f=390:d=3:r=8000")
    assert (decode(mulaw, probe(mulaw)).clipping or 0) > 0.3
    quiet = make(tmp_path / "quiet.wav", source="sine=f=390:d=3:r=8000")
    assert decode(quiet, probe(quiet)).clipping == 0


def test_two_hours_of_silence_take_little_memory(tmp_path: Path) -> None:
    path = make(tmp_path / "long.flac", source="anullsrc=r=16000:cl=mono:d=7200")
    code = (
        "import re, sys; from pathlib import Path; from include.stt.audio import decode, probe;"
        "from include.stt.quality import measure_quality; p = Path(sys.argv[1]); a = decode(p, probe(p));"
        "q = measure_quality(a.pcm, [a.pcm[:, 0]], [[]], a.missing_s, flags=a.flags);"
        # not ru_maxrss: it carries the parent's peak over exec
        "peak = int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024;"
        "print(a.duration_s, q.flags[0].seconds, peak)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, timeout=240, cwd=ROOT
    )
    decoded, silent, megabytes = (float(word) for word in out.stdout.split())
    assert decoded == 7200
    assert silent == 7200
    assert megabytes < 231 + 350, "the 16 kHz samples once, and the interpreter with its imports"


def test_a_decoder_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "bin" / "ffmpeg"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    path = make(tmp_path / "a.wav")
    found = probe(path)
    monkeypatch.setattr("include.stt.audio._STALLED_S", 0.5)
    monkeypatch.setattr("include.stt.audio.tool", lambda name: str(slow))
    with pytest.raises(AudioError, match=r"^a.wav could not be decoded: ffmpeg gave nothing"):
        decode(path, found)
