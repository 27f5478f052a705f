"""Forced alignment by WhisperX: one wav2vec2 model and the words of one chunk.

``whisperx.align`` is used as it is, but fed so that its own oddities can't reach a transcript: the words go in
without punctuation (it would give a full stop time of its own, and cut sentences there), Hangul is decomposed when
the model's vocabulary is jamo (it would take every syllable for an unknown character), its interpolation of missing
times is off, and its sentence splitter finds an empty local model instead of the network.
"""

from __future__ import annotations

import sys
import unicodedata
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.errors import ModelError
from include.settings import get_settings
from include.stt.audio import SAMPLE_RATE
from include.stt.weights import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Aligner", "aligner_path", "aligner_weights"]

_LEADS, _VOWELS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ", "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_TAILS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
_PUNKT_FILES = ("collocations.tab", "sent_starters.txt", "abbrev_types.txt", "ortho_context.tab")
_WEIGHTS = ("*.safetensors", "*.bin", "*.json", "*.pth")


def aligner_path(language: str) -> str | None:
    """Where the language's wav2vec2 model lies, or torchaudio's name of it; None when none is configured.

    Raises:
        ModelError: it is configured, and not on this machine.
    """
    name = get_settings().aligners.get(language)
    if name is None:
        return None
    folder, store = Path(name).expanduser(), get_settings().models / "align"
    if (folder / "config.json").is_file():
        return str(folder)
    if name in _bundles():
        if (store / _bundles()[name]).is_file():
            return name
        raise ModelError(f"The aligner {name} is not under {store}; put torchaudio's {_bundles()[name]} there.")
    if "/" in name and not folder.is_absolute() and not folder.exists():
        return _from_hub_cache(name, store)
    raise ModelError(f"The aligner {name} for {language} holds no config.json; check VOICEMAN_ALIGN_MODELS.")


