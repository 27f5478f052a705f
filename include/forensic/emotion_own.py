"""A lab's own emotion model (``make train``) applied to the turns of a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from include.errors import ModelError
from include.forensic.emotion import EmotionInfo, TurnReading
from include.forensic.emotion_model import LEAST_UTTERANCES, EmotionModel
from include.forensic.emotion_nets import GROUPS, EmotionNets
from include.forensic.voice_sounds import TurnSound
from include.forensic.voice_turns import VoiceTurn
from include.stt import NotMeasured, file_sha256

__all__ = ["OwnEmotion"]


class OwnEmotion:
    """Satisfies :class:`include.forensic.emotion.EmotionSource`. One thread at a time."""

    wants_functionals = True

    def __init__(self, folder: Path, whisper: Path) -> None:
        """Load the model and what computes its features.

        Raises:
            ModelError: it is damaged, or its features are computed otherwise here than when it was trained.
        """
        self._model = EmotionModel.load(folder)
        card = self._model.card
        self._nets = EmotionNets(tuple(name for name in GROUPS if name in card.groups), whisper)
        changed = [name for name, digest in card.groups.items() if self._nets.digests.get(name) != digest]
        if changed:
            raise ModelError(f"The emotion model {folder} was trained on other features ({', '.join(changed)}).")
        self.info = EmotionInfo(
            name=folder.name,
            kind="trained on features",
            digests={name: file_sha256(folder / name) for name in ("model.json", "weights.npz")},
            trained_on=card.trained_on,
            accuracy=card.accuracy,
            accuracy_unseen_texts=card.accuracy_unseen_texts or NotMeasured(reason="The training data names no texts."),
            abstain_below=card.abstain_below,
        )

    def read(
        self, sounds: Sequence[TurnSound], audio_of: Callable[[VoiceTurn], NDArray[np.float32]], sample_rate: int
    ) -> dict[int, TurnReading]:
        """Turn index → probabilities; each speaker is normalised by their own turns of this recording."""
        found: dict[int, TurnReading] = {}
        for speaker in dict.fromkeys(sound.turn.speaker for sound in sounds):
            own = [sound for sound in sounds if sound.turn.speaker == speaker]
            if speaker is None:
                found.update({sound.turn.index: _unread("Speakers were not separated.") for sound in own})
                continue
            vectors, kept = [], []
            for sound in own:
                read = None
                if sound.functionals is not None:
                    read = self._nets.read(audio_of(sound.turn), sample_rate, sound.functionals)
                if read is None:
                    found[sound.turn.index] = _unread("Too little voiced speech.")
                else:
                    vectors.append(read)
                    kept.append(sound.turn.index)
            probabilities = self._model.probabilities(vectors)
            for at, index in enumerate(kept):
                if probabilities is None:
                    found[index] = _unread(f"Fewer than {LEAST_UTTERANCES} turns of this speaker can be read.")
                else:
                    row = zip(self._model.card.labels, probabilities[at], strict=True)
                    found[index] = TurnReading({name: float(value) for name, value in row}, {})
        return found


def _unread(reason: str) -> TurnReading:
    return TurnReading({}, {}, reason)
