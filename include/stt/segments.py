"""From a window's tokens to segments by the time stamps in them (the decoder's or a pause's), with their words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from include.stt import guards
from include.stt.transcript import Word
from include.stt.words import DecodedChunk

if TYPE_CHECKING:
    from include.stt.work import Heard, Region, Window

__all__ = ["PARAMETERS", "chunks_of", "covered", "covered_by", "within"]

_PRECISION_S = 0.02
_LETTER_S = 0.35
_WORD_S = 0.5
"""A word covers at most half a second and 0.35 s a letter before its end: attention gives what lies before a word, a
pause or a passage left out, to that word."""

PARAMETERS = {"word_s": _WORD_S, "letter_s": _LETTER_S}


def chunks_of(window: Window, heard: Heard, tokenizer: Any) -> tuple[list[DecodedChunk], float]:
    """Cut a window's text at its time stamps.

    Returns:
        The segments that have text, and where decoding has to go on, seconds: the window's end, or the last time stamp
        of a segment that was ended where the next one was begun and not finished (openai/whisper ``transcribe.py``).
    """
    begin = tokenizer.timestamp_begin
    tokens = heard.tokens
    pairs = [i for i in range(1, len(tokens)) if tokens[i] >= begin and tokens[i - 1] >= begin]
    single_end = len(tokens) >= 2 and tokens[-2] < begin <= tokens[-1]
    end = window.end
    cuts = [*pairs, len(tokens)] if pairs and single_end else (pairs or [len(tokens)])
    if pairs and not single_end:
        end = window.start + (tokens[cuts[-1] - 1] - begin) * _PRECISION_S
    if end <= window.start:  # no progress: the rest is taken as it is
        cuts, end = [len(tokens)], window.end
    timed, first = list(heard.words), 0
    chunks = []
    for cut in cuts:
        piece = tokens[first:cut]
        first = cut
        text_tokens = tuple(one for one in piece if one < tokenizer.eot)
        words, timed = _take(timed, len(text_tokens))
        stamps = [window.start + (one - begin) * _PRECISION_S for one in piece if one >= begin]
        text = tokenizer.decode(list(text_tokens)).strip()
        if not text:
            continue
        made = _words(words, window)
        times = [t for one in made for t in (one.start, one.end) if t is not None]
        start = min([stamps[0] if stamps else window.start, *times])
        stop = max([stamps[-1] if len(stamps) > 1 else window.end, *times])
        chunks.append(
            DecodedChunk(
                window.channel, round(max(start, window.start), 3), round(min(stop, window.end), 3), text, made,
                heard.avg_logprob, heard.no_speech_prob,
                _flags(text, heard),
                temperature=heard.temperature, compression_ratio=guards.compression_ratio(text),
                language=window.language, tokens=text_tokens, decode_pass=window.decode_pass,
            )
        )  # fmt: skip
    return chunks, end


def _flags(text: str, heard: Heard) -> list[str]:
    """Those of the segment's text, and the window's loop: cut at its time stamps, each turn of it looks like speech."""
    flags = guards.flags_of(text, heard.avg_logprob, heard.no_speech_prob)
    return flags if "repetitive" in flags or "repetitive" not in heard.failed else ["repetitive", *flags]


def _take(words: list[dict[str, Any]], tokens: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The words that the next ``tokens`` text tokens make, and the others."""
    seen = count = 0
    while count < len(words) and seen < tokens:
        seen += len(words[count]["tokens"])
        count += 1
    return [dict(one) for one in words[:count]], words[count:]


def _words(found: list[dict[str, Any]], window: Window) -> list[Word]:
    from faster_whisper.transcribe import merge_punctuations

    if not found:
        return []
    merge_punctuations(found, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
    words = []
    for one in found:
        if not one["word"].strip():
            continue
        first = min(window.start + float(one["start"]), window.end)
        last = min(max(window.start + float(one["end"]), first), window.end)
        score = min(max(float(one["probability"]), 0.0), 1.0)
        words.append(
            Word(text=one["word"], start=round(first, 3), end=round(last, 3), score=round(score, 4), timing="attention")
        )
    return words


def covered(start: float, end: float, text: str) -> Region:
    """What of a word's time is the word."""
    return max(start, end - _WORD_S - _LETTER_S * len(text.strip())), end


def covered_by(chunk: DecodedChunk) -> list[Region]:
    """Where a segment's words are; the segment itself when they have no times."""
    spans = []
    for word in chunk.words:
        if word.start is not None and word.end is not None:
            spans.append(covered(word.start, word.end, word.text))
    return spans or [(chunk.start, chunk.end)]


def within(chunk: DecodedChunk, hole: Region) -> DecodedChunk | None:
    """Of a segment, the words whose middle lies in a stretch that nothing covered; None when there are none."""
    inside = [
        one for one in chunk.words
        if one.start is not None and one.end is not None and hole[0] <= (one.start + one.end) / 2 <= hole[1]
    ]  # fmt: skip
    if not inside:
        return None
    text = "".join(one.text for one in inside).strip()
    start, end = inside[0].start or chunk.start, inside[-1].end or chunk.end
    return replace(chunk, words=inside, text=text, start=start, end=end)
