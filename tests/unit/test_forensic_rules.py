"""How rules and filters work together: minimal pairs, near-homophones, alternatives, set-aside passages, long texts."""

from __future__ import annotations

import pytest

from include.forensic import load_taxonomy
from include.forensic.detect import Alternative, Passage, detect, examine
from include.forensic.tokens import KIWI_CHARACTERS, tokenize

TAXONOMY = load_taxonomy()
PREFIXES = {
    "THREAT", "EXTORTION", "COERCION", "DEBT", "FRAUD", "VISHING", "DEFAMATION", "INSULT", "STALKING", "CONTROL",
    "MANIPULATION", "OBSTRUCTION", "WORKPLACE", "HARASSMENT", "SELF_HARM",
}  # fmt: skip


def _families(text: str) -> set[str]:
    language = "ko" if any("가" <= character <= "힣" for character in text) else "en"
    return {hit.family for hit in detect([Passage(None, text)], language, TAXONOMY) if hit.severity > 1}


def test_every_family_has_rules_in_both_languages() -> None:
    assert {category.id.split(".")[0] for category in TAXONOMY.categories} == PREFIXES
    for category in TAXONOMY.categories:
        assert {rule.language for rule in category.rules} == {"ko", "en"}, category.id


@pytest.mark.parametrize(
    ("fires", "silent", "family"),
    [
        ("너 죽여 버릴 거야", "너 죽이지 않을 거야", "THREAT"),
        ("죽여버린다", "영화에서 죽여버린다고 했어", "THREAT"),
        ("죽여버린다", "그 사람이 죽여버린다고 그랬대", "THREAT"),
        ("너 진짜 죽여버린다", "이 집 국밥 진짜 죽인다", "THREAT"),
        ("밤길 조심해라", "눈길 조심해라", "THREAT"),
        ("영상 뿌린다", "영상 뿌리지 않을게", "THREAT"),
        ("쓰레기 같은 놈", "나는 쓰레기 같은 놈이야", "INSULT"),
        ("녹음 다 지워", "녹음 지우지 마", "OBSTRUCTION"),
        ("모른다고 해", "모른다고 했어", "OBSTRUCTION"),
        ("원금 보장해 드려요", "원금 보장되나요", "FRAUD"),
        ("죽고 싶다", "배고파 죽겠다", "SELF_HARM"),
        ("그냥 없어졌으면 좋겠다", "시험 없어졌으면 좋겠다", "SELF_HARM"),
        ("사라졌으면 좋겠어", "제 빚이 사라졌으면 좋겠어요", "SELF_HARM"),
        ("더 살고 싶은 마음이 없어", "일 년 더 살고 싶습니다", "SELF_HARM"),
        ("농약 먹고 죽어야지", "우리 집 뒤에서 쥐약 먹고 죽은 거", "SELF_HARM"),
        ("I will kill you", "I will not kill you", "THREAT"),
        ("I will kill you", "the villain says I will kill you in the movie", "THREAT"),
        ("watch your back", "watch your step", "THREAT"),
        ("if someone texts you, block them or I will kill you", "the leaflet says I will kill you", "THREAT"),
        ("I really want to die", "I don't want to die any more", "SELF_HARM"),
        ("너 죽여 버릴 거야. 이런 말까지 하게 만들지 마", "너 죽여 버릴 거야 이런 말 하면 처벌받아요", "THREAT"),
        ("너도 애도 다 죽이고 나도 감옥 갈 거야", "만약 너도 애도 다 죽이고 나도 감옥 갈 거야 라고 한다면", "THREAT"),
        ("유튜브에 네 영상 다 뿌릴 거야", "웹툰에서 네 영상 다 뿌릴 거야 그러더라", "THREAT"),
        ("저 이제 죽고 싶어요", "저 이제 죽고 싶지 않아요", "SELF_HARM"),
        ("이혼할 거라면서 법원 가는 날 내가 칼로 찔러 버릴 거야", "법원 가는 날 칼로 찔러 버릴 거래", "THREAT"),
        ("니 딸 내일 소풍 갈 거라네, 내가 거기 가서 찔러 버린다", "거기 가서 찔러 버릴 거라던데", "THREAT"),
        ("신고하면 너 죽여 버립니다", "이 약은 진딧물을 죽여 버립니다", "THREAT"),
        ("저 다시 전화하면 묻어 버립니다", "음식물 쓰레기는 묻어 버립니다", "THREAT"),
        ("돈 안 주면 가게 유리 다 깬다", "아이가 공놀이하다 창문 다 깬다", "THREAT"),
        ("또 오면 차 확 부순다", "커피 마시면 잠이 확 깬다", "THREAT"),
        ("니 대가리부터 깐다", "마늘 대가리를 까 줄까?", "THREAT"),
        ("그 새끼 패러 갈 거야", "장작 패러 갈 거야", "THREAT"),
        ("고마 확 죽여 뿐다", "맛이 쥑이네", "THREAT"),
        ("다리몽둥이 분질러 놓을 끼다", "나뭇가지 분질러 놓을 끼다", "THREAT"),
    ],
)
def test_minimal_pairs(fires: str, silent: str, family: str) -> None:
    assert family in _families(fires)
    assert family not in _families(silent)


