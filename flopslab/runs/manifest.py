"""visual-manifest.json: what a video assembler reads, and what makes any frame again.

Everything in it comes from the study, the sequence and the pictures' recipes, so that it can be
written again, byte for byte, at any time.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from flopslab.core.plan import Frame
from flopslab.runs.provenance import FORMAT, Conditions, Recipe, Recipes, canonical, pixel_settings

NAME = "visual-manifest.json"


def build(conditions: Conditions, frames: Sequence[Frame], recipes: Recipes) -> dict[str, Any]:
    """The manifest of a complete run; `frames`: those of the last pass."""
    study = conditions.study
    passes = range(1, study.passes + 1)
    made = {number: [recipes[number, frame.position] for frame in frames] for number in passes}
    everything = [recipe for of_pass in made.values() for recipe in of_pass]
    return {
        "frames": [_frame(frame, [recipes[n, frame.position] for n in passes]) for frame in frames],
        "total_frames": len(frames),
        "context_diameter": study.context_diameter,
        "frame_interval": study.frame_interval,
        "prompt_style": study.prompt_style,
        "model": study.model,
        "multi_pass": {
            "enabled": study.passes > 1,
            "num_passes": study.passes,
            "method": study.method,
            "image_context_multiplier": study.image_context_multiplier,
            "image_weight": study.image_weight,
            "denoising_strength": study.denoising_strength,
            "passes": [_pass(number, made[number]) for number in passes],
        },
        "final_pass": study.passes,
        "pass_directories": [f"pass{number}" for number in passes],
        "created": max(recipe.created for recipe in everything),
        "flopslab": FORMAT,
        "parameters": study.model_dump(exclude={"output_dir"}),
        "settings": pixel_settings(conditions.settings),
        "made_by": _makers(everything),
        "sequence": [word.entry for word in conditions.words],
    }


def encode(manifest: Mapping[str, Any]) -> bytes:
    """The manifest's file: JSON in UTF-8, without NaN."""
    return (json.dumps(manifest, ensure_ascii=False, allow_nan=False, indent=2) + "\n").encode()


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the manifest."""
    return json.loads(files("flopslab.runs").joinpath("visual-manifest.schema.json").read_bytes())


def _frame(frame: Frame, recipes: Sequence[Recipe]) -> dict[str, Any]:
    """One entry of `frames`; `recipes`: the frame's own, pass by pass."""
    centre = frame.words[frame.window.index(frame.position)]
    return {
        "position": frame.position,
        "center_word": centre.text,
        "context_words": [word.text for word in frame.words if not word.silent],
        "prompt": frame.prompt.written,
        "tokens": frame.tokens,
        "references": [
            {"position": frame.sources[p], "weight": weight}
            for p, weight in frame.weighted_inputs.items()
        ],
        "image_file": f"final/{frame.place.name}",
        "audio_start_ms": centre.start_ms,
        "audio_end_ms": centre.end_ms,
        "generation_time_s": recipes[-1].generation_time_s,
        "seeds": [recipe.pixels["seed"] for recipe in recipes],
        "pixel_digests": [recipe.digest for recipe in recipes],
    }


def _pass(number: int, recipes: Sequence[Recipe]) -> dict[str, Any]:
    return {
        "pass": number,
        "directory": f"pass{number}",
        "generation_time_s": round(sum(recipe.generation_time_s for recipe in recipes), 3),
    }


def _makers(recipes: Sequence[Recipe]) -> list[dict[str, Any]]:
    """The devices and library versions that made the pictures, each once, in a fixed order."""
    makers = [{"device": recipe.device, "versions": recipe.versions} for recipe in recipes]
    return sorted({canonical(maker): maker for maker in makers}.values(), key=canonical)
