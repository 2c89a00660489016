"""A denoiser compiled for its hardware by torch.compile."""

from typing import Any

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from flopslab.core.compositing import METHODS
from flopslab.core.study import Study
from flopslab.errors import ModelError, ParameterError

Loaded = Any  # a DiffusersGenerator, whose module imports this one

BACKEND = "inductor"


def check_compilable(study: Study) -> None:
    """Raise ParameterError if the study asks for compilation beside what rules it out."""
    reasons = {
        "offload model, which moves the denoiser": study.offload != "none",
        "references, whose number differs between frames": METHODS[study.method].weighs_images,
    }
    for reason in (reason for reason, is_true in reasons.items() if study.compile and is_true):
        hint = "set compile to false, offload to none or another method"
        raise ParameterError("compile, for batches that are all alike", reason, hint)


def compile_denoiser(pipe: DiffusionPipeline) -> None:
    """Have each shape of batch that a pipeline's denoiser meets compiled once, when it comes.

    One kernel for all shapes would depend on which came first, and so would pixels. For the same
    reason it is an error if there are too many shapes, or a part that does not compile.
    """
    denoiser = pipe.unet if hasattr(pipe, "unet") else pipe.transformer
    denoiser.compile(backend=BACKEND, dynamic=False, fullgraph=True)


def compile_now(generator: Loaded) -> None:
    """Compile a loaded generator's denoiser, which takes minutes, and say so in its settings.

    Raises ModelError if it does not compile.
    """
    generator.settings["compile"] = True
    torch.compiler.reset()  # what was compiled for a generator before counts as well
    compile_denoiser(generator._text_to_image)
    try:
        generator._try_batch(generator.settings["batch_size"])
    except RuntimeError as error:  # all errors of torch's compiler
        hint = "set compile to false; on a CPU torch.compile needs a C++ compiler"
        actual = " ".join(str(error).split("\n")[:2])
        raise ModelError("a denoiser that torch compiles", actual, hint) from error
