"""The explorer in a real browser, against a real JupyterLab, and the file that it exports."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from generators import directory
from painted import WORDS, write_words
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from flopslab.core.study import Study
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.viewer.export import export_html

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "explore.ipynb"
HIGHEST = 1000  # pixels of the whole view, in a window of 1400
PATIENCE = 240_000  # ms: a busy machine is slow, not wrong

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine: install it (apt-get install chromium)"
)


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> Path:
    """A folder with a run of eight words, three passes, by a tiny random pipeline."""
    room = tmp_path_factory.mktemp("room")
    study = Study.of(
        sequence=write_words(room / "words.json", ["<b>silence</b>", "سماء", *WORDS[2:8]]),
        output_dir=str(room / "run"),
        model=str(directory("embedded")),
        passes=3,
        context_diameter=2,
        steps=2,
        method="grid",
        denoising_strength=0.5,
    )
    run(study, progress=NullProgress())
    return room


@pytest.fixture(scope="module")
def lab(room) -> Iterator[str]:
    """The address of a JupyterLab of its own, whose root holds the notebook."""
    notebook = load_notebook_node(str(NOTEBOOK))
    names = {"run_dir": str(room / "run"), "export": str(room / "page.html")}
    nbformat.write(parameterize_notebook(notebook, names), room / "explore.ipynb")
    settings = room / "config" / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    port, log = free_port(), (room / "lab.log").open("w")
    command = [sys.executable, "-m", "jupyter", "lab", "--allow-root", "--no-browser"]
    command += ["--ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={room}"]
    command += ["--IdentityProvider.token=", "--LabApp.news_url=None"]
    command += ["--LabApp.expose_app_in_browser=True"]  # to change the theme
    server = subprocess.Popen(command, env=os.environ | homes(room), stdout=log, stderr=log)
    try:
        yield wait_for(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(timeout=60)
        log.close()


def homes(room: Path) -> dict[str, str]:
    """Where JupyterLab keeps what it writes."""
    config = room / "config"
    return {
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_DATA_DIR": str(config / "data"),
        "JUPYTER_RUNTIME_DIR": str(config / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(config / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(config / "workspaces"),
        "IPYTHONDIR": str(config / "ipython"),
    }


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(address: str) -> str:
    """The address, once the server answers."""
    end = time.monotonic() + PATIENCE / 1000
    while True:
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=5)
            return address
        except OSError:
            assert time.monotonic() < end, "JupyterLab does not answer"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser) -> Iterator[Page]:
    """A page on which nothing goes wrong."""
    page, errors = browser.new_page(viewport={"width": 1400, "height": 1400}), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    yield page
    page.close()
    assert errors == []


@pytest.fixture
def screenshot(tmp_path):
    """`screenshot(name, locator)`: kept in the test's folder, or where SCREENSHOTS says."""
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    return lambda name, locator: locator.screenshot(path=folder / f"{name}.png")


def test_the_explorer_in_jupyterlab(lab, page, screenshot):
    page.goto(f"{lab}/lab/tree/explore.ipynb")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    choose(page, "Run", "Run All Cells")
    explorer = page.locator(".flopslab-explorer")
    words = explorer.locator(".flopslab-words")
    picture = explorer.locator(".flopslab-panels img")
    expect(page.get_by_text("page.html: ")).to_be_visible()  # the last cell has run
    expect(words.locator(".centre")).to_have_text("shadow")  # the notebook went to the last one

    before = picture.get_attribute("src")
    handle = explorer.locator(".noUi-handle").first
    handle.focus()
    handle.press("ArrowLeft")
    expect(words.locator(".centre")).to_have_text("light")
    expect(picture).not_to_have_attribute("src", before)

    click(explorer.locator(".flopslab-map-sheet"), row=0, column=1)
    expect(words.locator(".centre")).to_have_text("سماء")
    expect(words.locator(".inside").first).to_have_text("<b>silence</b>")
    expect(explorer.get_by_text("The first pass sees words alone.")).to_be_visible()

    explorer.get_by_label("all passes").check()
    expect(picture).to_have_count(3)
    screenshot("all-passes", explorer)

    box = explorer.get_by_placeholder("another word")
    box.fill("🌋")
    box.press("Enter")
    expect(explorer.get_by_text("frames are its own")).to_be_visible()
    expect(words.locator(".variant")).to_have_text("🌋")
    expect(picture).to_have_count(9)  # base, variant, difference in three passes
    expect(explorer.get_by_text(re.compile(r"pass 1 · difference · 0\.\d*[1-9]"))).to_be_visible()
    expect(explorer.locator(".flopslab-map-picture.exact")).to_be_visible()
    expect(explorer.get_by_text("not there yet")).to_have_count(0)
    expect(explorer.get_by_text("run (base)").first).to_be_visible()  # whose recipe this is
    screenshot("intervention", explorer)
    assert explorer.bounding_box()["height"] < HIGHEST

    assert contrast(words.locator(".inside").first) > 4.5
    page.evaluate(
        "window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
    )
    page.locator("body[data-jp-theme-light=false]").wait_for(state="attached")
    page.wait_for_timeout(500)  # the theme's style sheets
    assert contrast(words.locator(".inside").first) > 4.5
    screenshot("dark", explorer)


def test_the_exported_page(room, page, screenshot):
    path = export_html(room / "run", room / "sent.html")
    page.goto(path.as_uri())
    centre, picture = page.locator("#words .centre"), page.locator("#pictures img").first
    expect(centre).to_have_text("<b>silence</b>")
    expect(page.locator("#pictures img")).to_have_count(3)
    before = picture.get_attribute("src")
    page.keyboard.press("ArrowRight")
    expect(centre).to_have_text("سماء")
    assert picture.get_attribute("src") != before
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_text("The first pass sees words alone.")).to_be_visible()
    click(page.locator(".flopslab-map-sheet"), row=1, column=6)
    expect(centre).to_have_text("light")
    expect(page.locator("#strip img")).to_have_count(4)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert contrast(page.locator("#words .inside").first) > 4.5
        screenshot(f"export-{scheme}", page.locator("main"))


def choose(page: Page, *names: str) -> None:
    """Walk through a menu."""
    for name in names:
        page.get_by_role("menuitem", name=name, exact=True).click()


def click(sheet: Locator, row: int, column: int) -> None:
    """Into the middle of a cell of the map of eight positions and three passes."""
    box = sheet.bounding_box()
    x, y = box["width"] * (column + 0.5) / 8, box["height"] * (row + 0.5) / 3
    sheet.click(position={"x": x, "y": y})


def contrast(text: Locator) -> float:
    """The contrast ratio (WCAG 2.1) of a text on what is behind it, 1 to 21."""
    return text.evaluate("""element => {
        const context = document.createElement("canvas").getContext("2d");
        const layers = [];
        for (let box = element; box; box = box.parentElement)
            layers.unshift(getComputedStyle(box).backgroundColor);
        const drawn = (colours) => {
            context.fillStyle = "white";
            context.fillRect(0, 0, 1, 1);
            for (context.fillStyle of colours) context.fillRect(0, 0, 1, 1);
            const light = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((level) =>
                level <= 10 ? level / 3294.6 : ((level / 255 + 0.055) / 1.055) ** 2.4);
            return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
        };
        const sorted = [drawn(layers), drawn([...layers, getComputedStyle(element).color])].sort();
        return (Math.max(...sorted) + 0.05) / (Math.min(...sorted) + 0.05);
    }""")
