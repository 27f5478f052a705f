"""The HTML twin in a real Chromium: it plays, jumps, lights up what is heard, runs nothing of what people said."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator

import numpy as np
import pytest

from include.errors import DocumentError
from include.forensic import Analysis
from include.report import WorkingAudio, encode_audio, render_player
from include.stt import Transcript
from tests.chromium import Page, chromium_page
from tests.unit.report_factory import make_analysis, make_facts, make_transcript

SECONDS = 132
HOSTILE = (
    "</span></bdi><script>window.hacked=1</script><img src=x onerror=window.hacked=2>"
    "<a href=javascript:window.hacked=3 autofocus onfocus=window.hacked=4>\"'><audio src=http://192.0.2.1/a>\u202eabc"
)


def hostile() -> tuple[Transcript, Analysis]:
    transcript = make_transcript(duration_s=SECONDS)
    transcript.segments[0].text = HOSTILE
    transcript.segments[0].words[0].text = HOSTILE[:20]
    transcript.segments[1].speaker = HOSTILE
    analysis = make_analysis(transcript)
    assert isinstance(analysis.findings, list)
    analysis.findings[0].context.sentence = HOSTILE
    analysis.findings[0].span.speaker = HOSTILE
    return transcript, analysis


@pytest.fixture(scope="module")
def audio() -> WorkingAudio:
    times = np.arange(SECONDS * 16000, dtype=np.float32) / 16000
    return encode_audio([np.sin(times * 2000).astype(np.float32) * 0.3, np.zeros_like(times)], 16000)


@pytest.fixture(scope="module")
def html(audio: WorkingAudio) -> str:
    return render_player(*hostile(), make_facts(file_name=HOSTILE), audio, language="ko")


@pytest.fixture(scope="module")
def page(html: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    path = tmp_path_factory.mktemp("player") / "call_player.html"
    path.write_text(html, encoding="utf-8")
    with chromium_page() as one:
        one.open(path)
        yield one


def ready(page: Page) -> None:
    page.run(
        "new Promise((done) => { const a = document.getElementById('audio');"
        " if (a.readyState >= 1) done(); else a.addEventListener('loadedmetadata', done); })"
    )


def test_the_same_sound_gives_the_same_bytes_and_the_page_names_their_digest(audio: WorkingAudio, html: str) -> None:
    quiet = [np.zeros(16000, dtype=np.float32)]
    assert encode_audio(quiet, 16000) == encode_audio(quiet, 16000)
    carried = re.search(r'src="data:audio/mp4;base64,([^"]+)"', html)
    assert carried is not None
    assert hashlib.sha256(base64.b64decode(carried[1])).hexdigest() == audio.sha256
    assert audio.sha256 in html.replace(carried[1], "")
    assert "증거가 아닙니다" in re.sub(r"<[^>]+>", "", html)


def test_nothing_is_loaded_and_only_the_named_script_may_run(html: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert policy[1].split("; ") == [
        "default-src 'none'", f"script-src 'sha256-{digest}'", policy[1].split("; ")[2], "media-src data:",
        "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    assert policy[1].split("; ")[2].startswith("style-src 'sha256-")
    assert html.count("<script>") == 1
    bare = re.sub(r"<script>.*?</script>|base64,[^\"]+", "", html, flags=re.DOTALL)
    tags = " ".join(re.findall(r"<[a-z][^>]*>", bare))
    assert not re.search(r"\son\w+=|javascript:|\sstyle=|href=|https?://(?!www\.w3\.org/2000/svg)", tags)


def test_other_documents_are_refused(audio: WorkingAudio) -> None:
    transcript, analysis = hostile()
    with pytest.raises(DocumentError):
        render_player(transcript, analysis, make_facts(sha256="0" * 64), audio, language="en")


def test_a_finding_a_turn_and_a_word_play_from_where_they_are(page: Page) -> None:
    ready(page)
    assert abs(page.run("document.getElementById('audio').duration") - SECONDS) < 0.2
    for chosen, at in (
        ("#findings button", "t"),
        (".turn:nth-of-type(9) button", "t"),
        ("[data-s]:nth-of-type(3)", "s"),
    ):
        told = page.run(
            f"""new Promise((done) => {{
              const audio = document.getElementById('audio'), one = document.querySelector({chosen!r});
              one.click();
              const wait = () => audio.seeking || audio.paused ? setTimeout(wait, 20) : done(
                {{wanted: Number(one.dataset.{at}), now: audio.currentTime, playing: !audio.paused}});
              setTimeout(wait, 50);
            }})"""
        )
        assert told["playing"]
        assert 0 <= told["now"] - told["wanted"] < 1.0, told
    page.run("document.getElementById('audio').pause()")


def test_what_is_heard_is_lit_and_the_waveform_shows_the_place(page: Page) -> None:
    ready(page)
    told = page.run(
        """new Promise((done) => {
          const audio = document.getElementById('audio'), word = document.querySelectorAll('[data-s]')[30];
          audio.pause();
          audio.addEventListener('seeked', () => setTimeout(() => done({
            word: document.querySelector('[data-s].on') === word,
            turn: document.querySelector('.turn.on').contains(word),
            current: word.getAttribute('aria-current'),
            head: Number(document.querySelector('.head').getAttribute('x1')),
            share: audio.currentTime / audio.duration, clock: document.getElementById('now').textContent,
          }), 30), {once: true});
          audio.currentTime = (Number(word.dataset.s) + Number(word.dataset.e)) / 2;
        })"""
    )
    assert told["word"]
    assert told["turn"]
    assert told["current"] == "true"
    assert abs((told["head"] - 62) / (680 - 62) - told["share"]) < 0.01
    assert re.fullmatch(r"\d\d:\d\d\.\d", told["clock"])


def test_the_keyboard_is_enough(page: Page) -> None:
    ready(page)
    page.run("document.getElementById('audio').pause(); document.getElementById('audio').currentTime = 0;"
             "document.querySelector('#findings button').focus()")  # fmt: skip
    page.key("Enter", "\r")
    first = page.run("Number(document.querySelector('#findings button').dataset.t)")
    assert abs(page.run("document.getElementById('audio').currentTime") - first) < 1.0
    page.key("n", "n")
    starts = page.run(
        "[...document.querySelectorAll('#findings [data-t]')].map((one) => Number(one.dataset.t)).sort((a, b) => a - b)"
    )
    assert abs(page.run("document.getElementById('audio').currentTime") - starts[1]) < 1.0
    page.run("document.activeElement.blur()")
    page.key(" ", " ")
    assert page.run("document.getElementById('audio').paused")
    unnamed = (
        "[...document.querySelectorAll('button')].filter((one) => one.tabIndex < 0 || !one.textContent.trim()).length"
    )
    assert page.run(unnamed) == 0


def test_a_name_like_the_sounds_mark_takes_no_sound(audio: WorkingAudio) -> None:
    name = f"base64,sound-{audio.sha256}"
    transcript = make_transcript()
    made = render_player(transcript, make_analysis(transcript), make_facts(file_name=name), audio, language="en")
    assert name in made  # shown as it is
    assert made.count(base64.b64encode(audio.data).decode()) == 1
    assert f'base64,{base64.b64encode(audio.data).decode()}"' in made


def test_hostile_words_are_shown_and_run_nothing(page: Page) -> None:
    ready(page)
    assert page.run("window.hacked === undefined")
    assert page.run("document.querySelectorAll('main script, main img, main a, audio').length") == 1
    assert "<img src=x onerror" in page.run("document.querySelector('.turn').textContent")
    assert "[U+202E]" in page.run("document.body.textContent")
    asked = [one["request"]["url"][:40] for one in page.seen("Network.requestWillBeSent")]
    assert [one for one in asked if not one.startswith(("file:", "data:"))] == []
    # the policy was not what stopped them: nothing had to be stopped
    assert [one["entry"]["text"] for one in page.seen("Log.entryAdded")] == []
    # and it would: a script and a handler that somebody writes into the page do not run
    page.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.hacked=5>');"
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked=6'}));"
        "document.querySelector('.turn').setAttribute('onclick', 'window.hacked=7');"
        "document.querySelector('.turn').click()"
    )
    page.run("new Promise((done) => setTimeout(done, 100))")
    assert page.run("window.hacked === undefined")
    told = " ".join(one["entry"]["text"] for one in page.seen("Log.entryAdded"))
    assert "Content Security Policy" in told
