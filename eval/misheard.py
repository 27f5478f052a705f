"""The written tests as a recogniser would have heard them: part ``misheard``.

There is no recorded Korean speech of crimes to transcribe (espeak-ng's Korean is not understood by Whisper base), so
this counts the errors that this project's own path makes on real speech, ``ko_speech`` and ``ko_calls`` of the
development data, and puts errors of the same lengths, rate and sounds into the written calls and dialogues: which
syllables go wrong is drawn at random, what they become by how often each initial, vowel and final was heard as which.
Real errors follow words, so these are the harder ones. :data:`SCALES` says how many of the measured errors are made;
a larger model makes fewer.

``include/forensic/learned/misheard.py``, which training uses, knows nothing of these figures or data.
"""

from __future__ import annotations

import random
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Levenshtein

from eval import written_calls, written_dialogues
from eval.speech import calls, normalise, ours, utterances
from include.forensic.learned import LanguageModel
from include.stt import Transcriber

__all__ = ["SCALES", "Errors", "evaluate", "heard"]

SCALES = (0.0, 0.5, 1.0, 1.5)
"""Shares of the measured error rate: 0 is the text as written."""

LOST = 0.5
"""A transcript with more errors than this is of something else (a loop, a lost passage): nothing is learnt from it."""

_GAP = 0.06
"""Share of spaces left out beside the measured rate; spacing is not measured, for Korean spacing is not settled."""

_TRIES = 20


class Errors:
    """How often and how a recogniser errs, counted from what was said and what was heard."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.blocks: list[tuple[int, int]] = []
        """Lengths of each run of errors: syllables said, syllables heard."""
        self.added: list[str] = []
        self.sounds: list[defaultdict[int, Counter[int]]] = [defaultdict(Counter) for _ in range(3)]
        syllables = 0
        for said, found in ((normalise(a), normalise(b)) for a, b in pairs):
            if Levenshtein.distance(said, found) > LOST * len(said):
                continue
            syllables += len(said)
            for tag, a, b, c, d in Levenshtein.opcodes(said, found):
                if tag != "equal":
                    self._count(said[a:b], found[c:d])
        self.rate = len(self.blocks) / max(1, syllables)
        self.cer = sum(max(block) for block in self.blocks) / max(1, syllables)

    def _count(self, said: str, found: str) -> None:
        self.blocks.append((len(said), len(found)))
        self.added += found
        for one, other in zip(said, found, strict=False):
            if (first := _places(one)) and (second := _places(other)):
                for part in range(3):
                    self.sounds[part][first[part]][second[part]] += 1

    def heard(self, text: str, draw: random.Random, scale: float) -> str:
        """The text with errors like the counted ones, without punctuation."""
        left = [c for c in unicodedata.normalize("NFC", text) if c.isalnum() or c == " "]
        found: list[str] = []
        while left:
            one = left.pop(0)
            if one == " ":
                found += [] if draw.random() < _GAP * scale else [" "]
            elif draw.random() < self.rate * scale:
                said, instead = draw.choice(self.blocks)
                hit = [one]
                while said > len(hit) and left and left[0] != " ":
                    hit.append(left.pop(0))
                found += [self._like(c, draw) for c in hit[:instead]] if said else [one]
                found += draw.choices(self.added, k=max(0, instead - said)) if instead > said else []
            else:
                found.append(one)
        return " ".join("".join(found).split()) or text

    def _like(self, one: str, draw: random.Random) -> str:
        places = _places(one)
        if places is None:
            return one
        other = list(places)
        for _ in range(_TRIES):
            for part, place in enumerate(places):
                seen = self.sounds[part].get(place)
                other[part] = draw.choices(list(seen), list(seen.values()))[0] if seen else place
            if tuple(other) != places:
                break
        return chr(0xAC00 + other[0] * 588 + other[1] * 28 + other[2])


def _places(one: str) -> tuple[int, int, int] | None:
    code = ord(one) - 0xAC00
    return (code // 588, code % 588 // 28, code % 28) if "가" <= one <= "힣" else None


def heard(call: dict[str, Any], errors: Errors, scale: float) -> dict[str, Any]:
    """A call of :func:`eval.written_calls.calls` with errors; the same ones each time. Scale 0: the call as it is."""
    if not scale:
        return call
    draw = random.Random(call["id"])
    return {**call, "turns": [{**t, "text": errors.heard(t["text"], draw, scale)} for t in call["turns"]]}


def evaluate(data: Path, model: LanguageModel, limit: int | None = None) -> dict[str, Any]:
    """Both written tests (Korean) at each scale.

    Args:
        data: the development data: ``ko_speech`` and ``ko_calls``.
        model: the detector to ask beside the rules.
        limit: at most so many recordings to count errors from, calls and dialogues.
    """
    recordings = (utterances(data) + calls(data))[:limit]
    transcripts, _ = ours(recordings, Transcriber())
    pairs = zip(recordings, transcripts, strict=True)
    errors = Errors([(one.text, " ".join(s.text for s in made.segments)) for one, made in pairs])
    result: dict[str, Any] = {"errors": {"runs": len(errors.blocks), "of the syllables": round(errors.cer, 4)}}
    for scale in SCALES:
        dialogues = written_calls.calls(written_dialogues.DIALOGUES["ko"])[:limit]
        phishing = written_calls.calls()[:limit]
        measured = written_dialogues.measured([heard(call, errors, scale) for call in dialogues], model)
        result[f"{scale:g} times"] = {
            "dialogues": {name: measured[name] for name in ("harmful", "harmless", "curve of the highest probability")},
            "phishing": written_calls.measured([heard(call, errors, scale) for call in phishing], model),
        }
    return result
