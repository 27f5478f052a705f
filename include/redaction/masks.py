"""The labelled masks: the same person, number or address is the same mask throughout."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from include.redaction.hits import Hit, Kind

__all__ = ["Masks", "apply"]

_LABELS: Final[dict[str, dict[Kind, str]]] = {
    "ko": {
        "name": "이름", "phone": "전화번호", "resident_number": "주민등록번호", "card": "카드번호",
        "account": "계좌번호", "number": "번호", "plate": "차량번호", "email": "이메일", "url": "인터넷주소",
        "address": "주소", "term": "지정어", "passage": "가린 구절", "file_name": "파일명",
        "dump": "원시 바이트",
    },
    "en": {
        "name": "NAME", "phone": "PHONE", "resident_number": "RESIDENT NUMBER", "card": "CARD", "account": "ACCOUNT",
        "number": "NUMBER", "plate": "PLATE", "email": "E-MAIL", "url": "URL", "address": "ADDRESS", "term": "TERM",
        "passage": "MASKED PASSAGE", "file_name": "FILE NAME",
        "dump": "RAW BYTES",
    },
}  # fmt: skip


@dataclass
class Masks:
    """Gives masks out, numbered within a kind in the order in which they are first asked for."""

    language: Literal["ko", "en"]
    _given: dict[tuple[Kind, str], str] = field(default_factory=dict)
    _count: dict[Kind, int] = field(default_factory=dict)

    def of(self, kind: Kind, entity: str) -> str:
        """The mask of an entity: ``[이름 1]``, ``[PHONE 2]``."""
        if (kind, entity) not in self._given:
            self._count[kind] = self._count.get(kind, 0) + 1
            self._given[kind, entity] = f"[{_LABELS[self.language][kind]} {self._count[kind]}]"
        return self._given[kind, entity]

    def counts(self) -> dict[Kind, int]:
        """How many different ones of each kind were masked."""
        return dict(self._count)


def apply(text: str, masked: list[tuple[Hit, str]], start: int = 0, end: int | None = None) -> str:
    """The characters ``start`` to ``end`` of a text with masks for the hits, which are in order and disjoint."""
    end = len(text) if end is None else end
    out, at = [], start
    for hit, mask in masked:
        if hit.end <= start or hit.start >= end:
            continue
        out += [text[at : max(at, hit.start)], mask]
        at = min(hit.end, end)
    return "".join(out) + text[at:end]
