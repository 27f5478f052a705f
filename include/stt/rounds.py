"""All recordings together: a stretch of speech is a chain of windows, each round decodes one window of every chain.

Where the decoder's last time stamp ends before the window, the chain goes on from there in the next round (Whisper's
sequential algorithm, in batches). Speech that no word covers afterwards is decoded once more on its own; what stays
uncovered is said.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from include.stt import guards, language
from include.stt.audio import SAMPLE_RATE
from include.stt.decoding import decode_group, feature_seconds
from include.stt.rows import stack, take_rows
from include.stt.segments import chunks_of, covered_by, within
from include.stt.tone import DOUBTFUL, TONES, with_tone
from include.stt.vad import pack, subtract
from include.stt.wholeness import LEAST_UNCOVERED_S, more_whole
from include.stt.work import Decoded, DecodeItem, Dropped, Heard, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.engine import SpeechModel
    from include.stt.words import DecodedChunk

__all__ = ["decode_items"]

_LEAST_REST_S = 0.3
"""A chain whose rest is shorter than this has ended."""
_PAD_S = 0.3
_ACCEPT_LOG_PROB = -0.8
"""A text of the second pass has to be likelier than one of the first."""
_KEPT_GROUPS = 4
"""Encoder outputs that wait for their recording's language: at most about this many groups."""


def decode_items(model: SpeechModel, items: Sequence[DecodeItem]) -> list[Decoded]:
    """Decode recordings together.

    Raises:
        DeviceMemoryError: the device has no room for one window.
    """
    done: list[Decoded] = []
    while len(done) < len(items):
        part = _slice(model, items[len(done) :])
        done += _Run(model, part).decode()
    return done


def _slice(model: SpeechModel, items: Sequence[DecodeItem]) -> Sequence[DecodeItem]:
    kept = 0
    for index, item in enumerate(items):
        kept += min(len(item.chunks), language.SAMPLED_WINDOWS) if item.language == "auto" else 0
        if kept >= _KEPT_GROUPS * model.batch_size:
            return items[: index + 1]
    return items


