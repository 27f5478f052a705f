import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import InvalidJobError, InvalidNameError, LanguageError
from include.manifest import Batch, State, check_file_name, check_job_id, check_language, safe_name


@pytest.mark.parametrize("job_id", ["case-2026-001", "사건_12.3", "A", "a" * 100])
def test_job_ids_that_labs_use(job_id: str) -> None:
    assert check_job_id(job_id) == job_id


@pytest.mark.parametrize("job_id", ["", "a/b", "..", "a..b", "../x", ".hidden", "a b", "a\n", "a" * 101, "<b>"])
def test_job_ids_that_are_refused_in_one_sentence(job_id: str) -> None:
    with pytest.raises(InvalidJobError, match=r"^The job id .* is not acceptable; use 1 to 100 letters"):
        check_job_id(job_id)


@pytest.mark.parametrize(
    ("name", "file_id"),
    [
        ("통화 녹음 홍길동_260101_093000.m4a", "통화 녹음 홍길동_260101_093000"),
        ('it\'s "quoted" & <b>.mp3', 'it\'s "quoted" & <b>'),
        ("a.b.c.wav", "a.b.c"),
        ("no-extension", "no-extension"),
        ("가" * 60 + ".m4a", "가" * 60),
    ],
)
def test_names_that_phones_give_are_kept(name: str, file_id: str) -> None:
    assert check_file_name(name) == file_id


OWN = ["a_transcript.json", "a_report.en.pdf", "job_summary.json", "case_course.json", "_manifest_x.json"]
PATHS = ["../x.m4a", "a/b.m4a", "a\\b.m4a", "", ".", ".."]


@pytest.mark.parametrize("name", [*PATHS, *OWN, ".m4a ", "a\x00.m4a", "a\u202eb.m4a", "x" * 300])
def test_names_that_are_refused(name: str) -> None:
    if name == ".m4a ":
        assert check_file_name(name) == ".m4a "  # a dot file: odd, but a name
        return
    with pytest.raises(InvalidNameError, match=r"^The file name .*; (drop|rename|shorten)"):
        check_file_name(name)


@given(st.text(max_size=400))
def test_a_safe_name_is_always_acceptable(name: str) -> None:
    safe = safe_name(name)
    check_file_name(safe)
    assert len(safe.encode()) <= 200
    assert safe_name(safe) == safe


@given(st.text(max_size=300), st.text(max_size=300))
def test_safe_names_keep_different_names_apart(one: str, other: str) -> None:
    if one != other:
        assert safe_name(one) != safe_name(other) or safe_name(one) in (one, other)


def test_language() -> None:
    assert check_language("ko") == "ko"
    with pytest.raises(LanguageError, match="xx.*use one of auto, ko, en"):
        check_language("xx")


def test_a_batch_label_names_its_recordings() -> None:
    assert (
        Batch(batch_id="batch-0001", job_id="j", model="base", file_ids=tuple("abcde")).label
        == "batch-0001: a, b, c +2"
    )
    assert Batch(batch_id="batch-0001", job_id="j", model="base", file_ids=("a",)).label == "batch-0001: a"


def test_terminal_states() -> None:
    assert [state for state in State if state.terminal] == [State.COMPLETED, State.FAILED]
