"""Schedulers by name and with options, on the noise schedule that the model was trained for."""

import copy
import inspect
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import diffusers
import yaml
from diffusers.configuration_utils import ConfigMixin

from flopslab.core.generator import refinement_schedule
from flopslab.core.model_parameters import MOST_STEPS, SchedulerOptions
from flopslab.errors import ParameterError
from flopslab.interop.samplers import SAMPLERS, correct_name, find_sampler

# What the model was trained for: a class that has no room for it would compute other noise.
_TRAINING = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas",
    "prediction_type", "rescale_betas_zero_snr", "thresholding", "sigma_data", "snr_shift_scale",
    "use_flow_sigmas", "flow_shift", "shift", "use_dynamic_shifting", "base_shift", "max_shift",
    "shift_terminal", "invert_sigmas", "time_shift_type",
)  # fmt: skip

# The same methods for models that were trained by flow matching.
_FLOW_CLASSES = {
    "EulerDiscreteScheduler": "FlowMatchEulerDiscreteScheduler",
    "HeunDiscreteScheduler": "FlowMatchHeunDiscreteScheduler",
    "LCMScheduler": "FlowMatchLCMScheduler",
}

# Only one of these can be on; the one that is asked for replaces that of the model.
_SIGMAS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas")

_REASONS = {
    "DPMSolverSDEScheduler": "draws one noise for a whole batch: a frame would depend on others",
    "DPMSolverMultistepInverseScheduler": "turns images into noise",
    "CogVideoXDDIMScheduler": "shifts the noise schedule, as CogVideoX was trained",
}


class PNDMScheduler(diffusers.PNDMScheduler):
    """PNDM that can start from an image, in the middle of its schedule.

    A whole schedule has its second timestep twice, to improve the first step. That of diffusers
    takes the second timestep for this repetition wherever it starts: it would begin a step too
    early, skip one, and leave noise in the picture.
    """

    def step_plms(self, model_output: Any, timestep: Any, *arguments: Any, **options: Any) -> Any:
        if self.counter == 0:
            self._is_whole = timestep == self.timesteps[0]  # pyright: ignore[reportOptionalSubscript]
        elif self.counter == 1 and not self._is_whole:
            self.counter = 2
        return super().step_plms(model_output, timestep, *arguments, **options)


def make_scheduler(name: str, default: ConfigMixin, options: SchedulerOptions = "") -> Any:
    """The scheduler of this name and with these options, made for the model of `default`.

    `name` is one of `flopslab.interop.samplers` or a class of diffusers; "" is the class of
    `default`, the model's own scheduler. `options` are parameters of that class, as in
    `Study.scheduler_options`. Raises ParameterError if there is no such name, option or value, or
    if what the model was trained for has no room in the class.
    """
    values = parse_options(options)
    if type(default) is diffusers.PNDMScheduler:
        default = PNDMScheduler.from_config(default.config)  # pyright: ignore[reportAssignmentType]
    if not name and not values:
        return default
    expected = f"scheduler {name!r}" if name else f"the model's {type(default).__name__}"
    cls, named = _find_class(expected, name, default) if name else (type(default), {})
    cls = PNDMScheduler if cls is diffusers.PNDMScheduler else cls
    training = _training_values(expected, cls, default)
    values = {**named, **_check_options(cls, values)}
    replaced = {flag: False for flag in _SIGMAS if flag in _parameters(cls)}
    if not any(values.get(flag) for flag in replaced):
        replaced = {}
    try:
        return cls.from_config(default.config, **training | replaced | values)
    except Exception as error:  # each class checks its values in its own way
        hint = "change scheduler_options; the documentation of diffusers lists what goes together"
        raise ParameterError(f"{expected} with {values}", _first_line(error), hint) from error


def parse_options(options: SchedulerOptions) -> dict[str, Any]:
    """The options by name: from a mapping, a list of `name=value`, or text with commas between.

    Raises ParameterError for an entry without a name or a value.
    """
    if isinstance(options, Mapping):
        return dict(options)
    entries = options.split(",") if isinstance(options, str) else options
    pairs = [entry.partition("=") for entry in entries if entry.strip()]
    for name, sign, value in pairs:
        if not (name.strip() and sign and value.strip()):
            hint = "write name=value, such as use_karras_sigmas=true"
            raise ParameterError("scheduler_options", repr(name + sign + value), hint)
    return {name.strip(): _parse_value(value) for name, _, value in pairs}


