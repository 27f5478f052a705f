"""A drop's manifest.json: what is read, and what is refused with which sentence."""

import json
from typing import Any

import pytest

from include.errors import DeliveryError, InputError
from include.pipeline.delivery import parse_delivery

A, B = "a" * 64, "B" * 64


def document(*files: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"files": list(files), **more}).encode()


def test_names_digests_and_languages() -> None:
    data = document(
        {"name": "통화 1.m4a", "sha256": A, "language": "ko", "case": "2026-017"},
        {"name": "b.m4a", "sha256": B},
        sender="police",
    )
    files = parse_delivery(data, "it").files
    assert list(files) == ["통화 1.m4a", "b.m4a"]
    assert (files["통화 1.m4a"].sha256, files["통화 1.m4a"].language) == (A, "ko")
    assert (files["b.m4a"].sha256, files["b.m4a"].language) == ("b" * 64, None)  # lower case: compared with ours


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the document: Invalid JSON"),
        (b"\xff\xfe{", "the document: Invalid JSON"),
        (b"[]", "the document: Input should be an object"),
        (b"{}", r"files: Field required"),
        (document(), "files: Tuple should have at least 1 item"),
        (document({"name": "a"}), r"files\.0\.sha256: Field required"),
        (document({"name": "a", "sha256": "12"}), r"files\.0\.sha256: String should match"),
        (document({"name": "", "sha256": A}), r"files\.0\.name"),
        (document({"name": "a", "sha256": A, "language": "xx"}), r"files\.0\.language: Input should be"),
        (document({"name": "a", "sha256": A}, {"name": "a", "sha256": B}), "lists 'a' twice"),
    ],
)
def test_what_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(DeliveryError, match=says) as caught:
        parse_delivery(data, "s3://b/incoming/j/manifest.json")
    message = str(caught.value)
    assert message.startswith("s3://b/incoming/j/manifest.json ")
    assert message.endswith("; correct it or remove it.")
    assert message.count("\n") == 0
    assert isinstance(caught.value, InputError)


def test_the_largest_allowed_list_is_read_quickly() -> None:
    from time import process_time

    files = [{"name": f"call-{n:06d}.m4a", "sha256": A} for n in range(30_000)]
    files[-1] = files[-2]
    started = process_time()
    with pytest.raises(DeliveryError, match="lists 'call-029998.m4a' twice"):
        parse_delivery(document(*files), "it")
    assert process_time() - started < 15.0  # 2 on a slow machine; comparing each with each takes minutes
