"""How the service is set up; the same fields are ``./voiceman serve``'s options and a RayService's ``args``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["ServiceOptions"]


class ServiceOptions(BaseModel):
    """One service. What decides a transcript's contents is in the settings, not here."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = "127.0.0.1"
    """Address to listen on; beyond this machine only with TLS, or inside a network that is trusted with the audio."""
    port: int = Field(8700, ge=0, le=65535)
    """0: a free one."""
    model: str | None = None
    """Whisper weights by name; ``VOICEMAN_WHISPER_MODEL`` when None."""
    replicas: int = Field(0, ge=0, le=1024)
    """Models loaded at the start, and at least; 0: as many as the devices take (GPU: ``per_device`` each; CPU: as a
    task without the service would, see ``VOICEMAN_CPU_REPLICAS``)."""
    max_replicas: int = Field(0, ge=0, le=1024)
    """Models loaded at most, when recordings queue; 0: no more than at the start."""
    per_device: int = Field(1, ge=1, le=16)
    """Models that share one GPU or MIG instance."""
    threads: int = Field(0, ge=0)
    """CPU threads of one model; 0: the cores divided by the replicas."""
    target_ongoing: float = Field(4.0, gt=0)
    """Autoscaling keeps as many recordings per model, working and waiting."""
    audio_s: float = Field(7200.0, gt=0)
    """Seconds of audio that one model has under way at once (by the recordings' sizes), as far as ``at_once`` allows;
    a longer recording goes alone."""
    at_once: int = Field(16, ge=1, le=1024)
    """Recordings that one model is handed at once: some are read, some decoded together, some ended."""
    queue: int = Field(64, ge=0)
    """Recordings that wait beyond that; more are refused with 503 until there is room."""
    work_limit_s: float = Field(3600.0, gt=0)
    """A recording that takes longer is taken for hung, and its model is started anew."""
    drain_s: float = Field(900.0, gt=0)
    """How long, at the end or when a model is replaced, recordings under way may take to finish."""
    tls_cert: str | None = None
    """Path of the certificate chain (PEM); with ``tls_key`` the service speaks HTTPS only."""
    tls_key: str | None = None
    """Path of its private key."""
    spool: str | None = None
    """Folder for recordings while they are worked on; the system's temporary folder when None."""

    @model_validator(mode="after")
    def _fits(self) -> ServiceOptions:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together")
        if self.max_replicas and self.max_replicas < self.replicas:
            raise ValueError("max_replicas is below replicas")
        return self
