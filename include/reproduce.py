"""Make a recording's transcript and analysis again from what was attested, and say what differs.

A document is compared byte for byte, by the SHA-256 that its attestation names. Only what says *when* and *through
whom* it was made is taken over from the recorded one before (:data:`SET`): it can't be the same twice.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from include import evidence, forensic, stt
from include.errors import DeviceMemoryError, DocumentError, ModelError
from include.settings import LANGUAGES, get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SET", "Made", "Recorded", "Reproduction", "overrides", "read_recorded", "reproduce"]

SET: Final = ("created_at", "engine.served_by", "engine.fallback", "engine.transcribed_as")
"""Taken over from the recorded document."""

_CODE: Final = {"commit": "the code's commit", "files_sha256": "the code's files", "lock_sha256": "the lock"}
_MOST_FILES, _MOST_BYTES = 10_000, 1 << 30
_NAMED = 20


@dataclass
class Recorded:
    """What a bundle or a folder of results says of one recording."""

    file_id: str
    recording_sha256: str
    statements: dict[str, dict[str, Any]]
    """Stage → predicate of its attestation, whose signature holds."""
    transcript: bytes
    analysis: bytes
    demo: bool


@dataclass
class Made:
    """One document made again."""

    name: str
    recorded_sha256: str
    made_sha256: str
    differs: list[str] = field(default_factory=list)
    """Where, with both values; the first ones."""

    @property
    def same(self) -> bool:
        """Byte for byte."""
        return self.recorded_sha256 == self.made_sha256


@dataclass
class Reproduction:
    """What came of it."""

    environment: list[str]
    """What is not as it was: a sentence each."""
    made: list[Made]

    @property
    def same(self) -> bool:
        """True when every document is byte for byte the recorded one."""
        return all(one.same for one in self.made)


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a folder or zip; names are never used as paths.

    Raises:
        DocumentError: it is neither, or larger than a bundle can be.
    """
    if source.is_dir():
        paths = sorted(path for path in source.rglob("*") if path.is_file())
        if len(paths) > _MOST_FILES:
            raise DocumentError(f"{source} holds more than {_MOST_FILES} files; give the folder of one job.")
        for path in paths:
            if path.stat().st_size <= _MOST_BYTES // 16:
                yield path.relative_to(source).as_posix(), path.read_bytes()
        return
    try:
        with zipfile.ZipFile(source) as archive:
            entries = [one for one in archive.infolist() if not one.is_dir()]
            if len(entries) > _MOST_FILES or sum(one.file_size for one in entries) > _MOST_BYTES:
                raise DocumentError(f"{source} holds more than a bundle can; it is none of ours.")
            for one in entries:
                yield one.filename, archive.read(one)
    except (OSError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:  # RuntimeError: a password, a method
        raise DocumentError(f"{source} is neither a bundle nor a folder of results ({error}).") from error


def read_recorded(
    source: Path, keys: Path | None = None, recording: str | None = None, audio: Path | None = None
) -> Recorded:
    """Read what was attested, signatures first.

    Args:
        source: a bundle, or a folder (`./voiceman fetch`).
        keys: directory of trusted public keys; else those in the source, else the configured ones, else the local
            stack's.
        recording: its ``file_id``, when the source holds several.
        audio: else the one of several that this file is, by its SHA-256.

    Raises:
        DocumentError: there is no attestation, several recordings, or a document is missing.
        SignatureError: an attestation's signature does not hold.
    """
    files = dict(_files(source))
    trusted = _keys(files, keys)
    by_digest = {hashlib.sha256(data).hexdigest(): data for data in files.values()}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, data in files.items():
        if name.endswith("attestations.jsonl") or (name.endswith(".dsse.json") and "attestations/" in name):
            for line in data.splitlines() if name.endswith(".jsonl") else [data]:
                said = evidence.read_attestation(line, trusted)
                digests = {one["name"]: one["digest"]["sha256"] for one in said["subject"]}
                predicate = said["predicate"]
                found.setdefault(predicate["recording"], {})[predicate["stage"]] = {**predicate, "outputs": digests}
    if not found:
        raise DocumentError(f"{source} holds no attestation; give a bundle, or a folder made by ./voiceman fetch.")
    if recording is None and len(found) > 1 and audio is not None:
        digest = stt.file_sha256(audio)
        same = [
            key for key, one in found.items() if one.get("transcribe", {}).get("inputs", {}).get("recording") == digest
        ]
        recording = same[0] if len(same) == 1 else None
    if recording is None and len(found) > 1:
        raise DocumentError(f"{source} holds {len(found)} recordings ({', '.join(sorted(found)[:5])} …); name one.")
    file_id = recording or next(iter(found))
    stages = found.get(file_id, {})
    if not {"transcribe", "analyze"} <= stages.keys():
        raise DocumentError(f"{source} holds no attestations of transcribe and analyze for {file_id}.")

    def document(stage: str, kind: str) -> bytes:
        digest = stages[stage]["outputs"].get(f"{file_id}_{kind}")
        if digest not in by_digest:
            raise DocumentError(f"The {kind} that was attested for {file_id} (SHA-256 {digest}) is not in {source}.")
        return by_digest[digest]

    return Recorded(
        file_id,
        str(stages["transcribe"]["inputs"]["recording"]),
        stages,
        document("transcribe", "transcript.json"),
        document("analyze", "forensic.json"),
        any(one["demo_key"] for one in stages.values()),
    )


def _keys(files: dict[str, bytes], folder: Path | None) -> dict[str, evidence.PublicKey]:
    register = [name for name in files if name.endswith("keys/keys.json") or name == "keys/keys.json"]
    if folder is not None or not register:
        return evidence.read_keys(folder or _configured())
    with tempfile.TemporaryDirectory() as place:
        for name, data in files.items():
            if "keys/" in name and name.endswith((".pem", "/keys.json")):
                (Path(place) / Path(name).name).write_bytes(data)
        return evidence.read_keys(Path(place))


def _configured() -> Path:
    """The lab's public keys; the local stack's where nothing is configured."""
    settings = get_settings()
    if settings.signing_key or settings.keys_dir is not None:
        return settings.public_keys
    return settings.home / "keys" / "public"


def overrides(recorded: Recorded) -> dict[str, str]:
    """Settings, by the names of their variables, that make this process work with the recorded parameters."""
    said = recorded.statements["transcribe"]["parameters"]
    speakers = said.get("speakers", {})
    found = {
        "VOICEMAN_WHISPER_MODEL": said.get("model"),
        "VOICEMAN_BEAM_SIZE": said.get("beam_size"),
        "VOICEMAN_DECODE_BATCH_SIZE": said.get("decode_batch_size"),
        "VOICEMAN_COMPUTE_TYPE": said.get("compute_type"),
        "VOICEMAN_VAD": said.get("vad", {}).get("method"),
        "VOICEMAN_VAD_CHUNK_S": said.get("vad", {}).get("chunk_s"),
        "VOICEMAN_DIARIZER": speakers.get("diarizer"),
        "VOICEMAN_SPEAKERS": speakers.get("speakers"),
        "VOICEMAN_MIN_SPEECH_S": said.get("min_speech_s"),
        "VOICEMAN_ACCEPT_DAMAGED": said.get("accept_damaged"),
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def reproduce(recorded: Recorded, audio: Path) -> Reproduction:
    """Transcribe and analyse the recording again.

    Args:
        recorded: what was attested; :func:`overrides` should be in force.
        audio: the recording.

    Raises:
        DocumentError: it is another recording, or a recorded document is none.
        ModelError: a model is missing here: nothing can be made again.
        AudioError: the recording can't be decoded.
    """
    if stt.file_sha256(audio) != recorded.recording_sha256:
        raise DocumentError(
            f"{audio} is not the recording that was transcribed (SHA-256 {recorded.recording_sha256}); give that one."
        )
    before = stt.load_transcript(recorded.transcript, name="the recorded transcript")
    analysed = forensic.load_analysis(recorded.analysis, name="the recorded analysis")
    environment = _environment(recorded, before, analysed)
    said = recorded.statements["transcribe"]["parameters"]
    language = said.get("language_asked") or ("auto" if before.language_source == "detected" else before.language)
    if language not in LANGUAGES:
        raise DocumentError(f"The recorded language {language!r} is not offered here.")
    speech = stt.Transcriber()
    again = speech.transcribe(audio, language=language)
    made = [_compare("transcript.json", recorded.transcript, again.to_json().encode())]
    passages = forensic.wanted_passages(before, forensic.located(before).findings)
    decodes: forensic.SecondDecodes | stt.NotMeasured
    try:
        decodes = forensic.SecondDecodes.of(passages, speech.confirm(audio, passages) if passages else [])
        if not passages:  # as the pipeline has it: nothing lies in its cache then
            decodes = stt.NotMeasured(reason="No passage was decoded again when the recording was transcribed.")
    except (ModelError, DeviceMemoryError) as error:
        decodes = stt.NotMeasured(reason=f"The second decode failed: {error}")
    analysis = forensic.analyze_transcript(
        before,
        transcript_name=analysed.transcript.name,
        transcript_sha256=hashlib.sha256(recorded.transcript).hexdigest(),
        channels=stt.load_channels(audio),
        sample_rate=stt.SAMPLE_RATE,
        second_decodes=decodes,
        emotion=recorded.statements["analyze"]["parameters"].get("emotion"),
    )
    made.append(_compare("forensic.json", recorded.analysis, analysis.to_json().encode()))
    return Reproduction(environment, made)


def _environment(recorded: Recorded, transcript: stt.Transcript, analysis: forensic.Analysis) -> list[str]:
    """What of code, packages, weights and parameters is not as it was."""
    code, here = recorded.statements["transcribe"]["code"], evidence.code_facts()
    then, now = transcript.engine.model_dump(), stt.engine_info().model_dump()
    found = [
        f"{what}: {was} then, {here[name]} here"
        for name, what in _CODE.items()
        if (was := code.get(name)) != here[name]
    ]
    for name in ("name", "device", "model", "versions", "weights", "parameters"):
        found += [f"the engine's {one}" for one in _differences(then[name], now[name], name)]
    digest = forensic.settings_digest()
    if analysis.settings_digest != digest:
        found.append(f"rules, models or packages of the analysis: {analysis.settings_digest} then, {digest} here")
    return found


def _compare(name: str, recorded: bytes, again: bytes) -> Made:
    then, now = json.loads(recorded), json.loads(again)
    for path in SET:
        *parents, last = path.split(".")
        of, to = then, now
        for parent in parents:
            of, to = of.get(parent, {}), to.get(parent, {})
        if last in of and last in to:
            to[last] = of[last]
    data = (json.dumps(now, ensure_ascii=False, indent=2) + "\n").encode()
    differs = _differences(then, now)
    return Made(name, hashlib.sha256(recorded).hexdigest(), hashlib.sha256(data).hexdigest(), differs)


def _differences(then: Any, now: Any, at: str = "") -> list[str]:
    """Where two JSON values differ, the first ones."""
    if isinstance(then, dict) and isinstance(now, dict):
        keys = [*then, *(key for key in now if key not in then)]
        parts = [_differences(then.get(key), now.get(key), f"{at}.{key}".lstrip(".")) for key in keys]
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        parts = [_differences(a, b, f"{at}[{n}]") for n, (a, b) in enumerate(zip(then, now, strict=True))]
    else:
        if then == now:
            return []
        return [f"{at or 'document'}: {_short(then)} then, {_short(now)} here"]
    return [one for part in parts for one in part][:_NAMED]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "…"
