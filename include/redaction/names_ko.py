"""Korean names: before a title, called (민수야), said to be one's name, or standing alone with a surname.

Morphemes come from kiwipiepy. It tags most names as proper nouns (NNP) and marks words that no dictionary holds; both
are only candidates, because places, firms and common nouns look alike.
"""

# ruff: noqa: E501 (patterns read better whole, and Hangul counts twice)
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from include.forensic import Morpheme, morphemes
from include.redaction.hits import Hit, compact
from include.redaction.names_en import word_list

__all__ = ["find_korean_names", "looks_like_name"]

_DOUBLE: Final = "남궁|황보|제갈|선우|사공|서문|독고|동방"
_SURNAMES: Final = "김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주우구민진나지엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹모탁국어은편용"
_GIVEN: Final = frozenset(
    "가강건결겸경계고관광교국권규균근금기길김나남노누다단달담대덕도동두라란람래려련령로록룡루리린림마만명목무묵문미민"
    "방배백범병보복본봉빈사산상서석선설섭성세소솔송수숙순슬승시신아안애양언여연열엽영예오옥온완용우욱운웅원월유윤율은을의이익인일임자"
    "식곤구군득람모별비응필탁탄흥후갑실심업여왕샘봄빛"
    "장재전정제조종주준중지진찬창채천철청초총춘충치태택평표하학한해향헌혁현형혜호홍화환효훈휘희"
)
_NUMERALS: Final = frozenset("일이삼사오육칠팔구십백천만억")
_JOBS: Final = (
    "선생|과장|부장|차장|대리|사장|전무|상무|회장|팀장|실장|원장|소장|교수|박사|변호사|검사|판사|형사|수사관|조사관|경위|경사|경장|경감|순경"
    "|반장|계장|주임|사원|대표|국장|의원|간호사|기사|목사|집사|권사|장로|신부|스님|기자|작가|감독|코치|점장|지점장|매니저|이사|본부장|센터장|행정관"
)
_KIN: Final = (
    "누나|누님|언니|오빠|형님?|이모|삼촌|고모|할머니|할아버지|아저씨|아줌마|엄마|아빠|어머니|아버지|선배|후배|친구|씨네"
)
_TITLE: Final = re.compile(
    rf"(?<![가-힣])([가-힣]{{1,4}})\s?((?:씨|양|군)(?![가-힣]{{3}})|(?:{_JOBS})님?|님(?![가-힣]{{2}}))"
)
_KINSHIP: Final = re.compile(rf"(?<![가-힣])([가-힣]{{2,4}}?)(?:이)?(?:네)?\s?({_KIN})(?![가-힣]{{4}})")
_BARE: Final = re.compile(
    rf"(?<![가-힣])((?:{_DOUBLE})[가-힣]{{1,2}}|[{_SURNAMES}]\s?[가-힣]{{2}}|[{_SURNAMES}][가-힣])(?![\s]?(?:동|구|시)\b)"
)
_INTRO: Final = re.compile(
    r"(?:이름은?|성함은?|성명은?|본명은?)\s?(?:이|은|는|가)?\s?([가-힣]{2,4}?)(?=\s|이고|이에요|예요|입니다|이야|야|이라|라고|인데|[,.!?]|$)"
    r"|(?<![가-힣])(?:나|저|난|전|내가|제가|나야)\s([가-힣]{2,3}?)(?:인데|이야|예요|이에요|입니다|이라고|라고|이라니까)"
    r"|(?<![가-힣])([가-힣]{2,4}?)(?:이?라고|이?란)\s?(?:합니다|해요|하는|불러|부르|사람|애|놈|년|여자|남자|분)"
)
_PARTICLES: Final = (
    "이가|이는|이를|이랑|이한테|이하고|이도|이네|이야|이에게|이라고|이라는|이란|이만|이의|에게서|한테서|에게|한테|하고|이랑|랑|은|는|이|가|을|를|의|도|만|야|아|와|과"
    "|께서|께|보다|처럼|네|이에요|예요|입니다|인데요?|라고|라는|란|이죠|죠|이지|지|니|고|씨|님|요|로|부터|까지"
)
_PARTICLE: Final = re.compile(rf"(?:{_PARTICLES})?(?![가-힣])")


def find_korean_names(text: str) -> list[Hit]:
    """The names of a text; titles and particles stay."""
    if not re.search("[가-힣]", text):
        return []
    known = morphemes(text)
    return [*_titled(text, known), *_introduced(text), *_called(text, known), *_alone(text, known)]


def looks_like_name(word: str) -> bool:
    """Whether a word by itself has the form of a Korean name: a surname and one or two signs of given names."""
    if word in word_list("not_names_ko.txt") or word in word_list("places_ko.txt") or set(word) <= _NUMERALS:
        return False
    if re.fullmatch(rf"(?:{_DOUBLE})[가-힣]{{1,2}}", word):
        return True
    return bool(re.fullmatch(rf"[{_SURNAMES}][가-힣]{{1,2}}", word)) and set(word[1:]) <= _GIVEN and len(word) > 2


def _given(word: str) -> bool:
    listed = word in word_list("not_names_ko.txt") or word in word_list("places_ko.txt")
    return len(word) == 2 and set(word) <= _GIVEN and not listed and not set(word) <= _NUMERALS


def _hit(text: str, start: int, end: int, rule: str) -> Hit:
    return Hit(start, end, "name", rule, compact(text[start:end]))


