"""One batch of windows: features, one encoder pass, beam search, word times, and a second hearing where it is due.

Without time stamps the decoder writes better text and is quicker (on CUDA by a multiple), and sometimes leaves a
passage out; with them it leaves nothing out. So a window is heard without, and again with them, from the same encoder
output, where words leave speech uncovered (measured: bench/README.md, "From speech to text").

Results of a window do not depend on what else is in its batch: rows are independent, and the length of the features
depends on the window alone. Decoded again from the same encoder output is what fails the checks of
:mod:`include.stt.guards`, in a batch of its own a step of the ladder.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from include.settings import get_settings
from include.stt import guards, segments, stamps, tone, wholeness
from include.stt.audio import SAMPLE_RATE
from include.stt.rows import take_rows
from include.stt.stamps import with_pauses
from include.stt.wholeness import left_out, more_whole
from include.stt.work import Heard, Region, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.engine import SpeechModel

__all__ = [
    "FEATURE_STEPS_S",
    "Rung",
    "decode_group",
    "feature_seconds",
    "features",
    "ladder",
    "parameters",
]

_FRAMES_PER_S = 100
_MAX_INITIAL_TIMESTAMP = 50
"""The first time stamp is at most 1.0 s (50 of 0.02 s), as in Whisper."""
FEATURE_STEPS_S = (10.0, 15.0, 20.0, 25.0, 30.0)
"""How long features are made, seconds."""
_MARGIN_S = 5.0


@dataclass(frozen=True)
class Rung:
    """One way to decode."""

    timestamps: bool = True
    temperature: float = 0.0
    no_repeat_ngram: int = 0
    repetition_penalty: float = 1.0


LADDER = (Rung(timestamps=False), Rung(), Rung(timestamps=False, no_repeat_ngram=3, repetition_penalty=1.1))
"""What is tried in turn until a text passes; all of it deterministic. Sampling comes after it, if it is wanted at all:
CTranslate2 seeds its sampler once a thread, so a sampled text can't be made again in a resident process (measured:
three runs, each after ``set_random_seed``, three texts)."""
_BEST_OF = 5


def ladder() -> tuple[Rung, ...]:
    """The ways of decoding, with the temperatures of the settings at its end."""
    wanted = [float(one) for one in get_settings().temperatures.split(",") if one]
    return LADDER + tuple(Rung(temperature=one) for one in wanted)


def parameters() -> dict[str, Any]:
    """What can change the text, for the transcript."""
    return {
        "ladder": [vars(rung) for rung in ladder()],
        "max_initial_timestamp": _MAX_INITIAL_TIMESTAMP,
        **wholeness.PARAMETERS,
        **segments.PARAMETERS,
        **stamps.PARAMETERS,
        "best_of": _BEST_OF,
        "feature_steps_s": list(FEATURE_STEPS_S),
        "feature_margin_s": _MARGIN_S,
        "compression_ratio": guards.COMPRESSION_RATIO,
        "log_prob": guards.LOG_PROB,
        "no_speech": guards.NO_SPEECH,
        "energy_floor_db": guards.FLOOR_DB,
        **tone.parameters(),
    }


def feature_seconds(seconds: float) -> float:
    """How long the features of a window are made: no more than it needs, in steps of 5 s.

    The encoder's time grows more than linearly with it (base int8, 2 threads: 30 s 0.51 s, 20 s 0.20 s, 10 s 0.08 s).
    At least 5 s of silence stay behind the speech, as Whisper is used to.
    """
    return next((step for step in FEATURE_STEPS_S if step >= seconds + _MARGIN_S), FEATURE_STEPS_S[-1])


def features(model: SpeechModel, parts: Sequence[NDArray[np.float32]], seconds: float) -> Any:
    """Log-mel features (batch, mels, frames) of audio, each padded to ``seconds``."""
    import torch
    from whisperx.audio import log_mel_spectrogram

    length = int(seconds * SAMPLE_RATE)
    n_mels = model.whisper.feat_kwargs.get("feature_size") or 80
    return torch.stack(
        [log_mel_spectrogram(one[:length], n_mels=n_mels, padding=max(length - len(one), 0)) for one in parts]
    )


def decode_group(
    model: SpeechModel,
    windows: Sequence[Window],
    parts: Sequence[NDArray[np.float32]],
    encoded: Any,
    *,
    speech: Sequence[Sequence[Region]],
    detect: bool,
) -> list[Heard]:
    """Decode windows from their encoder output.

    Args:
        model: the loaded model.
        windows: each with its language.
        parts: their audio.
        encoded: the encoder's output, a row a window.
        speech: of each window, seconds from its start: what has to be covered by words.
        detect: also ask which language each is in.
    """
    frames = [max(len(one) * _FRAMES_PER_S // SAMPLE_RATE, 2) for one in parts]
    group = _Group(model, list(windows), encoded, frames)
    heard = _heard(group, speech)
    if not detect:
        return heard
    return [replace(one, languages=found) for one, found in zip(heard, model.languages(encoded), strict=True)]


@dataclass(frozen=True)
class _Group:
    """Windows that are decoded together."""

    model: SpeechModel
    windows: Sequence[Window]
    encoded: Any
    frames: Sequence[int]

    def part(self, rows: Sequence[int]) -> _Group:
        if len(rows) == len(self.windows):
            return self
        encoded = take_rows(self.encoded, rows, self.model.device)
        return _Group(self.model, [self.windows[i] for i in rows], encoded, [self.frames[i] for i in rows])

    def begins(self) -> list[int]:
        """The token of time stamp 0, for each window."""
        return [self.model.tokenizer(one.language).timestamp_begin for one in self.windows]


def _heard(group: _Group, speech: Sequence[Sequence[Region]]) -> list[Heard]:
    first, *others = ladder()
    heard, begins = _with_words(group, _hear(group, first, 0)), group.begins()
    for step, rung in enumerate(others, 1):
        again = [
            i for i, one in enumerate(heard) if one.failed or (rung.timestamps and _lacking(one, speech[i], begins[i]))
        ]
        if not again:
            continue
        rest = group.part(again)
        for index, one in zip(again, _with_words(rest, _hear(rest, rung, step)), strict=True):
            heard[index] = more_whole(heard[index], one, speech[index], begins[index])
    return [with_pauses(*each) for each in zip(heard, begins, strict=True)]


def _lacking(one: Heard, speech: Sequence[Region], begin: int) -> bool:
    """Not where the first hearing takes it for no speech: another one must not talk noise into words."""
    return bool(one.text) and one.no_speech_prob <= guards.NO_SPEECH and left_out(one, speech, begin) > 0


def _hear(group: _Group, rung: Rung, step: int) -> list[Heard]:
    model, windows = group.model, group.windows
    options = model.options
    prompts = [
        model.whisper.get_prompt(model.tokenizer(one.language), [], without_timestamps=not rung.timestamps)
        for one in windows
    ]
    how: dict[str, Any] = {"beam_size": options.beam_size, "patience": options.patience}
    if rung.temperature:
        how = {
            "beam_size": 1, "num_hypotheses": _BEST_OF, "sampling_topk": 0, "sampling_temperature": rung.temperature
        }  # fmt: skip
    results = model._generate(
        group.encoded,
        prompts,
        **how,
        length_penalty=options.length_penalty,
        max_length=model.whisper.max_length,
        suppress_blank=options.suppress_blank,
        suppress_tokens=options.suppress_tokens,
        no_repeat_ngram_size=rung.no_repeat_ngram,
        repetition_penalty=rung.repetition_penalty,
        max_initial_timestamp_index=_MAX_INITIAL_TIMESTAMP,
        return_scores=True,
        return_no_speech_prob=True,
    )
    heard = []
    for window, result in zip(windows, results, strict=True):
        tokenizer = model.tokenizer(window.language)
        tokens = tuple(one for one in result.sequences_ids[0] if one != tokenizer.eot)
        length = len(result.sequences_ids[0])
        logprob = result.scores[0] * (length**options.length_penalty) / (length + 1)
        text = tokenizer.decode([one for one in tokens if one < tokenizer.eot]).strip()
        failed = guards.failures(text, logprob, result.no_speech_prob)
        ratio = guards.compression_ratio(text)
        heard.append(Heard(tokens, text, logprob, result.no_speech_prob, ratio, step, rung.temperature, failed))
    return heard


def _with_words(group: _Group, heard: Sequence[Heard]) -> list[Heard]:
    done = list(heard)
    for language in dict.fromkeys(one.language for one in group.windows):
        tokenizer = group.model.tokenizer(language)
        mine = [i for i, one in enumerate(group.windows) if one.language == language and heard[i].text]
        if not mine:
            continue
        part = group.part(mine)
        tokens = [[one for one in heard[i].tokens if one < tokenizer.eot] for i in mine]
        found = group.model.whisper.find_alignment(tokenizer, tokens, part.encoded, list(part.frames))
        for index, words in zip(mine, found, strict=True):
            done[index] = replace(heard[index], words=tuple(words))
    return done
