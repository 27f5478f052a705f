"""Who speaks with whom, as far as somebody stated who the speakers are. Voices are never compared."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from include.report.case_svg import INK, SOFT, WIDTH, drawing, label, line
from include.report.text import clean, number, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from include.report.case_facts import CaseEntry

__all__ = ["MOST_DRAWN", "Network", "Person", "Tie", "draw_network", "network"]

MOST_DRAWN = 18
"""Persons in the drawing; the table has all."""


@dataclass
class Person:
    """Somebody, by the name that was stated."""

    name: str
    speech_s: float = 0.0
    recordings: list[str] = field(default_factory=list)
    """Keys of the recordings in which this person speaks."""
    unnamed: int = 0
    """Of those, how many hold other speakers whom nobody named."""


@dataclass
class Tie:
    """Two persons who both speak in a recording."""

    one: str
    other: str
    recorded_s: float = 0.0
    """Seconds of the recordings that both speak in."""
    recordings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Network:
    """Persons and ties, most speech first; ties by recorded time."""

    persons: list[Person]
    ties: list[Tie]


def network(entries: Sequence[CaseEntry]) -> Network:
    """Link speakers over recordings where the same name was stated for them, and nowhere else.

    Names are the same when their text is (Unicode form and spaces at the ends aside).
    """
    persons: dict[str, Person] = {}
    ties: dict[tuple[str, str], Tie] = {}
    for entry in entries:
        spoken: dict[str, float] = defaultdict(float)
        for one in entry.speakers:
            if one.person is not None:
                spoken[clean(one.person).strip()] += one.speech_s
        unnamed = any(one.person is None for one in entry.speakers)
        for name, seconds in spoken.items():
            person = persons.setdefault(name, Person(name))
            person.speech_s += seconds
            person.recordings.append(entry.key)
            person.unnamed += unnamed
        for pair in combinations(sorted(spoken), 2):
            tie = ties.setdefault(pair, Tie(*pair))
            tie.recorded_s += entry.duration_s
            tie.recordings.append(entry.key)
    return Network(
        sorted(persons.values(), key=lambda one: (-one.speech_s, one.name)),
        sorted(ties.values(), key=lambda one: (-one.recorded_s, one.one, one.other)),
    )


def draw_network(found: Network, *, title: str, minutes: str, unnamed: str) -> Markup | None:
    """Draw the persons of most speech in a circle, always in the same places; None when there are none.

    Args:
        found: persons and ties.
        title: alternative text.
        minutes: how a tie is told, with ``{n}`` recordings and ``{m}`` minutes.
        unnamed: how speech with speakers whom nobody named is told, with ``{n}`` recordings.
    """
    drawn = found.persons[:MOST_DRAWN]
    if not drawn:
        return None
    height = 190.0 if len(drawn) <= 3 else 330.0
    middle, radius = height / 2, height / 2 - (46 if len(drawn) <= 3 else 56)
    places = {one.name: _place(at, len(drawn), middle, radius) for at, one in enumerate(drawn)}
    spoken = {one.name: one.speech_s for one in drawn}
    most = max((tie.recorded_s for tie in found.ties), default=0.0) or 1.0
    body: list[str] = []
    notes: list[str] = []
    shown = [tie for tie in found.ties if tie.one in places and tie.other in places]
    for tie in shown:
        (x1, y1), (x2, y2) = places[tie.one], places[tie.other]
        body.append(line(x1, y1, x2, y2, ink="#8b95a3", width=0.8 + 5.2 * tie.recorded_s / most))
        if len(shown) <= 8:
            if spoken[tie.one] < spoken[tie.other]:  # the note stands nearer to who speaks less: fewer lines meet there
                x1, y1, x2, y2 = x2, y2, x1, y1
            text = minutes.format(n=len(tie.recordings), m=number(tie.recorded_s / 60, 1))
            x, y = x1 + (x2 - x1) * 0.62, y1 + (y2 - y1) * 0.62
            notes.append(_note(x, y, text))
    loudest = max(one.speech_s for one in drawn) or 1.0
    for one in drawn:
        x, y = places[one.name]
        size = 6 + 9 * math.sqrt(one.speech_s / loudest)
        body.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" fill="{INK}" stroke="#ffffff" stroke-width="1"/>'
        )
        notes += _name(one, x, y, size, unnamed)
    return drawing(height, title, body + notes)


def _place(at: int, count: int, middle: float, radius: float) -> tuple[float, float]:
    """Evenly on an ellipse, from the left; two persons stand beside each other."""
    angle = math.pi + 2 * math.pi * at / count
    return (WIDTH / 2 + math.cos(angle) * radius * (1.9 if count <= 3 else 1.55), middle + math.sin(angle) * radius)


def _note(x: float, y: float, text: str) -> str:
    width = sum(7.6 if ord(char) > 0x2FF else 4.3 for char in text) + 6
    back = f'<rect x="{x - width / 2:.1f}" y="{y - 7:.1f}" width="{width:.1f}" height="11" fill="#ffffff" rx="2"/>'
    return back + label(x, y + 2, text, size=7.5)


def _name(one: Person, x: float, y: float, size: float, unnamed: str) -> list[str]:
    """The name outside of the circle, and below it how much of the speech is with others unnamed."""
    side = "end" if x < WIDTH / 2 - 40 else "start" if x > WIDTH / 2 + 40 else "middle"
    beside = {"end": x - size - 4, "start": x + size + 4, "middle": x}[side]
    level = y + 3 if side != "middle" else y - size - 12 if y < 140 else y + size + 11
    told = [label(beside, level, shorten(one.name, 17), anchor=side, fill=INK, size=9)]
    if one.unnamed:
        told.append(label(beside, level + 9.5, unnamed.format(n=one.unnamed), anchor=side, fill=SOFT, size=7))
    return told
