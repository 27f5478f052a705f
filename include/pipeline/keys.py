"""Keys of artefacts: the digest of everything but the input that decides what an artefact holds."""

from __future__ import annotations

import hashlib

from include import stt

__all__ = ["transcript_digest"]


def transcript_digest(language: str) -> str:
    """Settings digest of a transcript: the engine's, and the language asked for.

    Raises:
        ModelError: weights are missing or not what they should be.
    """
    return hashlib.sha256(f"{stt.engine_info().settings_digest} {language}".encode()).hexdigest()
