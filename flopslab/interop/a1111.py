"""The line of settings that AUTOMATIC1111 writes into a PNG, as text chunk `parameters`.

Its format: the prompt, a line `Negative prompt: ...` if there is one, and a line of `name: value`
with commas between, values with a comma, a colon or a line break in JSON quotes. Emphasis is
`(word:1.4)`; a backslash makes brackets plain text. Many programs read it. See modules/
infotext_utils.py and processing.py of AUTOMATIC1111.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flopslab.interop.samplers import a1111_names
from flopslab.version import __version__

CHUNK = "parameters"  # keyword of the PNG's text chunk

_FIELD = re.compile(r'\s*(\w[\w /-]*):\s*("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)')
_NEGATIVE = "Negative prompt:"
_NAMES = {  # and the parameter that means the same, with its type
    "Steps": ("steps", int),
    "Sampler": ("scheduler", str),
    "CFG scale": ("guidance_scale", float),
    "Seed": ("seed", int),
    "Denoising strength": ("denoising_strength", float),
    "Clip skip": ("clip_skip", int),
}


def write_parameters(
    prompt: Sequence[Sequence[Any]],
    settings: Mapping[str, Any],
    seed: int,
    model: str,
    strength: float | None,
) -> str:
    """The text of a frame's chunk.

    `prompt`: (text, weight) pairs; `settings`: those of the generator, of which some may be
    missing; `strength`: the share of the steps that a refinement ran, None for text to image. A
    model's hash is that of a checkpoint's file: only a server tells one.
    """
    lines = [" ".join(_emphasize(text, weight) for text, weight in prompt)]
    if settings.get("negative_prompt"):
        lines.append(f"{_NEGATIVE} {_emphasize(settings['negative_prompt'], 1)}")
    sampler, spacing = a1111_names(settings["scheduler"], settings.get("scheduler_options", {}))
    clip_skip = settings.get("clip_skip", 1)
    values = {
        "Steps": settings["steps"],
        "Sampler": sampler,
        "Schedule type": spacing,
        "CFG scale": f"{settings['guidance_scale']:g}",
        "Seed": seed,
        "Size": f"{settings['width']}x{settings['height']}",
        "Model hash": settings.get("sd_model_hash"),
        "Model": re.split(r"[/\\]", model.rstrip("/\\"))[-1],
        "Denoising strength": None if strength is None else f"{strength:g}",
        "Clip skip": clip_skip if clip_skip > 1 else None,
        "Version": f"flopslab {__version__}",
    }
    lines.append(", ".join(f"{n}: {_quote(v)}" for n, v in values.items() if v is not None))
    return "\n".join(lines)


def read_parameters(text: str) -> dict[str, Any]:
    """The parameters of a study that a chunk has values for, by name; {} for another text.

    The prompt is not among them: a study's prompts come from its words.
    """
    lines = text.strip().split("\n")
    fields = {name: _unquote(value) for name, value in _FIELD.findall(lines[-1])}
    if "Steps" not in fields:
        return {}
    values = dict(_convert(fields))
    size = re.fullmatch(r"(\d+)x(\d+)", fields.get("Size", ""))
    if size:
        values |= {"width": int(size[1]), "height": int(size[2])}
    if fields.get("Schedule type", "Automatic") != "Automatic" and "scheduler" in values:
        values["scheduler"] += f" {fields['Schedule type']}"
    _, sign, negative = "\n".join(lines[:-1]).partition(_NEGATIVE)
    return values | ({"negative_prompt": negative.strip()} if sign else {})


def _emphasize(text: str, weight: float) -> str:
    """The text as a prompt says it literally, on one line, with its weight."""
    literal = re.sub(r"([\\()\[\]])", r"\\\1", " ".join(text.split()))
    return literal if weight == 1 else f"({literal}:{weight:g})"


def _convert(fields: Mapping[str, str]) -> Iterable[tuple[str, Any]]:
    for name, (parameter, kind) in _NAMES.items():
        try:
            yield parameter, kind(fields[name])
        except (KeyError, ValueError):  # not there, or nothing that this kit understands
            continue


def _quote(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r"[,:\n]", text) else text


def _unquote(value: str) -> str:
    try:
        return json.loads(value) if value.startswith('"') else value.strip()
    except ValueError:
        return value
