"""WhisperX with the real weights on real audio: the words that were said, where, and nothing else."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from include import cli
from include.settings import ROOT
from include.stt import NotMeasured, Transcriber, Transcript, file_sha256, load_transcript

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def transcriber(models: Path) -> Transcriber:
    return Transcriber()


@pytest.fixture(scope="module")
def threat(transcriber: Transcriber) -> Transcript:
    return transcriber.transcribe(ROOT / "samples" / "threat.m4a")


def plain(text: str) -> str:
    return re.sub(r"[^a-z ]", "", text.lower())


def test_the_words_are_there(threat: Transcript) -> None:
    text = plain(" ".join(segment.text for segment in threat.segments))
    assert "if you talk to the police again i will kill you" in text
    assert "i know where you live" in text
    assert threat.language == "en"
    assert isinstance(threat.language_probability, float)
    assert threat.language_probability > 0.9
    assert threat.empty_reason is None


def test_every_word_has_a_plausible_time(threat: Transcript) -> None:
    words = [word for segment in threat.segments for word in segment.words]
    assert len(words) > 40
    assert {word.timing for word in words} == {"attention"}
    starts = [word.start for word in words if word.start is not None]
    assert len(starts) == len(words)
    assert starts == sorted(starts)
    assert all(0 <= word.start <= word.end <= threat.recording.duration_s for word in words)  # type: ignore[operator]
    # the sample's script: the threat is the fourth turn, after about 12 s
    kill = next(word for word in words if plain(word.text) == "kill")
    assert kill.start == pytest.approx(14.3, abs=0.6)


def test_the_engine_can_be_found_again(threat: Transcript) -> None:
    assert threat.engine.name == "whisperx"
    assert threat.engine.weights["whisper/base/model.bin"].startswith("d01c3014")
    assert threat.engine.versions["whisperx"]
    assert threat.recording.sha256 == file_sha256(ROOT / "samples" / "threat.m4a")
    assert load_transcript(threat.to_json()) == threat


def test_a_party_per_channel_gives_speakers(transcriber: Transcriber) -> None:
    call = transcriber.transcribe(ROOT / "samples" / "extortion_stereo.m4a", language="en")
    said = {s: plain(" ".join(g.text for g in call.segments if g.speaker == s)) for s in ("channel-1", "channel-2")}
    # int8 arithmetic differs between processors: the number comes in words on some, in digits on others
    sums = [plain(f"send me {amount} by friday") for amount in ("five thousand dollars", "$5,000")]
    assert any(one in said["channel-1"] for one in sums)
    assert "i do not have that kind of money" in said["channel-2"]
    assert not any(one in said["channel-2"] for one in sums)
    assert call.language_source == "requested"
    assert isinstance(call.language_probability, NotMeasured)
    assert [s.start for s in call.segments] == sorted(s.start for s in call.segments)


@pytest.mark.parametrize(
    "source",
    [
        "anullsrc=r=16000:d=20",
        "anoisesrc=d=20:a=0.05:r=16000:seed=1",
        "anoisesrc=d=20:a=0.05:r=16000:seed=18",  # 3.4 s of this one pass for speech, and the encoder hears Nynorsk
        "sine=f=440:d=20",
    ],
)
def test_no_words_where_nobody_speaks(transcriber: Transcriber, tmp_path: Path, source: str) -> None:
    path = tmp_path / "quiet.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, str(path)], check=True)
    transcript = transcriber.transcribe(path)
    assert transcript.segments == []
    assert transcript.empty_reason is not None
    assert "at least 0.5 s are needed" in transcript.empty_reason or "found no words" in transcript.empty_reason
    assert transcript.language == "und"
    assert isinstance(transcript.language_probability, NotMeasured)


def test_what_holds_no_speech_needs_no_speech_model(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.stt.transcriber.speech_model", lambda *_: pytest.fail("Whisper was loaded"))
    quiet = tmp_path / "hum.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=f=440:d=3", str(quiet)], check=True)
    found = Transcriber().transcribe(quiet)
    assert found.segments == []
    assert (found.empty_reason or "").startswith("0.0 s of speech found")


def test_half_a_second_of_speech_is_not_transcribed(transcriber: Transcriber, tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    cut = ["ffmpeg", "-v", "error", "-ss", "0.9", "-t", "0.5", "-i", str(ROOT / "samples" / "threat.m4a"), str(path)]
    subprocess.run(cut, check=True)
    assert transcriber.transcribe(path).segments == []


def test_the_same_file_gives_the_same_transcript(transcriber: Transcriber, threat: Transcript) -> None:
    again = transcriber.transcribe(ROOT / "samples" / "threat.m4a")
    assert again.model_copy(update={"created_at": threat.created_at}) == threat


def test_telemetry_is_off(transcriber: Transcriber) -> None:
    assert transcriber.model is not None
    assert os.environ["PYANNOTE_METRICS_ENABLED"] == "0"


def test_the_command_line_gives_one_sentence(tmp_path: Path, models: Path) -> None:
    text = tmp_path / "notes.m4a"
    text.write_text("not audio " * 100)
    out = tmp_path / "t.json"
    run = subprocess.run([ROOT / "voiceman", "transcribe", text, "--out", out], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.strip().splitlines()[-1].startswith("error (audio): notes.m4a is not audio that can be opened")
    assert "Traceback" not in run.stderr
    assert not out.exists()
    wrong = [ROOT / "voiceman", "transcribe", text, "--out", out, "--language", "xx"]
    assert "is not offered; use one of auto, ko, en" in subprocess.run(wrong, capture_output=True, text=True).stderr


def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    call = tmp_path / "call.m4a"
    call.write_bytes((ROOT / "samples" / "threat.m4a").read_bytes())
    before = file_sha256(call)
    run = subprocess.run([ROOT / "voiceman", "transcribe", call, "--out", call], capture_output=True, text=True)
    assert run.returncode == 1
    assert "is the file that was handed in" in run.stderr
    assert file_sha256(call) == before


@pytest.mark.parametrize(
    "command",
    [
        ["analyze", "T", "--audio", "/nope", "--out", "A"],
        ["analyze", "T", "--out", "."],
        ["schemas", "T"],
        ["report", "T", "--out", "R"],
        ["transcribe", "bad\x1bname.m4a", "--out", "A"],
    ],
)
def test_a_wrong_path_is_one_sentence(tmp_path: Path, threat: Transcript, command: list[str]) -> None:
    (tmp_path / "T").write_text(threat.to_json())
    run = subprocess.run([ROOT / "voiceman", *command], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith("error (")
    assert "Traceback" not in run.stderr
    assert "\x1b" not in run.stderr


def test_transcribe_analyze_report_without_airflow(tmp_path: Path, models: Path) -> None:
    call, t, a, r = (
        ROOT / "tests" / "audio" / "threat_9s.m4a",
        tmp_path / "threat_transcript.json",
        tmp_path / "a.json",
        tmp_path / "r",
    )
    for command in (
        ["transcribe", call, "--out", t, "--language", "en"],
        ["analyze", t, "--out", a, "--audio", call],
        ["report", a, "--out", r],
    ):
        run = CliRunner().invoke(cli.app, [str(part) for part in command])
        assert run.exit_code == 0, run.output
    names = sorted(path.name for path in r.iterdir())
    assert names == ["threat_report.en.html", "threat_report.en.pdf", "threat_report.html", "threat_report.pdf"]
