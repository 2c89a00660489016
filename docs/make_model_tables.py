"""Renews the tables of docs/settings.md and docs/families.md from the code and from tiny models.

Run `python docs/make_model_tables.py`; a test compares.
"""

import inspect
import re
import runpy
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

from flopslab.backends.diffusers.abilities import abilities
from flopslab.backends.diffusers.loading import image_to_image
from flopslab.backends.diffusers.recommendations import FEW_STEPS
from flopslab.interop.samplers import SAMPLERS, SPACINGS, Options

DOCS = Path(__file__).parent
PAGES = [DOCS / "settings.md", DOCS / "families.md"]

models = SimpleNamespace(**runpy.run_path(str(DOCS.parent / "tests" / "models.py")))
FAMILIES = {
    "Stable Diffusion 1.x": models.stable_diffusion,
    "Stable Diffusion 2.x": models.stable_diffusion_2,
    "Stable Diffusion XL": models.stable_diffusion_xl,
    "SDXL-Turbo": models.sdxl_turbo,
    "LCM": models.latent_consistency,
    "Stable Diffusion 3": models.stable_diffusion_3,
    "Flux dev": models.flux,
    "Flux schnell": models.flux_schnell,
    "PixArt": models.pixart,
    "Sana": models.sana,
}


def page(path: Path) -> str:
    """The page with the tables between its marks renewed."""
    text = path.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        start, end = f"<!-- table: {name} -->\n", "<!-- end -->"
        if start in text:
            before, rest = text.split(start)
            text = f"{before}{start}{table()}{end}{rest.split(end, 1)[1]}"
    return text


def families() -> str:
    """What each family can do, asked of a tiny model of it."""
    rows, able = [], {}
    for name, build in FAMILIES.items():
        pipe = build()
        able = abilities((pipe, image_to_image(pipe)))
        kind = next((kind for kind in FEW_STEPS if kind.matches(pipe)), None)
        call = inspect.signature(pipe.__call__).parameters
        steps = kind.steps if kind else call["num_inference_steps"].default
        scale = kind.guidance_scale if kind else call["guidance_scale"].default
        marks = ["yes" if is_able else "" for is_able in able.values()]
        rows.append([name, steps, f"{scale:g}", *marks])
    names = [re.sub(r"^(\w+)$", r"`\1`", name) for name in able]
    return _table(["family", "`steps`", "`guidance_scale`", *names], rows)


def samplers() -> str:
    rows = [
        [_names(s.short_names), _names(s.a1111), _names(s.comfyui), s.scheduler, _text(s.options)]
        for s in SAMPLERS
    ]
    return _table(["short", "AUTOMATIC1111", "ComfyUI", "class of diffusers", "options"], rows)


def spacings() -> str:
    rows = [[_names(s.names), _text(s.options) or "those of the model"] for s in SPACINGS]
    return _table(["after the name", "options"], rows)


def few_steps() -> str:
    rows = [[kind.kind, kind.sign, kind.steps, f"{kind.guidance_scale:g}"] for kind in FEW_STEPS]
    return _table(["model", "known by", "`steps`", "`guidance_scale`"], rows)


TABLES = {
    "families": families,
    "samplers": samplers,
    "spacings": spacings,
    "few steps": few_steps,
}


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _text(options: Options) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in options.items())


if __name__ == "__main__":
    for file in PAGES:
        file.write_text(page(file), encoding="utf-8")