def sampling_options(scheduler: ConfigMixin) -> dict[str, Any]:
    """The scheduler's options that are not its class's defaults, JSON-ready.

    Without what the model was trained for.
    """
    defaults = {name: p.default for name, p in _parameters(type(scheduler)).items()}
    values = {name: value for name, value in scheduler.config.items() if name in defaults}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in sorted(values.items())
        if name not in _TRAINING and value != defaults[name]
    }


def check_steps(scheduler: Any, steps: int) -> None:
    """Raise ParameterError if the scheduler has no schedule of so many steps."""
    cls, config = type(scheduler).__name__, scheduler.config
    expected = f"a schedule of {steps} steps"
    limit = _most_steps(scheduler)
    if steps > limit:
        raise ParameterError(expected, f"{cls}, which has {limit}", f"set steps to {limit} or less")
    if config.get("skip_prk_steps") is False and steps < 4:
        hint = "set steps to 4 or more, or scheduler_options to skip_prk_steps=true"
        raise ParameterError(expected, f"{cls}, whose Runge-Kutta steps need 4", hint)
    try:
        _schedule(scheduler, steps)
    except Exception as error:  # each class checks its values in its own way
        hint = "set other steps, scheduler or scheduler_options"
        raise ParameterError(expected, f"{cls}: {_first_line(error)}", hint) from error


def choose_schedule(pipe: Any, steps: int, strength: float) -> tuple[int, dict[str, Any]]:
    """(count, arguments) of an image-to-image call that starts at a strength and runs `count`
    steps, see `refinement_schedule`. A scheduler without such a schedule runs the nearest of
    `steps`. ParameterError if the scheduler cannot start from an image.
    """
    most = _most_steps(pipe.scheduler)
    if type(pipe).__name__.startswith("LatentConsistency"):  # it starts anywhere, with all steps
        strength = max(strength, 1 / most)
        count = min(steps, int(most * strength))
        return count, {"num_inference_steps": count, "strength": strength}
    count, length = refinement_schedule(steps, strength, most)
    try:
        check_steps(pipe.scheduler, length)
    except ParameterError:
        count, length = max(round(steps * strength), 1), steps
    if isinstance(pipe.scheduler, PNDMScheduler) and not pipe.scheduler.config["skip_prk_steps"]:
        actual = "PNDMScheduler, whose Runge-Kutta steps begin at pure noise"
        hint = "set scheduler_options to skip_prk_steps=true"
        raise ParameterError("a schedule that starts from an image", actual, hint)
    share = _share_of(pipe, count, length)
    return count, {"num_inference_steps": length, "strength": share}


def _share_of(pipe: Any, count: int, length: int) -> float:
    """The strength at which a pipeline runs the last `count` steps of `length`.

    Some cut off, others round up what is not whole in length * strength, and floats are seldom
    exact: the pipeline itself is asked. PNDM's list of timesteps is one longer than it assumes.
    """
    if isinstance(pipe.scheduler, PNDMScheduler) and count < length:
        count -= 1
    scheduler = _schedule(pipe.scheduler, length)
    shares = [count / length, (count + 0.5) / length, (count - 0.5) / length]

    def runs(share: float) -> bool:
        stand_in = SimpleNamespace(scheduler=scheduler)
        return type(pipe).get_timesteps(stand_in, length, share, "cpu")[1] == count

    return next(filter(runs, shares))


def _schedule(scheduler: Any, steps: int) -> Any:
    """A copy of the scheduler with a schedule of so many steps."""
    scheduler = copy.deepcopy(scheduler)
    shift = {"mu": 1.0} if scheduler.config.get("use_dynamic_shifting") else {}  # the pipeline's
    scheduler.set_timesteps(steps, **shift)
    return scheduler


def _most_steps(scheduler: Any) -> int:
    """How many steps the longest schedule has."""
    limits = [scheduler.config.get(n) for n in ("num_train_timesteps", "original_inference_steps")]
    return min((limit for limit in limits if limit), default=MOST_STEPS)