class _Run:
    """One call's state: nothing of it outlives the call."""

    def __init__(self, model: SpeechModel, items: Sequence[DecodeItem]) -> None:
        self._model, self._items = model, items
        self._done = [Decoded(language=one.language) for one in items]
        self._made: list[dict[Window, list[DecodedChunk]]] = [{} for _ in items]
        self._languages: list[list[tuple[Window, tuple[tuple[str, float], ...]]]] = [[] for _ in items]
        self._encoded: dict[Window, Any] = {}
        self._floors: dict[tuple[int, int], float] = {}

    def decode(self) -> list[Decoded]:
        """Everything, in the order of the items."""
        roots = [
            [Window(n, *chunk, language=item.language) for chunk in item.chunks if chunk[2] > chunk[1]]
            for n, item in enumerate(self._items)
        ]
        self._find_languages(roots)
        self._chains([replace(one, language=self._done[one.item].language) for windows in roots for one in windows])
        self._in_own_language()
        self._again()
        for number, found in enumerate(self._done):
            chunks = [chunk for made in self._made[number].values() for chunk in made]
            found.chunks = sorted(chunks, key=lambda one: (one.channel, one.start, one.end))
            found.uncovered = self._uncovered(number)
            found.windows = [language.window_of(*one) for one in sorted(self._languages[number], key=_by_time)]
        return self._done

    # languages

    def _find_languages(self, roots: Sequence[Sequence[Window]]) -> None:
        asked = [
            one for windows in roots if windows and windows[0].language == "auto" for one in language.sample(windows)
        ]
        for window, found in zip(asked, self._in_groups(asked, self._listen), strict=True):
            self._languages[window.item].append((window, found))
        for found_here, done, item in zip(self._languages, self._done, self._items, strict=True):
            if found_here:
                done.language, done.probability = language.overall(found_here)
            elif item.language == "auto":
                done.language = "und"

    def _listen(self, windows: Sequence[Window]) -> list[tuple[tuple[str, float], ...]]:
        encoded = self._encode(windows)
        found = self._model.languages(encoded)
        for index, window in enumerate(windows):
            self._encoded[_key(window)] = take_rows(encoded, [index], self._model.device)
        return found

    def _in_own_language(self) -> None:
        again = []
        for number, item in enumerate(self._items):
            if item.language != "auto":
                continue
            other = language.elsewhere(self._languages[number], self._done[number].language)
            self._done[number].mixed = bool(other)
            for window, code in other.items():
                key = replace(window, language=self._done[number].language)
                self._made[number].pop(key, None)
                kept = [one for one in self._done[number].dropped if not _inside(one, window)]
                self._done[number].dropped = kept
                again.append(replace(key, language=code))
        self._chains(again)

    # decoding

    def _chains(self, roots: Sequence[Window]) -> None:
        live = [(root, root) for root in roots]
        while live:
            heard = self._hear([window for _, window in live])
            going = []
            for (root, window), one in zip(live, heard, strict=True):
                self._note_language(root, window, one)
                chunks, end = chunks_of(window, one, self._model.tokenizer(window.language))
                self._made[root.item].setdefault(root, []).extend(self._guarded(window, chunks))
                if window.start < end < window.end - _LEAST_REST_S:
                    going.append((root, replace(window, start=end)))
            live = going

    def _hear(self, windows: Sequence[Window]) -> list[Heard]:
        """Decode windows; what is doubtful, with other tones as well: the likeliest text counts.

        Not where the first hearing takes it for no speech: another tone must not talk noise into words.
        """
        heard: list[Heard] = self._in_groups(windows, self._decode)
        for tone in range(1, len(TONES)):
            again = [
                index
                for index, one in enumerate(heard)
                if one.text
                and one.no_speech_prob <= guards.NO_SPEECH
                and (one.failed or one.avg_logprob < DOUBTFUL[tone])
            ]
            others = self._in_groups([replace(windows[i], tone=tone) for i in again], self._decode)
            for index, other in zip(again, others, strict=True):
                first = heard[index]
                silence = max(first.no_speech_prob, other.no_speech_prob)
                window = windows[index]
                begin = self._model.tokenizer(window.language).timestamp_begin
                best = more_whole(first, other, self._speech(window), begin)
                heard[index] = replace(best, languages=first.languages, no_speech_prob=silence)
        return heard

    def _note_language(self, root: Window, window: Window, heard: Heard) -> None:
        known = self._languages[window.item]
        if self._items[window.item].language != "auto":  # asked for by a neighbour in the same batch only
            return
        if heard.languages and window == root and all(_key(one) != _key(window) for one, _ in known):
            known.append((window, heard.languages))

    def _guarded(self, window: Window, chunks: Sequence[DecodedChunk]) -> list[DecodedChunk]:
        kept = []
        audio = self._items[window.item].channels[window.channel]
        for chunk in chunks:
            spans = [(w.start, w.end) for w in chunk.words if w.start is not None and w.end is not None]
            flags = list(chunk.flags)
            if spans and guards.energy_above_floor(audio, spans, self._floor(window)) < guards.FLOOR_DB:
                flags.append("no_energy")
            if guards.beyond_doubt(flags):
                self._done[window.item].dropped.append(
                    Dropped(chunk.channel, chunk.start, chunk.end, chunk.text, tuple(flags))
                )
            else:
                kept.append(replace(chunk, flags=flags))
        return kept

    def _floor(self, window: Window) -> float:
        key = (window.item, window.channel)
        if key not in self._floors:
            self._floors[key] = guards.noise_floor(self._items[window.item].channels[window.channel])
        return self._floors[key]

    def _in_groups(self, windows: Sequence[Window], act: Callable[[Sequence[Window]], list[Any]]) -> list[Any]:
        """Windows with features of the same length together; results in the order of the windows."""
        steps: dict[float, list[int]] = {}
        for index, window in enumerate(windows):
            steps.setdefault(feature_seconds(window.seconds), []).append(index)
        results: list[Any] = [None] * len(windows)
        for indices in steps.values():
            for index, one in zip(indices, self._model.in_groups([windows[i] for i in indices], act), strict=True):
                results[index] = one
        return results

    def _decode(self, windows: Sequence[Window]) -> list[Heard]:
        detect = any(self._items[one.item].language == "auto" for one in windows)
        encoded = self._encode(windows)
        speech = [self._speech(one) for one in windows]
        heard = decode_group(self._model, windows, self._parts(windows), encoded, speech=speech, detect=detect)
        for window in windows:  # only now: a group that ran out of memory comes again
            self._encoded.pop(_key(window), None)
        return heard

    def _encode(self, windows: Sequence[Window]) -> Any:
        kept = [self._encoded.get(_key(one)) for one in windows]
        if all(one is not None for one in kept) and len(kept) == 1:
            return kept[0]
        missing = [index for index, one in enumerate(kept) if one is None]
        parts = self._parts([windows[i] for i in missing])
        if missing:
            seconds = feature_seconds(windows[0].seconds)
            fresh = self._model.encode_audio(parts, seconds)
            if len(missing) == len(windows):
                return fresh
            for row, index in enumerate(missing):
                kept[index] = take_rows(fresh, [row], self._model.device)
        return stack(kept, self._model.device)

    def _parts(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        return [self._part(one) for one in windows]

    def _part(self, window: Window) -> NDArray[np.float32]:
        item = self._items[window.item]
        audio = item.channels[window.channel][int(window.start * SAMPLE_RATE) : int(window.end * SAMPLE_RATE)]
        if not window.tone:
            return audio
        return with_tone(audio, window.tone, self._speech(window))

    def _speech(self, window: Window) -> list[tuple[float, float]]:
        """Speech in a window, seconds from its start."""
        return [
            (max(start, window.start) - window.start, min(end, window.end) - window.start)
            for start, end in self._items[window.item].speech(window.channel)
            if start < window.end and end > window.start
        ]

    # what no word covers

    def _uncovered(self, number: int) -> list[tuple[int, float, float]]:
        item, found = self._items[number], []
        for channel in range(len(item.channels)):
            chunks = [c for made in self._made[number].values() for c in made if c.channel == channel]
            spans = [span for chunk in chunks for span in covered_by(chunk)]
            left = subtract(item.speech(channel), spans, LEAST_UNCOVERED_S)
            found += [(channel, round(start, 3), round(end, 3)) for start, end in left]
        return found

    def _again(self) -> None:
        windows, holes = [], []
        for number, item in enumerate(self._items):
            for channel, start, end in self._uncovered(number):
                length = len(item.channels[channel]) / SAMPLE_RATE
                for first, last in pack([(max(start - _PAD_S, 0.0), min(end + _PAD_S, length))], 28.0):
                    windows.append(Window(number, channel, first, last, self._done[number].language, decode_pass=2))
                    holes.append((start, end))
        for window, hole, heard in zip(windows, holes, self._hear(windows), strict=True):
            if heard.failed or heard.avg_logprob < _ACCEPT_LOG_PROB or heard.no_speech_prob > guards.NO_SPEECH:
                continue
            chunks, _ = chunks_of(window, heard, self._model.tokenizer(window.language))
            inside = [cut for chunk in chunks if (cut := within(chunk, hole)) is not None]
            kept = [one for one in self._guarded(window, inside) if "stock_phrase" not in one.flags]
            if kept:
                self._made[window.item][window] = kept


def _key(window: Window) -> Window:
    return replace(window, language="")


def _inside(one: Dropped, window: Window) -> bool:
    return one.channel == window.channel and window.start <= one.start and one.end <= window.end


def _by_time(found: tuple[Window, Any]) -> tuple[int, float]:
    return found[0].channel, found[0].start
