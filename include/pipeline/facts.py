"""What a stage tells its attestation: inputs, outputs, models, parameters; read from the documents that it made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.evidence import StageFacts
from include.stt import NotMeasured

if TYPE_CHECKING:
    from include.forensic import Analysis
    from include.manifest import Recording
    from include.stt import Transcript

__all__ = ["analyze_facts", "transcribe_facts"]


def transcribe_facts(
    recording: Recording, transcript: Transcript, sha256: str, decodes: str | None, *, language: str, hit: bool
) -> StageFacts:
    """Of a transcript: its engine says what made it.

    Args:
        recording: whose.
        transcript: what was made.
        sha256: of its bytes.
        decodes: SHA-256 of what decoding findings' passages again gave; None: nothing was decoded again.
        language: as it was asked for (``auto``, ``ko`` …).
        hit: it was made before.
    """
    engine = transcript.engine
    return StageFacts(
        inputs={"recording": recording.sha256},
        outputs={"transcript.json": sha256} | ({"second_decodes.json": decodes} if decodes else {}),
        settings_digest=engine.settings_digest,
        models=engine.weights,
        parameters={
            "engine": engine.name,
            "model": engine.model,
            "language_asked": language,
            "versions": engine.versions,
            "decoder": transcript.recording.decoder,
            "pcm_sha256": transcript.recording.pcm_sha256,
            "served_by": engine.served_by,
            "transcribed_as": engine.transcribed_as,
            **engine.parameters,
        },
        device=engine.device,
        cache_hit=hit,
    )


def analyze_facts(
    recording: Recording, analysis: Analysis, sha256: str, decodes: str | None, emotion: bool | None, *, hit: bool
) -> StageFacts:
    """Of an analysis; arguments as above, ``emotion`` is the job's own wish (None: as configured).

    One that is made now reads the working copy, whose digest is checked on the way.
    """
    model = analysis.language_model
    return StageFacts(
        inputs={"recording": recording.sha256, "transcript.json": analysis.transcript.sha256}
        | ({"second_decodes.json": decodes} if decodes else {}),
        outputs={"forensic.json": sha256},
        settings_digest=analysis.settings_digest,
        parameters={
            "taxonomy": {"version": analysis.taxonomy.version, "sha256": analysis.taxonomy.sha256},
            "language": analysis.language,
            "language_model": None if isinstance(model, NotMeasured) else model,
            "emotion": emotion,
            "versions": analysis.versions,
        },
        cache_hit=hit,
        verified={} if hit else {"working copy": recording.sha256, "working copy after": recording.sha256},
    )
