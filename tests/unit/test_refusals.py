"""The registry of refusals: no schema, template, string, note or field claims lying, deception, guilt, intent or
propensity. What names these things only to say that the house does not claim them stands on the list below, sentence by
sentence; a sentence that is not there, or is there and no longer used, fails."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.settings import ROOT

CLAIMS = {
    "en": re.compile(
        r"\b(lying(?! (in|at|on|over|beside|here|there|near|under|within|between)\b)|lied|liars?|lies? (to|about) |"
        r"deceiv\w*|decepti\w*|deceit\w*|"
        r"dishonest\w*|untruthful\w*|truthful\w*|guilt(y|iness)?|culpab\w*|(criminal )?intent(ion|ions|ional|ionally)?|"
        r"propensit\w*|recidiv\w*|dangerousness|malice|motives?|credib\w*|veracity|polygraph\w*|lie.detect\w*)\b",
        re.IGNORECASE,
    ),
    "ko": re.compile(
        r"거짓말|거짓\s?진술|허위\s?진술|기만|속임수|유죄|범인|범죄자|가해자|고의성|고의로|범의|의도|성향|악의|범행\s?동기|재범|습벽|진실성|신빙성"
    ),
}
ALLOWED = json.loads((Path(__file__).parent / "refusals_allowed.json").read_text(encoding="utf-8"))
"""Place → sentences (or field values) that may name a claim, only to refuse it or as an official term."""

SOURCES = sorted(
    [
        *(ROOT / "docs/schemas").glob("*.json"),
        *(ROOT / "include/report/strings").glob("*.toml"),
        *(ROOT / "include/report/templates").rglob("*.j2"),
        *(ROOT / "include/container").glob("*.toml"),
    ]
)


def sentences(text: str) -> Iterator[str]:
    for part in re.split(r"(?<=[.!?다요])\s+|\n{2,}", " ".join(text.split())):
        if part.strip():
            yield part.strip()


def leaves(value: Any) -> Iterator[str]:
    """Every key and string of a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key).replace("_", " ")
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, str):
        yield value


def texts_of(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        yield from leaves(json.loads(text))
    elif path.suffix == ".toml":
        yield from leaves(tomllib.loads(text))
    else:
        yield re.sub(r"{#.*?#}", " ", text, flags=re.DOTALL)


def model_texts(path: Path) -> Iterator[str]:
    """What a module can put into an output: names of fields, string constants outside docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for item in body if isinstance(body, list) else []:
            if isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant):
                documentation.add(item.value)
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                yield item.target.id.replace("_", " ")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documentation:
            yield node.value


def claims(text: str) -> list[str]:
    return [one for one in sentences(text) if any(pattern.search(one) for pattern in CLAIMS.values())]


VOICE_MODULES = sorted(
    path
    for pattern in ("voice*", "emotion*", "stress", "crosscheck", "case_*", "scores", "rates", "floor_timing",
                    "acoustics", "analysis", "analyze", "document", "findings", "second_decode", "search", "passages")
    for path in (ROOT / "include/forensic").glob(pattern + ".py")
) + sorted([*(ROOT / "include/report").glob("*.py"), *(ROOT / "include/container").glob("*.py")])  # fmt: skip

GENUINENESS = re.compile(
    r"\b(forg(e|ed|er|ery|eries|ing)|fak(e|ed|ing)|authentic\w*|genuin\w*|tamper\w*|manipulat\w*|doctored|falsif\w*|"
    r"fabricat\w*|counterfeit\w*|unedited|untouched|was edited|is edited)\b|"
    r"위조|변조|조작|진본|진정|위작|가짜|날조|무결",
    re.IGNORECASE,
)
"""What the container examination never says, not even to deny it: it observes, a person concludes."""


@pytest.mark.parametrize("path", [*SOURCES, *VOICE_MODULES], ids=lambda path: path.name)
def test_nothing_claims_what_the_house_refuses(path: Path) -> None:
    texts = model_texts(path) if path.suffix == ".py" else texts_of(path)
    found = {one for text in texts for one in claims(text)}
    allowed = set(ALLOWED.get(path.name, []))
    assert found - allowed == set(), f"{path.name} names what VoiceMan refuses to claim"
    assert allowed - found == set(), f"{path.name}: allowed sentences that are no longer there"


@pytest.mark.parametrize(
    "path",
    sorted([
        *(ROOT / "include/container").iterdir(), ROOT / "include/report/templates/container.j2",
        ROOT / "include/report/container_view.py", ROOT / "docs/schemas/voiceman.container.1.json",
    ]),
    ids=lambda path: path.name,
)  # fmt: skip
def test_the_container_examination_has_no_verdict(path: Path) -> None:
    if path.is_file():
        text = re.sub(r"sound ?\??forge", "", path.read_text(encoding="utf-8"), flags=re.IGNORECASE)  # a program's name
        assert not GENUINENESS.search(text)


def test_the_reports_words_for_it_have_none_either() -> None:
    for language in ("ko", "en"):
        table = tomllib.loads((ROOT / f"include/report/strings/{language}.toml").read_text(encoding="utf-8"))
        assert not [one for one in leaves(table["container"]) if GENUINENESS.search(one)]


@pytest.mark.parametrize("claim", ["The file is authentic.", "forgery detected", "위조된 파일", "편집 조작 흔적"])
def test_the_scan_finds_a_verdict(claim: str) -> None:
    assert GENUINENESS.search(claim)


def test_the_list_names_only_files_that_are_looked_at() -> None:
    assert set(ALLOWED) <= {path.name for path in [*SOURCES, *VOICE_MODULES]}
    assert len(SOURCES) > 10


@pytest.mark.parametrize(
    "claim",
    [
        "The speaker is lying.", "He lied about it", "a deception score", "deceptive speech", "This shows intent.",
        "guilty", "propensity for violence", "credibility", "lie detection", "화자가 거짓말을 합니다.", "고의성이 있다",
        "진술의 신빙성", "범인의 목소리", "재범 위험", "폭력 성향", "기만 지수",
    ],
)  # fmt: skip
def test_the_scan_finds_a_claim(claim: str) -> None:
    assert claims(claim)


@pytest.mark.parametrize(
    "harmless",
    ["where the passage lies in the recording", "The times lie within the segment.", "녹음의 길이", "an intense voice"],
)
def test_the_scan_leaves_plain_words_alone(harmless: str) -> None:
    assert not claims(harmless)
