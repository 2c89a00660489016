"""The page that plays a run: in a real browser, from the disk, without a server."""

import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from coded import code, make_run, words
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from flopslab.errors import ParameterError, RunError
from flopslab.film.player import write_player
from flopslab.film.sound import write_tones
from flopslab.film.timeline import Caption

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
]
PATIENCE = 90_000  # ms: a busy machine is slow, not wrong

in_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine: install it (apt-get install chromium)"
)

COUNT = 40
WORDS = words(COUNT, step=500, spread=120, length=300)
WORDS[2]["word"] = 'w3 "q" & <b>x</b></script><!--'
WORDS[3]["word"] = "w4 سماء"


def until(page: Page, condition: str) -> None:
    """Wait for a condition; the page's own policy forbids the way of `wait_for_function`."""
    look = f"const look = () => ({condition}) ? done() : requestAnimationFrame(look); look();"
    page.evaluate(f"() => new Promise((done) => {{ {look} }})")


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Path:
    """A run of forty words and two passes, with a sound, in a folder whose name is hard to link."""
    folder = tmp_path_factory.mktemp("a b#c%20")
    run_dir = make_run(folder / "run", WORDS, passes=2)
    said = [Caption(word["start_ms"], word["end_ms"], word["word"]) for word in WORDS]
    write_player(run_dir, write_tones(folder / "so ng#1.wav", said))
    return run_dir


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, played) -> Iterator[Page]:
    """The player, on which nothing goes wrong, and from which nothing but files is asked for."""
    page, faults = browser.new_page(viewport={"width": 900, "height": 600}), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text))
    page.on("requestfailed", lambda request: faults.append(request.url))
    page.on(
        "request",
        lambda request: request.url.startswith("file:") or faults.append(request.url),
    )
    page.set_default_timeout(PATIENCE)
    page.goto((played / "player.html").as_uri())
    until(page, "document.getElementById('sound').readyState >= 1")
    yield page
    page.close()
    assert faults == []


SEEK = """async (times) => {
  const seen = [], [lower, upper] = document.querySelectorAll("#stage img");
  const frame = () => new Promise(requestAnimationFrame);
  for (const time of times) {
    const seek = document.getElementById("seek");
    seek.value = time;
    seek.dispatchEvent(new Event("input"));
    await frame(); await frame();
    await Promise.all([lower.decode(), upper.decode()]);
    const lit = document.querySelector("#words .lit");
    seen.push([lower.src, upper.src, lower.naturalWidth, lit ? lit.textContent : null]);
  }
  return seen;
}"""


def position_at(time: int) -> int:
    return max((k for k, word in enumerate(WORDS, 1) if word["start_ms"] <= time), default=1)


@in_browser
def test_the_right_pictures_and_word_at_200_random_times(page):
    times = [int(t) for t in np.random.default_rng(0).integers(0, WORDS[-1]["end_ms"], 200)]
    for time, (lower, upper, width, lit) in zip(times, page.evaluate(SEEK, times), strict=True):
        position, word = position_at(time), WORDS[position_at(time) - 1]
        assert lower.endswith(f"/pass2/frame_{position:06d}.png") and width == 16
        assert upper.endswith(f"/pass2/frame_{position:06d}.png")
        assert lit == (word["word"] if time < word["end_ms"] else None)


@in_browser
def test_what_is_on_the_screen_is_that_picture(page):
    for position in (1, 7, 30):
        page.evaluate(SEEK, [WORDS[position - 1]["start_ms"] + 10])
        shot = Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("L")
        side = min(shot.size)
        left, top = (shot.width - side) // 2, (shot.height - side) // 2
        square = shot.crop((left, top, left + side, top + side))
        assert code(np.asarray(square) / 255) == position


@in_browser
def test_the_slider_fades_one_pass_into_the_next(page):
    layers = "[...document.querySelectorAll('#stage img')].map((i) => [i.src, i.style.opacity])"
    for value, passes, opacity in [
        ("1", (1, 2), "0"),
        ("1.25", (1, 2), "0.25"),
        ("2", (2, 2), "0"),
    ]:
        page.locator("#pass").fill(value)
        until(page, f"document.getElementById('level').textContent == '{value}'")
        (lower, _), (upper, share) = page.evaluate(layers)
        assert (f"/pass{passes[0]}/" in lower, f"/pass{passes[1]}/" in upper) == (True, True)
        assert share == opacity


