"""What samplers are called here, in AUTOMATIC1111 and in ComfyUI, and which scheduler each one is.

A sampler is a scheduler class of diffusers with some options. The names of AUTOMATIC1111 stand in
its modules/sd_samplers_kdiffusion.py and sd_samplers_timesteps.py, those of its schedule types in
sd_schedulers.py; ComfyUI's are in comfy/samplers.py. The classes follow the table in the
documentation of diffusers ("Schedulers", "k-diffusion"). Where diffusers has no implementation of a
method (DPM++ 2S a, DPM fast, DPM adaptive, Restart, Heun++, CFG++), its name is not in the table.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile

Options = Mapping[str, bool | int | float | str]


@dataclass(frozen=True)
class Sampler:
    """A method of sampling and its names; the first of each list is the usual one."""

    scheduler: str  # class name
    short_names: tuple[str, ...] = ()
    a1111: tuple[str, ...] = ()
    comfyui: tuple[str, ...] = ()
    options: Options = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return self.short_names + self.a1111 + self.comfyui


_SDE: Options = {"algorithm_type": "sde-dpmsolver++"}

SAMPLERS = (
    Sampler("DDIMScheduler", ("ddim",), ("DDIM",), ("ddim",)),
    Sampler("DDPMScheduler", ("ddpm",), (), ("ddpm",)),
    Sampler("DPMSolverMultistepScheduler", ("dpm++",), ("DPM++ 2M",), ("dpmpp_2m",)),
    Sampler("DPMSolverMultistepScheduler", (), ("DPM++ 2M SDE",), ("dpmpp_2m_sde",), _SDE),
    Sampler(
        "DPMSolverMultistepScheduler",
        (),
        ("DPM++ 2M SDE Heun",),
        ("dpmpp_2m_sde_heun",),
        {**_SDE, "solver_type": "heun"},
    ),
    Sampler(
        "DPMSolverMultistepScheduler",
        (),
        ("DPM++ 3M SDE",),
        ("dpmpp_3m_sde",),
        {**_SDE, "solver_order": 3},
    ),
    Sampler("DPMSolverSinglestepScheduler", (), ("DPM++ SDE",), ("dpmpp_sde",), _SDE),
    Sampler("EulerDiscreteScheduler", ("euler",), ("Euler",), ("euler",)),
    Sampler("EulerAncestralDiscreteScheduler", ("euler_a",), ("Euler a",), ("euler_ancestral",)),
    Sampler("HeunDiscreteScheduler", ("heun",), ("Heun",), ("heun",)),
    Sampler("KDPM2DiscreteScheduler", (), ("DPM2",), ("dpm_2",)),
    Sampler("KDPM2AncestralDiscreteScheduler", (), ("DPM2 a",), ("dpm_2_ancestral",)),
    Sampler("LMSDiscreteScheduler", (), ("LMS",), ("lms",)),
    Sampler("LCMScheduler", ("lcm",), ("LCM",), ("lcm",)),
    Sampler("TCDScheduler", ("tcd",)),
    # skip_prk_steps: as Stable Diffusion uses it. Runge-Kutta steps would need four or more.
    Sampler("PNDMScheduler", ("pndm",), ("PLMS",), (), {"skip_prk_steps": True}),
    # The other tools' plain UniPC has the solver type bh1; diffusers' default is bh2.
    Sampler("UniPCMultistepScheduler", ("unipc",), ("UniPC",), ("uni_pc", "uni_pc_bh2")),
    Sampler("DEISMultistepScheduler", (), (), ("deis",)),
    Sampler("SASolverScheduler", (), (), ("sa_solver",)),
)


@dataclass(frozen=True)
class Spacing:
    """How a sampler's steps are spaced, written after its name ("DPM++ 2M Karras")."""

    names: tuple[str, ...]  # AUTOMATIC1111's "Schedule type" first
    options: Options


