"""Words and their speakers: turns laid over timed words."""

from include.stt.diarization import Diarization, DiarizerFacts, Turn
from include.stt.speakers import assign_speakers
from include.stt.transcript import Segment, Word


def turns(*spans: tuple[float, float, str]) -> Diarization:
    return Diarization.of([Turn(start, end, name, 0.9) for start, end, name in spans], DiarizerFacts("test"))


def segment(text: str, *times: tuple[float, float] | None) -> Segment:
    words = [
        Word(text=one, start=at[0] if at else None, end=at[1] if at else None, score=0.8, timing="attention")
        for one, at in zip(text.split(), times, strict=True)
    ]
    return Segment(start=0.0, end=10.0, speaker=None, text=text, confidence=0.8, words=words)


def test_speakers_are_named_in_the_order_heard_and_overlaps_found() -> None:
    found = turns((5.0, 7.0, "B"), (0.0, 3.0, "z"), (2.0, 4.0, "B"), (6.0, 9.0, "z"), (6.5, 6.8, "c"))
    assert [(turn.start, turn.speaker) for turn in found.turns] == [
        (0.0, "speaker-1"), (2.0, "speaker-2"), (5.0, "speaker-2"), (6.0, "speaker-1"), (6.5, "speaker-3"),
    ]  # fmt: skip
    assert found.speakers == ["speaker-1", "speaker-2", "speaker-3"]
    assert found.overlaps == [(2.0, 3.0), (6.0, 7.0)]


def test_a_segment_is_cut_where_the_speaker_changes() -> None:
    given = segment("집에 가요?  네, 갑니다.", (0.1, 0.6), (0.7, 1.4), (2.1, 2.6), (2.7, 3.4))
    cut = assign_speakers([given], turns((0.0, 1.8, "a"), (2.0, 3.5, "b")))
    assert [(one.speaker, one.text) for one in cut] == [("speaker-1", "집에 가요?"), ("speaker-2", "네, 갑니다.")]
    assert [(one.start, one.end) for one in cut] == [(0.0, 1.4), (2.1, 10.0)]
    assert not any(one.flags or word.flags for one in cut for word in one.words)
    assert given.speaker is None and given.words[0].speaker is None, "the given segments are not changed"


def test_a_lone_short_word_stays_unless_the_turns_are_sure() -> None:
    words = segment("one two three", (0.0, 0.5), (0.6, 0.9), (1.0, 1.5))
    leaning = turns((0.0, 0.7, "a"), (0.7, 0.9, "b"), (0.9, 2.0, "a"))
    [kept] = assign_speakers([words], leaning)
    assert kept.speaker == "speaker-1" and "uncertain_speaker" in kept.words[1].flags
    sure = turns((0.0, 0.55, "a"), (0.55, 0.95, "b"), (0.95, 2.0, "a"))
    assert [one.speaker for one in assign_speakers([words], sure)] == ["speaker-1", "speaker-2", "speaker-1"]


def test_outside_of_turns_the_nearest_within_half_a_second() -> None:
    found = assign_speakers([segment("near far", (2.3, 2.5), (4.0, 4.2))], turns((0.0, 2.0, "a"), (9.0, 9.5, "b")))
    assert [(word.speaker, word.flags) for one in found for word in one.words] == [
        ("speaker-1", ["uncertain_speaker"]), (None, ["uncertain_speaker"]),
    ]  # fmt: skip


def test_overlap_is_marked() -> None:
    found = assign_speakers([segment("alone both", (0.0, 0.9), (1.1, 1.9))], turns((0.0, 2.0, "a"), (1.0, 3.0, "b")))
    alone, both = (word for one in found for word in one.words)
    assert alone.flags == []
    assert set(both.flags) == {"overlap", "uncertain_speaker"}


def test_words_without_times_go_with_their_neighbours() -> None:
    [found] = assign_speakers([segment("a b c", None, (1.0, 1.5), None)], turns((0.9, 3.0, "x"), (6.0, 7.0, "y")))
    assert [word.speaker for word in found.words] == ["speaker-1"] * 3
    assert ["uncertain_speaker" in word.flags for word in found.words] == [True, False, True]
    bare = Segment(start=0.0, end=4.0, speaker=None, text="no times", confidence=None)
    [whole] = assign_speakers([bare], turns((0.0, 3.0, "x"), (3.0, 4.0, "y")))
    assert whole.speaker == "speaker-1" and whole.flags == ["uncertain_speaker"]


def test_without_turns_nothing_is_said() -> None:
    [found] = assign_speakers([segment("x", (0.0, 1.0))], turns())
    assert found.speaker is None and found.words[0].speaker is None