def _from_hub_cache(name: str, store: Path) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return str(snapshot_download(name, cache_dir=store, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError) as error:
        raise ModelError(
            f"The aligner {name} is not under {store}; fetch it with: hf download {name} --cache-dir {store}."
        ) from error


@cache
def _bundles() -> dict[str, str]:
    """torchaudio's names of CTC models → file name of the weights."""
    import torchaudio

    found = {name: getattr(torchaudio.pipelines, name) for name in torchaudio.pipelines.__all__}
    return {name: one._path for name, one in found.items() if isinstance(one, torchaudio.pipelines.Wav2Vec2ASRBundle)}


def aligner_weights(language: str) -> dict[str, str]:
    """SHA-256 by file of the language's aligner; empty when none is configured.

    Raises:
        ModelError: it is configured, and not on this machine.
    """
    where = aligner_path(language)
    if where is None:
        return {}
    if where in _bundles():
        file = get_settings().models / "align" / _bundles()[where]
        return {f"align/{language}/{file.name}": file_sha256(file)}
    files = sorted({file for pattern in _WEIGHTS for file in Path(where).glob(pattern)})
    return {f"align/{language}/{file.name}": file_sha256(file) for file in files}


class Aligner:
    """One language's wav2vec2 model. Not thread-safe: one a :class:`WordTimer`."""

    def __init__(self, language: str, device: str) -> None:
        """Load the configured model of a language.

        Raises:
            ModelError: none is configured, it is not on this machine, or is not a wav2vec2 CTC model.
        """
        path = aligner_path(language)
        if path is None:
            raise ModelError(f"No aligner for {language}; name one in VOICEMAN_ALIGN_MODELS.")
        _empty_punkt(get_settings().home / "nltk_data")
        from whisperx.alignment import load_align_model

        try:
            with redirect_stdout(sys.stderr):  # WhisperX prints what went wrong
                self._model, self._about = load_align_model(
                    language, device, model_name=path, model_dir=str(get_settings().models / "align"),
                    model_cache_only=True,
                )  # fmt: skip
        except (ValueError, OSError, RuntimeError, KeyError, TypeError) as error:
            raise ModelError(
                f"The aligner {path} can't be loaded as a wav2vec2 model; check VOICEMAN_ALIGN_MODELS."
            ) from error
        self._model.eval()
        self.path, self.language, self.device = path, language, device
        self._known = frozenset(self._about["dictionary"])
        self._write = _writing(self._known)

    def align(self, texts: Sequence[str], audio: NDArray[np.float32]) -> list[tuple[float, float] | None]:
        """Find when each word is said.

        Args:
            texts: the words, in order.
            audio: the stretch in which they are said, (samples,), 16 kHz.

        Returns:
            Start and end of each word, seconds from the stretch's start; None for a word that the model's vocabulary
            can't write at all, and for all of them when the alignment found no way.

        Raises:
            RuntimeError: the model broke.
        """
        from whisperx.alignment import LANGUAGES_WITHOUT_SPACES, align

        plain = [self._plain(text) for text in texts]
        spaces = self.language not in LANGUAGES_WITHOUT_SPACES
        duration = audio.shape[0] / SAMPLE_RATE
        written = (" " if spaces else "").join(filter(None, plain))
        if not any(map(self._can_write, plain)):
            return [None] * len(texts)
        result = align(
            [{"start": 0.0, "end": duration, "text": written}], self._model, self._about, audio, self.device,
            interpolate_method="ignore",
        )  # fmt: skip
        units = result["word_segments"]
        parts = [(1 if spaces else len(text)) if text else 0 for text in plain]
        if len(units) != sum(parts):
            return [None] * len(texts)
        times: list[tuple[float, float] | None] = []
        at = 0
        for text, count in zip(plain, parts, strict=True):
            times.append(_span(units[at : at + count], duration) if self._can_write(text) else None)
            at += count
        return times

    def _plain(self, text: str) -> str:
        kept = unicodedata.normalize("NFC", text).strip().lower()
        return self._write("".join(c for c in kept if c.isalnum() or (c in self._known and c not in "|[]<> ")))

    def _can_write(self, text: str) -> bool:
        return any(c in self._known for c in text)


def _span(units: Sequence[dict[str, Any]], duration: float) -> tuple[float, float] | None:
    starts = [float(one["start"]) for one in units if "start" in one]
    ends = [float(one["end"]) for one in units if "end" in one]
    if not starts or not ends:
        return None
    return min(starts), min(max(ends), duration)


def _writing(known: frozenset[str]) -> Callable[[str], str]:
    """How the vocabulary writes Hangul: whole syllables, conjoining jamo (U+1100), or compatibility jamo (U+3131)."""
    if any("가" <= c <= "힣" for c in known):
        return str
    if any("\u1100" <= c <= "\u11ff" for c in known):
        return lambda text: unicodedata.normalize("NFD", text)
    if any("\u3131" <= c <= "\u318e" for c in known):
        return _compatibility_jamo
    return str


def _compatibility_jamo(text: str) -> str:
    out = []
    for c in text:
        if "가" <= c <= "힣":
            rest, tail = divmod(ord(c) - 0xAC00, len(_TAILS))
            lead, vowel = divmod(rest, len(_VOWELS))
            out += [_LEADS[lead], _VOWELS[vowel], _TAILS[tail]]
        else:
            out.append(c)
    return "".join(out)


def _empty_punkt(folder: Path) -> None:
    """A sentence splitter without abbreviations where NLTK finds it: WhisperX would download one.

    Only whole chunks without punctuation are aligned, so nothing depends on how well it splits.
    """
    import nltk.data
    from whisperx.utils import PUNKT_LANGUAGES

    for name in {"english", *PUNKT_LANGUAGES.values()}:
        place = folder / "tokenizers" / "punkt_tab" / name
        place.mkdir(parents=True, exist_ok=True)
        for file in _PUNKT_FILES:
            (place / file).touch()
    if str(folder) not in nltk.data.path:
        nltk.data.path.insert(0, str(folder))