PLAY = """() => new Promise((done) => {
  const seen = [], sound = document.getElementById("sound");
  const look = () => {
    seen.push([sound.currentTime * 1000, document.querySelector("#stage img").src]);
    if (sound.currentTime < 1.6) requestAnimationFrame(look); else done(seen);
  };
  document.getElementById("play").click();
  requestAnimationFrame(look);
})"""


@in_browser
def test_while_it_plays_the_picture_is_that_of_the_sound(page):
    seen = page.evaluate(PLAY)
    late = 150  # ms: the page draws before or after the test looks
    for time, url in seen:
        shown = int(re.findall(r"frame_(\d+)", url)[0])
        assert position_at(time - late) <= shown <= position_at(time + late)
    assert {position_at(time) for time, _ in seen} >= {1, 2, 3}
    page.keyboard.press(" ")
    until(page, "document.getElementById('sound').paused")


@in_browser
def test_a_click_on_a_word_while_it_plays_jumps_in_the_sound(page):
    page.locator("#play").click()
    page.locator("#words bdi").nth(29).click()
    heard, paused = page.evaluate("[sound.currentTime * 1000, sound.paused]")
    assert heard >= WORDS[29]["start_ms"] - 1 and not paused


@in_browser
def test_a_click_on_a_word_and_the_arrow_keys_go_to_words(page):
    lit = "document.querySelector('#words .lit')?.textContent"

    def lights(word):
        until(page, f"{lit} == '{word}'")
        return page.evaluate(lit) == word

    page.locator("#words bdi").nth(9).click()
    assert lights("w10")
    page.keyboard.press("ArrowRight")
    assert lights("w11")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert lights("w9")


@in_browser
def test_words_are_text_and_never_markup(page):
    texts = page.locator("#words bdi").all_text_contents()
    assert texts == [word["word"] for word in WORDS]
    assert page.locator("#words b, #words script").count() == 0


@in_browser
def test_without_a_sound_the_clock_of_the_computer_counts(browser, tmp_path):
    run_dir = make_run(tmp_path / "run", [f"w{k}" for k in range(1, 5)])
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(write_player(run_dir, frame_ms=60).as_uri())
    page.locator("#play").click()
    until(page, "document.getElementById('play').textContent == 'Play'")
    assert page.locator("#lower").get_attribute("src") == "pass1/frame_000004.png"
    page.close()


@in_browser
@pytest.mark.parametrize("name", ["film.mp4", "film.webm"])
def test_the_browser_plays_the_film_and_jumps_in_it(browser, twelve, film, tmp_path, name):
    made = film(twelve, name, sound="tones")
    (tmp_path / "films" / "page.html").write_text(f"<video src={name} controls></video>")
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto((tmp_path / "films" / "page.html").as_uri())
    until(page, "document.querySelector('video').readyState >= 2")
    video = "document.querySelector('video')"
    assert abs(page.evaluate(f"{video}.duration") * 1000 - made.duration_ms) < 40
    page.evaluate(f"{video}.currentTime = 4")
    until(page, f"!{video}.seeking && {video}.readyState >= 2")
    assert page.evaluate(f"{video}.currentTime") == 4
    page.evaluate(f"{video}.play()")
    until(page, f"{video}.currentTime > 4.2")
    page.close()


def test_nothing_but_pictures_and_sound_is_linked_and_nothing_copied(played):
    text = (played / "player.html").read_text()
    assert re.findall(r"https?://|//\w+\.\w+|@import|url\(|data:", text) == []
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    content = json.loads(data)
    assert content["sound"] == "../so%20ng%231.wav"
    assert content["passes"] == ["pass1", "pass2"] and len(content["frames"]) == COUNT
    assert len(text) < 20_000


def test_a_sound_may_be_in_a_home(run_dir, monkeypatch):
    monkeypatch.setenv("HOME", str(run_dir))
    (run_dir / "song.wav").touch()
    assert '"sound": "song.wav"' in write_player(run_dir, "~/song.wav").read_text()


def test_a_missing_picture_or_sound_is_an_error_and_no_page(run_dir):
    with pytest.raises(ParameterError, match="no such file"):
        write_player(run_dir, run_dir / "song.wav")
    (run_dir / "pass1" / "frame_000003.png").unlink()
    with pytest.raises(RunError, match="pass1 at 3"):
        write_player(run_dir)
    assert not list(run_dir.glob("*player*"))