@pytest.mark.parametrize(
    ("offender", "witness"),
    [
        ("확 죽여 버린다고 고함을 쳐야 말을 듣지", "확 죽여 버린다고 고함을 치더라고요"),
        ("죽여 버린다고 소리 지르기 전에 문 열어", "죽여 버린다고 소리 지르더라고요"),
    ],
)
def test_who_shouts_is_not_who_tells_of_it(offender: str, witness: str) -> None:
    (threat,), (told,) = (detect([Passage("a", text)], "ko", TAXONOMY) for text in (offender, witness))
    assert (threat.severity, told.severity) == (3, 1)


def test_who_is_meant_decides_the_family() -> None:
    assert _families("힘들어서 죽고 싶어") == {"SELF_HARM"}
    assert _families("너 죽고 싶냐") == {"THREAT"}


def test_a_denial_is_set_aside_with_the_filters_name() -> None:
    found = examine([Passage("a", "I will not kill you")], "en", TAXONOMY)
    assert found.hits == []
    assert [(item.hit.category, item.filter) for item in found.set_aside] == [("THREAT.DIRECT", "en_negation")]


def test_a_near_homophone_is_found_and_says_what_matched() -> None:
    (hit,) = detect([Passage("a", "너 내가 주긴다 진짜")], "ko", TAXONOMY)
    assert hit.category == "THREAT.DIRECT"
    assert hit.heard is None or "죽인다" in hit.heard


def test_an_alternative_of_the_decoder_is_read_and_mapped_back() -> None:
    text = "너 진짜 주거 버린다 알겠어"
    start = text.index("주거 버린다")
    plain = Passage("a", text)
    assert detect([plain], "ko", TAXONOMY) == []
    given = Passage("a", text, (Alternative(start, start + len("주거 버린다"), "죽여 버린다"),))
    (hit,) = detect([given], "ko", TAXONOMY)
    assert hit.heard is not None
    assert "죽여 버린다" in hit.heard
    assert text[hit.place.start : hit.place.end].endswith("주거 버린다")


def test_spoken_digits_are_amounts() -> None:
    assert "EXTORTION" in _families("오백만 원 입금 안 하면 가족한테 다 알릴 거야")


def test_stage_flags_stand_only_beside_a_finding() -> None:
    flag = "이 내용은 아무한테도 말씀하지 마세요"
    assert detect([Passage("a", flag)], "ko", TAXONOMY) == []
    call = [
        Passage("a", "서울중앙지검 수사관입니다, 안전계좌로 이체하셔야 됩니다"),
        Passage("b", "네"),
        Passage("a", flag),
    ]
    categories = {hit.category for hit in detect(call, "ko", TAXONOMY)}
    assert {"VISHING.AGENCY", "VISHING.STAGE.ISOLATION"} <= categories


def test_long_texts_are_cut_and_offsets_kept() -> None:
    sentence = "오늘 저녁에 만나서 이야기하자. "
    text = sentence * (3 * KIWI_CHARACTERS // len(sentence)) + "너 죽여 버릴 거야."
    (tokens,) = tokenize([text], "ko")
    assert [token.sentence for token in tokens] == sorted(token.sentence for token in tokens)
    (hit,) = detect([Passage(None, text)], "ko", TAXONOMY)
    assert text[hit.place.start : hit.place.end].startswith("죽여 버릴")
