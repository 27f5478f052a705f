"""Rules and model together.

Rules are precise where their words are plain, and find few; the model finds many and is less sure. ``eval/text.py``
prints rules alone, the model alone, and both:

- a match of severity 1 or 2 (mocking, belittling, pressing: words that quarrels and jokes share, and what a filter
  made ambiguous), or one put together from several places (each innocent by itself), is a finding only where the model,
  too, takes a window around it for possibly harmful (:data:`AGREEMENT`) and the dialogue for possibly of some group
  (:data:`SCENE_AGREEMENT`) and not plainly of others (:data:`GROUP_AGREEMENT`): insults are in extortion, too, and
  pressing in every quarrel; else it is set aside by the filter :data:`CONTEXT`. A severe match of one place stands
  unless the model is all but certain of the contrary (:data:`CONTRARY`): such are sayings that no filter knows. Plain
  violence, extortion and self-harm (:data:`PLAIN`) in one place stand whatever the model says: what is said beside a
  threat must not hide it. A welfare flag (:data:`WELFARE`) never needs the model: who says between other things that
  they would rather not live is heard too late when a model is wrong. Nothing is dropped without being shown;
- a group's probability is the model's; where a rule of the group made a finding of severity 2 or more it is raised to
  the upper half of the scale (``0.5 + p / 2``). The model's most probable group is raised with it, if the model is sure
  enough of it (:data:`LEADING`): the rule says that there is something, and the model is better at saying what
  (extortion is made of threats). In a dialogue of a few turns a group whose words are there but were set aside, or made
  ambiguous, by a filter is halved;
- the model makes a finding of its own only above the group's threshold in its card (in one or two turns alone above
  :data:`~include.forensic.learned.detector.ALONE_THRESHOLD`, and none of
  :data:`~include.forensic.learned.detector.NEVER_ALONE`), and only where no rule of that
  group matched in those turns, be it that a filter set the match aside; such a finding has the lowest severity: a place
  to listen to.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from include.forensic.hits import Hit, SetAside
from include.forensic.learned.detector import (
    ALONE,
    ALONE_ODDS,
    ALONE_THRESHOLD,
    NEVER_ALONE,
    SHORT,
    Prediction,
    Reading,
)

__all__ = [
    "AGREEMENT",
    "AGREEMENT_SHORT",
    "CONTEXT",
    "GROUP_AGREEMENT",
    "LEADING",
    "MODEL_SEVERITY",
    "PARAMETERS",
    "PLAIN",
    "WELFARE",
    "combined",
    "unmet",
    "weighed",
]

MODEL_SEVERITY = 1
"""A model's finding names no words that a reader could check, so it is never more than ambiguous."""

CONTEXT = "context"
"""Filter id of matches that the model's reading of their surroundings holds back."""

WEAK = 2
"""Up to this severity a match needs the model's agreement."""

AGREEMENT, AGREEMENT_SHORT = 0.6, 0.5
"""Probability of harm in a short window that agrees with a weak match, and the same in a dialogue of :data:`SHORT`
stretches or fewer. By held-out probabilities of the project's examples of five turns or more 87 of 100 weak matches of
one place in examples of their own group stay and 9 of 256 in harmless ones (with 0.5: 89 and 12); of those of shorter
ones 64 of 100 and 14 of 115 with 0.5 (with 0.6: 61 and 13)."""

SCENE_AGREEMENT = 0.14
"""Probability of the dialogue's most probable group that agrees with a weak match (with a prior of 2 %: 0.03)."""

GROUP_AGREEMENT = 0.05
"""Probability of a weak match's own group: half as much as the prior gives all groups. By held-out probabilities 10 of
100 weak matches of one place stay in examples of another group (with 0.02: 13), 19 of those of several places (24), and
but for one of 100 as many as with 0.02 in examples of their own."""

CONTRARY = 0.005
"""Below this probability of harm a severe match is set aside (with a prior of 2 %: 0.001)."""

PLAIN = ("THREAT", "EXTORTION", "SELF_HARM")
"""Families whose severe matches no context holds back."""

WELFARE = "SELF_HARM"
"""Matches of this family, weak ones too, are findings without the model's agreement: 살기 싫다 between ordinary things
has as little of it as 더워서 살기 싫다."""

LEADING = 0.027
"""From this probability on, the model's most probable group is raised together with a rule's."""

PARAMETERS = [
    MODEL_SEVERITY, WEAK, AGREEMENT, AGREEMENT_SHORT, SCENE_AGREEMENT, GROUP_AGREEMENT, CONTRARY, PLAIN, WELFARE,
    LEADING, ALONE, ALONE_ODDS, ALONE_THRESHOLD, NEVER_ALONE,
]  # fmt: skip
"""All of them: part of the digest of an analysis."""


def weighed(hits: Sequence[Hit], reading: Reading) -> tuple[list[Hit], list[SetAside]]:
    """Findings of rules, and the matches that the model holds back.

    Args:
        hits: of :func:`include.forensic.detect.examine`.
        reading: of :meth:`LanguageModel.read`.
    """
    scene = max((item.probability for item in reading.groups.values()), default=0.0)
    agreement = AGREEMENT_SHORT if reading.stretches <= SHORT else AGREEMENT
    kept: list[Hit] = []
    held: list[SetAside] = []
    for hit in hits:
        harm = reading.harm[hit.place.passage]
        if hit.category.startswith(WELFARE):
            agrees = True
        elif hit.severity <= WEAK or hit.related:
            own = reading.groups[hit.family].probability if hit.family in reading.groups else 0.0
            agrees = harm >= agreement and scene >= SCENE_AGREEMENT and own >= GROUP_AGREEMENT
        else:
            agrees = harm >= CONTRARY or hit.category.startswith(PLAIN)
        if agrees:
            kept.append(hit)
        else:
            held.append(SetAside(hit, CONTEXT))
    there = {hit.category for hit in kept if not hit.rule.data.beside}
    alone = [hit for hit in kept if hit.rule.data.beside and not there & set(hit.rule.data.beside)]
    held += [SetAside(hit, CONTEXT) for hit in alone]
    return [hit for hit in kept if hit not in alone], held


def combined(reading: Reading, fired: Collection[str], doubted: Collection[str] = ()) -> dict[str, float]:
    """Probability of each group from the model and the groups in which rules fired.

    Args:
        reading: of :meth:`LanguageModel.read`.
        fired: groups with a rule's finding of severity 2 or more.
        doubted: groups with ambiguous or set-aside matches; those that are in ``fired``, too, are not lowered.
    """
    own = {group: item.probability for group, item in reading.groups.items()}
    found = {
        group: round(value / 2, 4) if group in doubted and len(reading.harm) <= SHORT else value
        for group, value in own.items()
    }
    raised = set(fired)
    if fired and own:
        leading = max(own, key=lambda group: own[group])
        if own[leading] >= LEADING:
            raised.add(leading)
    for group in raised:
        found[group] = round(0.5 + own.get(group, 0.0) / 2, 4)
    return found


def unmet(found: Sequence[Prediction], hits: Collection[tuple[str, int]]) -> list[Prediction]:
    """The model's findings that no rule made.

    Args:
        found: of :meth:`LanguageModel.findings`.
        hits: group and turn of each rule's finding, and of each match that a filter set aside.
    """
    return [
        item
        for item in found
        if not any(group == item.group and item.first <= turn < item.last for group, turn in hits)
    ]
