"""Second decodes: what other settings heard. Fragments and mishearings must not give away what is masked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from include.redaction.hits import Hit
from include.redaction.lines import across
from include.stt import Confirmation

__all__ = ["MaskText", "redact_confirmation"]


class MaskText(Protocol):
    """Masks one text of a document."""

    def __call__(self, text: str, path: str, *, more: Sequence[Hit] = (), fragment: bool = False) -> str:
        """With hits that were found with its neighbours; ``fragment``: it is one word of a list."""

    def passage(self, text: str, path: str) -> str:
        """Masks all of it."""


def redact_confirmation(
    told: Confirmation, path: str, mask: MaskText, found_in: Callable[[str], int], needed: Callable[[float, float], int]
) -> Confirmation:
    """A copy with its texts masked.

    A variant in whose window the transcript has more masks than are found in the variant's own text is masked as a
    whole: it heard the name or number in other words, and no rule can tell which.

    Args:
        told: a span decoded again.
        path: where it stands.
        mask: masks a text.
        found_in: how many hits a text has.
        needed: how many masks the transcript has between two times, seconds.
    """
    missed = [found_in(one.text) < needed(one.start, one.end) for one in told.variants]

    def listed(texts: Sequence[str], where: str, whole: bool) -> list[str]:
        if whole:
            return [mask.passage(one, f"{where}[{at}]") for at, one in enumerate(texts)]
        hits = across(texts)
        return [mask(one, f"{where}[{at}]", more=hits[at], fragment=True) for at, one in enumerate(texts)]

    variants = []
    for at, one in enumerate(told.variants):
        here, whole = f"{path}.variants[{at}]", missed[at]
        text = mask.passage if whole else mask
        variants.append(
            one.model_copy(
                update={
                    "text": text(one.text, f"{here}.text"),
                    "heard": mask.passage(one.heard, f"{here}.heard")
                    if whole
                    else mask(one.heard, f"{here}.heard", fragment=True),
                    "inserted": listed(one.inserted, f"{here}.inserted", whole),
                    "alternatives": [
                        other.model_copy(
                            update={
                                "text": mask.passage(other.text, f"{here}.alternatives[{n}].text")
                                if found_in(other.text) < needed(one.start, one.end)
                                else mask(other.text, f"{here}.alternatives[{n}].text")
                            }
                        )
                        for n, other in enumerate(one.alternatives)
                    ],
                }
            )
        )
    width = max((len(word.heard) for word in told.words), default=0)
    columns = [
        listed(
            [word.heard[k] if k < len(word.heard) else "" for word in told.words],
            f"{path}.heard",
            k < len(missed) and missed[k],
        )
        for k in range(width)
    ]
    texts = listed([word.text for word in told.words], f"{path}.words", False)
    words = [
        word.model_copy(update={"text": texts[at], "heard": [columns[k][at] for k in range(len(word.heard))]})
        for at, word in enumerate(told.words)
    ]
    return told.model_copy(update={"words": words, "variants": variants})
