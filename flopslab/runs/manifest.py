"""visual-manifest.json: what a video assembler reads, and what makes any frame again.

Everything in it comes from the study, the sequence and the pictures' recipes, so that it can be
written again, byte for byte, at any time. Its `status` is `running` from before a run's first
change until everything that it names is in place: then it is written again, as `complete`.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import islice
from typing import Any

from flopslab.core.plan import Frame
from flopslab.core.windows import FrameKey
from flopslab.digests import canonical_json
from flopslab.runs import layout
from flopslab.runs.provenance import FORMAT, Record, Records, RunContext, pixel_settings

RUNNING, COMPLETE = "running", "complete"  # values of `status`


def build(context: RunContext, frames: Sequence[Frame], records: Records) -> dict[str, Any]:
    """The manifest of a complete run; `frames`: those of the last pass."""
    study = context.study
    passes = range(1, study.passes + 1)
    by_pass = {n: [records[FrameKey(n, frame.key.position)] for frame in frames] for n in passes}
    everything = [record for row in by_pass.values() for record in row]
    return {
        "frames": Entries(_frame, frames, *by_pass.values()),
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
            "passes": [_pass(number, row) for number, row in by_pass.items()],
        },
        "final_pass": study.passes,
        "pass_directories": [layout.pass_name(number) for number in passes],
        "created": max(record.created for record in everything),
        "made_by": _makers(everything),
    } | _plan(context, COMPLETE)


def announce(context: RunContext) -> dict[str, Any]:
    """The manifest of a run at work: what it is to be, and nothing about frames."""
    return _plan(context, RUNNING)


class Entries(list[Any]):
    """A list whose entries are made one by one, when it is read: all at once would fill memory."""

    def __init__(self, function: Callable[..., Any], rows: Sequence[Any], *more: Any) -> None:
        super().__init__(rows)
        self._function, self._more = function, more

    def __iter__(self) -> Iterator[Any]:
        return map(self._function, super().__iter__(), zip(*self._more, strict=True))


def encode(manifest: Mapping[str, Any]) -> bytes:
    """The manifest's file: JSON in UTF-8, without NaN."""
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2)
    tokens, buffer = encoder.iterencode(manifest), io.BytesIO()
    while part := "".join(islice(tokens, 10_000)):  # all tokens at once would fill memory
        buffer.write(part.encode())
    buffer.write(b"\n")
    return buffer.getvalue()


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the manifest."""
    return json.loads(files("flopslab.runs").joinpath("visual-manifest.schema.json").read_bytes())


def _plan(context: RunContext, status: str) -> dict[str, Any]:
    """What is known before the first frame."""
    return {
        "status": status,
        "flopslab": FORMAT,
        "parameters": {n: v for n, v in context.study_parameters.items() if n != "reuse_from"},
        "settings": pixel_settings(context.settings),
        "total_duration_ms": context.sequence.total_duration_ms,
        "inter_word_silence_ms": context.sequence.inter_word_silence_ms,
        "sequence": [word.entry for word in context.sequence.words],
    }


def _frame(frame: Frame, records: Sequence[Record]) -> dict[str, Any]:
    """One entry of `frames`; `records`: the frame's own, pass by pass."""
    return {
        "position": frame.key.position,
        "center_word": frame.centre.text,
        "context_words": [word.text for word in frame.words if not word.silent],
        "prompt": frame.prompt.written,
        "tokens": frame.tokens,
        "references": [
            {"position": entry.source, "weight": entry.weight} for entry in frame.inputs
        ],
        "image_file": layout.frame_name(frame.key.position),
        "audio_start_ms": frame.centre.start_ms,
        "audio_end_ms": frame.centre.end_ms,
        "generation_time_s": records[-1].generation_time_s,
        "seeds": [record.seed for record in records],
        "pixel_digests": [record.digest for record in records],
    }


def _pass(pass_number: int, records: Sequence[Record]) -> dict[str, Any]:
    return {
        "pass": pass_number,
        "directory": layout.pass_name(pass_number),
        "generation_time_s": round(sum(record.generation_time_s for record in records), 3),
    }


def _makers(records: Sequence[Record]) -> list[dict[str, Any]]:
    """The devices and library versions that made the pictures, each once, in a fixed order."""
    makers = ({"device": record.device, "versions": record.versions} for record in records)
    return [json.loads(maker) for maker in sorted(set(map(canonical_json, makers)))]