def _find_class(
    expected: str, name: str, default: ConfigMixin
) -> tuple[type[ConfigMixin], Mapping[str, Any]]:
    """The class that has this name for models like that of `default`, and its options."""
    is_class = name.endswith("Scheduler") and hasattr(diffusers, name)
    sampler = find_sampler(name) or ((name, {}) if is_class else None)
    if sampler is None:
        near = correct_name(name)
        known = ", ".join((s.short_names + s.a1111 + s.comfyui)[0] for s in SAMPLERS)
        hint = f"{f'use {near}? ' if near else ''}There are {known}"
        raise ParameterError(expected, "no such name", hint)
    if "beta_schedule" in default.config or not hasattr(default, "scale_noise"):
        return _require(expected, getattr(diffusers, sampler[0]), default), sampler[1]
    stem = _FLOW_CLASSES.get(sampler[0], sampler[0])
    if stem not in _FLOW_CLASSES.values():
        hint = "leave scheduler empty (the model's own), or use euler, heun or lcm"
        raise ParameterError(expected, f"a model made for {type(default).__name__}", hint)
    return getattr(diffusers, stem), sampler[1]


def _require(expected: str, cls: Any, default: ConfigMixin) -> Any:
    """The class; ParameterError if it cannot do text to image and image to image with the model."""
    if cls is type(default):
        return cls
    if "beta_schedule" not in default.config:
        hint = "leave scheduler empty: the model's own"
        raise ParameterError(expected, f"a model made for {type(default).__name__}", hint)
    if reason := _reason_against(cls):
        hint = f"use one of {', '.join(s.short_names[0] for s in SAMPLERS if s.short_names)}"
        raise ParameterError(expected, f"a class that {reason}", hint)
    return cls


def _reason_against(cls: Any) -> str | None:
    """Why the class cannot do what this kit needs; None if it can."""
    if cls.__name__ in _REASONS:
        return _REASONS[cls.__name__]
    if "beta_schedule" not in _parameters(cls):
        return "is made for another kind of noise than the model"
    if not hasattr(cls, "add_noise"):
        return "cannot start from an image"
    step = inspect.signature(cls.step).parameters.values()
    needs = [p.name for p in step if p.default is p.empty][4:]  # self, output, timestep, sample
    return f"needs {' and '.join(needs)} in each step" if needs else None


def _training_values(expected: str, cls: Any, default: ConfigMixin) -> dict[str, Any]:
    """What the model was trained for, explicitly: the defaults of classes differ.

    Raises ParameterError for what has no room in the class.
    """
    own, target = _parameters(type(default)), _parameters(cls)
    values = {name: v for name, v in default.config.items() if name in _TRAINING}
    lost = {
        name: value
        for name, value in values.items()
        if name not in target and name in own and value != own[name].default
    }
    if "timestep_spacing" not in target and default.config.get("timestep_spacing") == "trailing":
        lost["timestep_spacing"] = "trailing"
    if lost:
        actual = ", ".join(f"{name} = {value}" for name, value in lost.items())
        hint = "leave scheduler empty (the model's own), or use dpm++, euler or ddim"
        raise ParameterError(expected, f"{cls.__name__}, without the model's {actual}", hint)
    return {name: value for name, value in values.items() if name in target}


def _check_options(cls: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The options with the types that the class has for them. ParameterError for others."""
    parameters = _parameters(cls)
    for name, value in values.items():
        if name not in parameters:
            hint = f"{cls.__name__} has {', '.join(parameters)}"
            raise ParameterError("scheduler_options", f"no option {name}", hint)
        default = parameters[name].default
        if default is not None and not _same_kind(value, default):
            hint = f"give a value like its default, {default!r}"
            raise ParameterError("scheduler_options", f"{name} = {value!r}", hint)
    return {
        name: float(value) if isinstance(parameters[name].default, float) else value
        for name, value in values.items()
    }


def _same_kind(value: Any, default: Any) -> bool:
    """Whether the value has the default's type; a whole number is a number too."""
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)


def _parameters(cls: Any) -> dict[str, inspect.Parameter]:
    """The parameters of the class, by name."""
    return {n: p for n, p in inspect.signature(cls.__init__).parameters.items() if n != "self"}


def _parse_value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text.strip()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
