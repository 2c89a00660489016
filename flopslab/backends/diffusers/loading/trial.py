"""A trial of a loaded generator: what would fail in the first frame fails at load.

One step of the study's own schedule and one decode of one small frame: from words and, where the
study refines, from an image, from latents or with reference images, as its method does.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from PIL import Image

from flopslab.backends.diffusers.loading.libraries import first_line
from flopslab.core.compositing import METHODS, Context
from flopslab.core.generator import FrameRequest
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study
from flopslab.errors import FlopslabError, ModelError, ParameterError

Loaded = Any  # a DiffusersGenerator, whose module imports this one
_PROMPT = Prompt((("sea", 1.0),))
_INPUT_ERRORS = (
    "shapes cannot be multiplied",
    "size of tensor",
    "to have",
    "embedding",
    "expected",
)


def try_out(generator: Loaded, study: Study) -> None:
    """Make one small frame of each kind that the study needs; nothing of it is kept.

    Small is the least size that the networks' halvings allow; if that fails, the study's own size
    decides. Raises ModelError, or ParameterError where a parameter of the study is the cause.
    """
    pipes = generator._text_to_image, generator._image_to_image
    if study.passes > 1 and pipes[0] is pipes[1]:
        actual = f"{type(pipes[0]).__name__}, which has no image-to-image pipeline in diffusers"
        hint = "set passes to 1, or use Stable Diffusion, SDXL, SD3 or Flux"
        raise ParameterError(f"{study.passes} passes", actual, hint)
    own = generator.size
    for size in dict.fromkeys([_small_size(pipes[0], own), own]):
        try:
            with _first_step_only(pipes), np.errstate(invalid="ignore"):
                _make_frames(_resize(generator, size), study)
            return
        except FlopslabError:
            raise
        except Exception as error:  # whatever diffusers and torch raise
            if size == own:
                raise _explain(error, generator, study) from error


def _make_frames(generator: Loaded, study: Study) -> None:
    """A frame of pass 1 and, if the study refines, one of pass 2."""
    method, strength = METHODS[study.method], study.strength(2)
    picture = Image.new("RGB", generator.size, (128, 96, 64))
    references, weight = (), 0.0
    if method.weighs_images:
        references, weight = ((picture, 1.0),), 0.5
    first = Context(references=references, image_weight=weight)
    [_], [latents] = generator.generate_with_latents([FrameRequest(_PROMPT, 0, first)])
    if study.passes == 1 or (method.weighs_images and strength == 1):
        return
    start: dict[str, Any] = {"latents": latents} if method.takes_latents else {"init": picture}
    second = Context(references=references, image_weight=weight, **start)
    generator.generate([FrameRequest(_PROMPT, 0, second)], strength)


def _resize(generator: Loaded, size: tuple[int, int]) -> Loaded:
    """The generator with frames of this size, one in a batch; it shares all networks.

    The latents after one step may overflow a decoder, those at the end do not: let them.
    """
    small = copy.copy(generator)
    small.settings = generator.settings | {"width": size[0], "height": size[1], "batch_size": 1}
    small._check_finite = lambda is_finite: None
    pipes = small._text_to_image, small._image_to_image
    if not all(hasattr(type(pipe), "interrupt") for pipe in pipes):  # they would run all steps
        small.settings |= {"steps": min(small.settings["steps"], 2)}  # PixArt: 1 is a special case
    return small


def _small_size(pipe: DiffusionPipeline, own: tuple[int, int]) -> tuple[int, int]:
    """(width, height): the smallest that the networks can halve as often as they do."""
    scale = math.lcm(getattr(pipe, "vae_scale_factor", 8), 8)
    if hasattr(pipe, "unet"):
        unit = scale * 2 ** (len(pipe.unet.config.block_out_channels) - 1)
    else:
        unit = scale * 2 * (pipe.transformer.config.get("patch_size") or 1)
    width, height = (min(unit, length) for length in own)
    return width, height


@contextmanager
def _first_step_only(pipes: Sequence[DiffusionPipeline]) -> Iterator[None]:
    """In the `with` block the pipelines skip all steps of a call but the first."""
    schedulers: dict[int, Any] = {id(pipe.scheduler): pipe.scheduler for pipe in pipes}

    def interrupt_after(step: Any) -> Any:
        def stop(*arguments: Any, **options: Any) -> Any:
            for pipe in pipes:
                pipe._interrupt = True  # each call begins with False
            return step(*arguments, **options)

        return stop

    for scheduler in schedulers.values():
        scheduler.step = interrupt_after(scheduler.step)
    try:
        yield
    finally:
        for scheduler in schedulers.values():
            del scheduler.step  # the class has its own


def _explain(error: Exception, generator: Loaded, study: Study) -> FlopslabError:
    """What the trial's error means: of the schedule, of the networks' inputs, or unknown."""
    settings, text = generator.settings, f"{type(error).__name__}: {first_line(error)}"
    scheduler, traceback = settings["scheduler"], error.__traceback__
    modules = []
    while traceback is not None:
        modules.append(traceback.tb_frame.f_globals.get("__name__", ""))
        traceback = traceback.tb_next
    about_scheduler = "schedul" in text.lower() or any(".schedulers." in name for name in modules)
    if about_scheduler:
        expected = f"a first frame of {settings['steps']} steps with {scheduler}"
        is_of_model = isinstance(error, AttributeError) or not study.steps
        kind = ModelError if is_of_model and not study.scheduler else ParameterError
        hint = "set scheduler to ddim, euler or dpm++, or steps to fewer or more"
        return kind(expected, text, hint)
    expected = f"a first frame from {settings['model']}"
    if any(phrase in text for phrase in _INPUT_ERRORS):
        hint = (
            "its networks want other inputs than words and an image, or do not belong together: "
            "use the text-to-image model of its family, and the encoders that came with it"
        )
        return ModelError(expected, text, hint)
    return ModelError(expected, text, "try another scheduler, size or method, or another model")
