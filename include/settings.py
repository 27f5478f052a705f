"""The only place that reads the environment.

Every setting is ``VOICEMAN_<NAME>`` in the environment or in ``.env`` (see ``.env.example``).
Secrets are not here: S3 and PostgreSQL are reached through the Airflow connections
``voiceman_s3`` and ``voiceman_db`` (``AIRFLOW_CONN_VOICEMAN_S3``, ``AIRFLOW_CONN_VOICEMAN_DB``).
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from include.errors import SettingsError

__all__ = ["LANGUAGES", "ROOT", "Settings", "get_settings"]

ROOT = Path(__file__).resolve().parent.parent
"""The repository's root."""

LANGUAGES = ("auto", "ko", "en")
"""What a job may ask for; ``auto`` detects the language of each recording."""


class Settings(BaseSettings):
    """All settings, each with its default and what it does."""

    model_config = SettingsConfigDict(
        env_prefix="VOICEMAN_",
        env_file=ROOT / ".env",
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    bucket: str = Field("forensic-audio", min_length=3, max_length=63)
    """S3 bucket that holds incoming/, processing/, completed/, failed/, originals/ and cache/."""

    s3_conn_id: str = "voiceman_s3"
    """Airflow connection to the S3 store (type aws; ``endpoint_url`` in its extras for others than AWS)."""

    db_conn_id: str = "voiceman_db"
    """Airflow connection to the PostgreSQL database that holds the schema ``voiceman``."""

    home: Path = ROOT / ".voiceman"
    """The local stack's state: PostgreSQL and S3 data, logs, secrets, models."""

    model_dir: Path | None = None
    """Directory of model weights; default ``{home}/models``."""

    whisper_model: str = "base"
    """``base`` (from the lock, digest checked), a name under the model directory (fetch one: ``./voiceman models
    large-v3``), or the path of a CTranslate2 Whisper directory."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where WhisperX runs; ``auto`` takes CUDA when there is a GPU."""

    compute_type: str = "default"
    """CTranslate2 compute type; ``default`` is int8 on the CPU and float16 on CUDA."""

    decode_batch_size: int = Field(4, ge=1, le=64)
    """Speech regions decoded together by WhisperX."""

    beam_size: int = Field(5, ge=1, le=20)
    """Beam width of the decoder."""

    vad_chunk_s: float = Field(30.0, ge=2.0, le=30.0)
    """Longest stretch of speech, in seconds, that WhisperX decodes as one piece."""

    threads: int = Field(0, ge=0)
    """CPU threads of one transcription; 0 means as many as this process may use."""

    cpu_replicas: int = Field(4, ge=1, le=64)
    """Most model replicas that share the CPU's cores, each with a recording of its own: two single-threaded replicas
    do 1.5 times the work of one with two threads (bench/README.md). Each takes the model's memory again."""

    min_speech_s: float = Field(1.0, ge=0.0)
    """Less speech than this (seconds, by VAD) is not transcribed: short clips make Whisper invent words."""

    max_audio_s: float = Field(4 * 3600.0, gt=0)
    """Longest recording accepted, in seconds: it must be done within a task's time-out of 55 minutes."""

    accept_damaged: bool = False
    """Transcribe recordings of which seconds are missing (marked in the transcript) instead of refusing them."""

    report_language: Literal["ko", "en"] = "ko"
    """Language of ``{file_id}_report.pdf``; the other language is written beside it."""

    settle_s: float = Field(30.0, ge=0.0)
    """A dropped job starts once nothing under its prefix has changed for this many seconds."""

    poll_s: float = Field(5.0, gt=0.0)
    """Seconds between two looks at ``incoming/``."""

    notify_conn_id: str | None = None
    """Airflow HTTP connection that is told when a job ends (counts and ids only); none by default."""

    api_user: str | None = None
    """Airflow user for `./voiceman submit` on another Airflow than the local stack's."""

    api_password: SecretStr | None = None
    """That user's password."""

    ui_url: str = "http://127.0.0.1:8080"
    """Where people reach the Airflow UI; used in links."""

    @field_validator("home", "model_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        if value == Path():
            raise ValueError("an empty path; name a directory")
        try:
            return value.expanduser().absolute()
        except RuntimeError as error:
            raise ValueError(f"{value} names no user's home") from error

    @property
    def models(self) -> Path:
        """The directory that holds one directory per model."""
        return self.model_dir or self.home / "models"

    @property
    def cpu_threads(self) -> int:
        """Threads for one transcription: never more than the cores this process may use."""
        cores = len(os.sched_getaffinity(0))
        return min(self.threads or cores, cores)


@cache
def get_settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        SettingsError: a value is missing or out of range; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "VOICEMAN_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(
            f"{name} is not valid: {first['msg']}; correct it in the environment or in .env."
        ) from error
