"""Defences against words that nobody said.

Whisper writes something under any sound: loops, what its training subtitles end with, a word or two under noise. Each
check here names what it found, as a flag on the text; :func:`beyond_doubt` says which of them together leave no doubt.
The thresholds are Whisper's own (openai/whisper ``transcribe.py``) unless said otherwise.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.work import Region

__all__ = [
    "COMPRESSION_RATIO", "FLOOR_DB", "LOG_PROB", "NO_SPEECH", "beyond_doubt", "compression_ratio", "energy_above_floor",
    "failures", "flags_of", "has_loop", "is_stock_phrase", "noise_floor",
]  # fmt: skip

COMPRESSION_RATIO = 2.4
LOG_PROB = -1.0
NO_SPEECH = 0.6
FLOOR_DB = 3.0
"""Words over audio less than this above the recording's noise floor have no voice under them (own choice)."""

# Subtitle credits and sign-offs that Whisper is known to write under silence, noise and music (openai/whisper
# discussions 928 and 1606, faster-whisper issue 843); compared after everything but letters and digits is gone.
_STOCK = (
    r"(지금까지)?(오늘도)?(영상을?|끝까지|여기까지)?시청해?주?(셔서|신)?(여러분)?감사합니다",
    r"(다음영상에서|다음에)(또)?(만나요|뵙겠습니다|뵈어요|봐요)",
    r"(구독과?)?(과|및)?(좋아요)?(와|과)?(알림설정)?(구독|좋아요|알림설정)(까지)?(부탁드립니다|부탁드려요|부탁해요|눌러주세요)?",
    r"(mbc|kbs|sbs|ytn|jtbc)(뉴스)?[가-힣]{2,4}입니다",
    r"(한글|영어|한국어)?자막(제작|제공|by).{0,20}|(한글|영어|한국어)자막(입니다)?|자막은설정에서.{0,20}",
    r"(thankyou|thanks)(somuch|verymuch)?forwatching(thisvideo|everyone)?",
    r"(please)?(like(and|,)?)?subscribe(tomychannel|tothechannel|andlike)?",
    r"(subtitles?|captions?|transcription|translation)(by|provided).*",
    r"seeyou(inthe)?next(time|video)",
    r"amaraorg.*|.*amaraorg(community)?",
)  # fmt: skip
_STOCK_WEAK = (
    "you", "bye", "byebye", "thankyou", "감사합니다", "고맙습니다", "수고하셨습니다", "네", "아", "음",
    "so", "oh", "the", "i",
)  # fmt: skip
"""Said by people as well: only together with other doubts."""
_FRAMES_A_BLOCK = 1200
_STOCK_RE = re.compile("|".join(f"(?:{one})" for one in _STOCK))


def compression_ratio(text: str) -> float:
    """Bytes over zlib-compressed bytes: text that repeats itself compresses well."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def _letters(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKC", text).lower() if one.isalnum())


def has_loop(text: str) -> bool:
    """Whether a word or a run of characters comes again and again without a break.

    Four times the same run of up to four words, or eight times the same up to 12 characters (a loop of spaceless
    script): people repeat a word two or three times ("네 네 네"), a decoder's loop goes on (own choice).
    """
    words = text.split()
    for size in range(1, 5):
        for start in range(len(words) - 4 * size + 1):
            one = words[start : start + size]
            if len("".join(one)) > 2 and words[start : start + 4 * size] == one * 4:
                return True
    return re.search(r"(.{1,12}?)\1{7,}", _letters(text)) is not None


def is_stock_phrase(text: str) -> bool:
    """Whether the text is, as a whole, one of the sign-offs and credits that Whisper invents."""
    letters = _letters(text)
    return bool(letters) and _STOCK_RE.fullmatch(letters) is not None


def failures(text: str, avg_logprob: float, no_speech_prob: float) -> tuple[str, ...]:
    """Checks that a window's text fails, so that it is decoded again; empty when it passes.

    Silence that is taken for silence (``no_speech_prob`` high, log-probability low) is no failure, as in Whisper.
    """
    if avg_logprob < LOG_PROB and no_speech_prob > NO_SPEECH:
        return ()
    found = []
    if compression_ratio(text) > COMPRESSION_RATIO or has_loop(text):
        found.append("repetitive")
    if avg_logprob < LOG_PROB:
        found.append("low_confidence")
    return tuple(found)


def flags_of(text: str, avg_logprob: float, no_speech_prob: float) -> list[str]:
    """Everything about a text that speaks against it."""
    flags = []
    if compression_ratio(text) > COMPRESSION_RATIO or has_loop(text):
        flags.append("repetitive")
    if avg_logprob < LOG_PROB:
        flags.append("low_confidence")
    if no_speech_prob > NO_SPEECH:
        flags.append("maybe_no_speech")
    if is_stock_phrase(text):
        flags.append("stock_phrase")
    elif _letters(text) in _STOCK_WEAK and no_speech_prob > NO_SPEECH:
        flags.append("stock_word")
    return flags


def energy_above_floor(audio: NDArray[np.float32], spans: Sequence[Region], floor_db: float) -> float:
    """How far the loudest 50 ms of the spans lie above the noise floor, dB.

    Args:
        audio: one channel, 16 kHz.
        spans: seconds.
        floor_db: the noise floor, dB relative to full scale.
    """
    import numpy as np

    levels = [
        _levels(audio[int(start * 16000) : max(int(end * 16000), int(start * 16000) + 800)]) for start, end in spans
    ]
    loud = np.concatenate(levels) if levels else np.zeros(0)
    return float(np.max(loud) - floor_db) if loud.size else 0.0


def noise_floor(audio: NDArray[np.float32]) -> float:
    """The level below which a tenth of all 50-ms frames lie, dB relative to full scale; digital silence left out."""
    import numpy as np

    levels = _levels(audio)
    levels = levels[levels > -119]
    return float(np.percentile(levels, 10)) if levels.size else -120.0


def _levels(audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each 50 ms, dB relative to full scale; minute by minute: 70 in float64 would be a gigabyte."""
    import numpy as np

    whole = audio[: len(audio) // 800 * 800].reshape(-1, 800)
    power = np.empty(len(whole))
    for first in range(0, len(whole), _FRAMES_A_BLOCK):
        power[first : first + _FRAMES_A_BLOCK] = np.mean(
            whole[first : first + _FRAMES_A_BLOCK].astype(np.float64) ** 2, axis=1
        )
    level: NDArray[np.float64] = 10 * np.log10(power + 1e-12)
    return level


def beyond_doubt(flags: Sequence[str]) -> bool:
    """Whether flags together say that nobody said this.

    No voice energy under the words; a stock phrase or word that the model itself takes for no speech; silence by
    Whisper's own rule (no-speech and a low log-probability).
    """
    has = set(flags)
    return (
        "no_energy" in has
        or ("maybe_no_speech" in has and bool(has & {"stock_phrase", "stock_word", "low_confidence", "repetitive"}))
        or {"repetitive", "low_confidence"} <= has
    )