SPACINGS = (
    Spacing(("Karras",), {"use_karras_sigmas": True}),
    Spacing(("Exponential",), {"use_exponential_sigmas": True}),
    Spacing(("Beta",), {"use_beta_sigmas": True}),
    # ComfyUI's "simple" takes every n-th noise level from the last: diffusers' "trailing" too.
    Spacing(("SGM Uniform", "sgm_uniform", "Simple", "trailing"), {"timestep_spacing": "trailing"}),
    Spacing(("Uniform", "Normal", "Automatic"), {}),
)


def find_sampler(name: str) -> tuple[str, Options] | None:
    """(scheduler class, options) of a sampler's name, with or without a spacing, or of a class.

    Case, spaces and punctuation do not matter. None for a name that is not in the tables.
    """
    word = "".join(_tokens(name))
    for spacing, extra in _SPACINGS.items():
        if word.endswith(spacing) and word.removesuffix(spacing) in _SAMPLERS:
            scheduler, options = _SAMPLERS[word.removesuffix(spacing)]
            return scheduler, {**options, **extra}
    return None


def correct_name(name: str) -> str | None:
    """The known name that differs by one letter in a word of five or more, if there is just one.

    Shorter words and digits are left alone: DDIM and DDPM, 2M and 2S are other methods.
    """
    near = [text for text in _all_names() if _is_misspelt(_tokens(name), _tokens(text))]
    methods = {repr(find_sampler(text)) for text in near}
    return near[0] if len(methods) == 1 else None


def a1111_names(scheduler: str, options: Options) -> tuple[str, str | None]:
    """What AUTOMATIC1111 calls the sampler and its schedule type.

    The class name where it has no such sampler, None where the steps are spaced as usual.
    """
    types = [s.names[0] for s in SPACINGS if s.options and s.options.items() <= options.items()]
    samplers = [s for s in SAMPLERS if s.scheduler == scheduler and s.a1111]
    matches = [s for s in samplers if s.options.items() <= options.items()]
    best = max(matches, key=lambda sampler: len(sampler.options), default=None)
    return best.a1111[0] if best else scheduler, next(iter(types), None)


def _tokens(name: str) -> list[str]:
    """The name's words in lower case; `dpmpp` for `DPM++`, as ComfyUI writes it."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=dpm)\+\+", "pp", name.lower()))
    return words[1:] if words[:1] == ["k"] else words  # k-diffusion: AUTOMATIC1111's aliases


def _all_names() -> Iterator[str]:
    """Every name of the tables, each sampler's with every spacing."""
    for sampler in SAMPLERS:
        for text in (*sampler.names, sampler.scheduler):
            yield text
            yield from (f"{text} {name}" for spacing in SPACINGS for name in spacing.names)


def _is_misspelt(words: list[str], known: list[str]) -> bool:
    """Whether the words are the known ones with one letter wrong in one long word."""
    pairs = [(a, b) for a, b in zip(words, known, strict=False) if a != b]
    if len(words) != len(known) or len(pairs) != 1:
        return False
    (word, other) = pairs[0]
    return len(other) >= 5 and _letters_apart(word, other) <= 1


def _letters_apart(a: str, b: str) -> int:
    """How many letters are left of the longer one without common start and end."""
    start = _common_length(a, b)
    end = _common_length(a[start:][::-1], b[start:][::-1])
    return max(len(a), len(b)) - start - end


def _common_length(a: str, b: str) -> int:
    """How many letters both begin with."""
    return len([*takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))])


_SPACINGS: dict[str, Options] = {"": {}} | {
    "".join(_tokens(name)): spacing.options for spacing in SPACINGS for name in spacing.names
}
_SAMPLERS: dict[str, tuple[str, Options]] = {
    sampler.scheduler.lower(): (sampler.scheduler, {}) for sampler in SAMPLERS
} | {
    "".join(_tokens(name)): (sampler.scheduler, sampler.options)
    for sampler in SAMPLERS
    for name in (*sampler.names, *([sampler.scheduler] if sampler.short_names else []))
}