def _titled(text: str, known: Sequence[Morpheme]) -> Iterator[Hit]:
    for found in _TITLE.finditer(text):
        word, title = found[1], found[2]
        spaced = text[found.end(1) : found.start(2)] != ""
        if word + title in word_list("not_names_ko.txt") or word in word_list("not_names_ko.txt"):
            continue
        if len(word) == 1:
            # 이 씨, 김 과장님, 박대리; 그 형사 and 두 분 are none
            glued = not spaced and _one_noun(known, found.start(1), found.start(2))  # 공사장, 이사장
            if (
                word in _SURNAMES
                and not glued
                and not title.startswith("님")
                and not (title in ("양", "군") and not spaced)
            ):
                yield Hit(found.start(), found.end(1), "name", "name.ko.surname_title", word + title.removesuffix("님"))
        elif (
            looks_like_name(word)
            or (_proper(known, found.start(1), found.end(1)) and _namelike(word))
            or (title[0] == "씨" and not _common(known, found.start(1), found.end(1)))
        ):
            yield _hit(text, found.start(1), found.end(1), "name.ko.title")
    for found in _KINSHIP.finditer(text):
        word = found[1]
        if _proper(known, found.start(1), found.end(1)) and (_given(word) or looks_like_name(word)):
            yield _hit(text, found.start(1), found.end(1), "name.ko.kin")


def _namelike(word: str) -> bool:
    return word not in word_list("places_ko.txt") and (set(word) <= _GIVEN or word[0] in _SURNAMES)


def _introduced(text: str) -> Iterator[Hit]:
    for found in _INTRO.finditer(text):
        group = found.lastindex or 0
        word = found[group]
        # "who is called …" is said of everything; "my name is …" only of names
        if looks_like_name(word) or (group < 3 and _given(word)):
            yield _hit(text, found.start(group), found.end(group), "name.ko.intro")


def _called(text: str, known: Sequence[Morpheme]) -> Iterator[Hit]:
    """민수야, 지영아: a given name before the vocative, of one morpheme or of two that no dictionary joins."""
    for token in known:
        word = text[token.start : token.end]
        if (
            not token.known
            and word[-1:] in "야아"
            and _given(word[:-1])
            and token.start == _word_start(text, token.start)
        ):
            yield _hit(text, token.start, token.end - 1, "name.ko.called")
        if token.tag != "JKV" and not (token.tag == "JX" and token.form == "야"):
            continue
        start = _word_start(text, token.start)
        word = text[start : token.start]
        bare = word.removesuffix("이") if len(word) == 3 else word
        if word and (_given(bare) or looks_like_name(bare)) and not _common(known, start, token.start):
            yield _hit(text, start, start + len(bare), "name.ko.called")


def _alone(text: str, known: Sequence[Morpheme]) -> Iterator[Hit]:
    for found in _BARE.finditer(text):
        start, end = found.span(1)
        word = found[1].replace(" ", "")
        if not _PARTICLE.match(text, end) or not (looks_like_name(word) or word[:2] in _DOUBLE.split("|")):
            continue
        if " " in found[1] and not _surname_apart(known, start):
            continue
        if (
            word[2:] in ("가", "이", "은", "도", "만")
            and _given(word[:2])
            and any(one.start == start and one.end == start + 2 and one.tag == "NNP" for one in known)
        ):
            continue  # 정우가 is 정우 and a particle
        if not _common(known, start, end) and not _inflected(known, start, end):
            yield _hit(text, start, end, "name.ko.full")
    for token in known:
        word = text[token.start : token.end]
        name = word.removesuffix("이") if len(word) == 3 else word
        unknown = token.tag == "NNG" and not token.known
        if (token.tag == "NNP" or unknown) and token.start == _word_start(text, token.start):
            whole = len(word) == 3 and looks_like_name(word)
            if (_given(name) and _PARTICLE.match(text, token.end)) or whole:
                end = token.end if whole else token.start + len(name)
                yield _hit(text, token.start, end, "name.ko.proper")


def _word_start(text: str, at: int) -> int:
    while at > 0 and "가" <= text[at - 1] <= "힣":
        at -= 1
    return at


def _over(known: Sequence[Morpheme], start: int, end: int) -> list[Morpheme]:
    return [one for one in known if one.start < end and one.end > start]


def _proper(known: Sequence[Morpheme], start: int, end: int) -> bool:
    """Whether something in the stretch is a proper noun, unknown to the dictionary, or loose single nouns."""
    over = _over(known, start, end)
    loose = len(over) > 1 and all(one.tag[0] == "N" and one.end - one.start == 1 for one in over if one.start < end)
    return loose or any(one.tag == "NNP" or (one.tag == "NNG" and not one.known) for one in over)


def _common(known: Sequence[Morpheme], start: int, end: int) -> bool:
    """Whether the stretch is a word of the dictionary, or the stem of a verb, an adverb …: no name."""
    over = _over(known, start, end)
    if not over:
        return True
    if any(one.tag[0] in "VM" and one.end - one.start > 1 for one in over) or over[0].tag[:2] in (
        "MA",
        "VV",
        "VA",
        "NP",
        "IC",
    ):
        return True
    return any(one.tag in ("NNG", "NNB", "NR") and one.known and one.end - one.start >= 2 for one in over)


def _inflected(known: Sequence[Morpheme], start: int, end: int) -> bool:
    """Whether a verb, an adjective or an ending lies in the stretch, and no proper noun: 하려고, 소중한."""
    over = _over(known, start, end)
    verbal = any(one.tag[0] in "VE" or one.tag[:3] in ("XSV", "XSA") for one in over)
    return verbal and not any(one.tag == "NNP" and one.end - one.start > 1 for one in over)


def _one_noun(known: Sequence[Morpheme], start: int, inside: int) -> bool:
    """Whether a noun of the dictionary begins at ``start`` and reaches beyond ``inside``."""
    return any(one.start == start and one.end > inside and one.tag == "NNG" and one.known for one in known)


def _surname_apart(known: Sequence[Morpheme], start: int) -> bool:
    return any(one.start == start and one.tag == "NNP" for one in known)
