"""What a server has: its options, its weights, its samplers; and what a study makes of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flopslab.backends.webui.address import Address
from flopslab.backends.webui.client import Client
from flopslab.core.model_parameters import ModelParameters
from flopslab.core.study import Study
from flopslab.errors import ModelError, ParameterError

API = "/sdapi/v1"
PROGRESS = f"{API}/progress?skip_current_image=true"
EIGHTS = re.compile("8+")  # what stable-diffusion.cpp gives as the hash of any model

# Options of a server that change pixels: read once, recorded, and sent with every request.
PIXEL_OPTIONS = (
    "CLIP_stop_at_last_layers", "always_discard_next_to_last_sigma", "comma_padding_backtrack",
    "emphasis", "eta_ancestral", "eta_ddim", "eta_noise_seed_delta", "fp8_storage",
    "img2img_background_color", "img2img_color_correction", "img2img_fix_steps", "pad_cond_uncond",
    "randn_source", "s_churn", "s_min_uncond", "s_noise", "s_tmin", "sd_noise_schedule", "sd_vae",
    "sdxl_crop_left", "sdxl_crop_top", "sgm_noise_multiplier", "skip_early_cond",
    "token_merging_ratio", "token_merging_ratio_img2img", "upcast_attn", "use_old_scheduling",
)  # fmt: skip
# Words are data, and denoising_strength is a share of the steps, whatever the server prefers.
FIXED_OPTIONS = {"enable_prompt_comments": False, "img2img_fix_steps": False}

_OBEYED = {
    "model", "width", "height", "steps", "guidance_scale", "scheduler", "batch_size",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """What one server has, as it said when it was first asked."""

    options: dict[str, Any]  # those of PIXEL_OPTIONS and FIXED_OPTIONS that it knows
    checkpoint: dict[str, Any]  # its entry for the weights: title, hash, sha256, ...
    samplers: Sequence[Mapping[str, Any]]
    schedules: Sequence[Mapping[str, Any]]
    has_progress: bool
    inversions: frozenset[str] = frozenset()  # names of textual inversions that are loaded there

    @property
    def is_plain(self) -> bool:
        """Whether it is stable-diffusion.cpp's, which knows no hash and less syntax."""
        return bool(EIGHTS.fullmatch(self.checkpoint.get("hash") or ""))

    def inversions_in(self, text: str) -> set[str]:
        """The textual inversions that act in a prompt with this text: no syntax keeps them out."""
        return {
            name
            for name in self.inversions
            if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE)
        }

    def sampler(self, name: str) -> tuple[str, str]:
        """(sampler, schedule) of a name such as `DPM++ 2M Karras`; "" is Euler. ParameterError."""
        whole = _plain(name or "Euler")
        schedules = [item.get("label") or item["name"] for item in self.schedules]
        for schedule in ("", *schedules):
            for item in self.samplers:
                names = item["name"], *item.get("aliases", [])
                if whole in [_plain(n) + _plain(schedule) for n in names]:
                    return item["name"], schedule
        names = ", ".join(item["name"] for item in self.samplers)
        raise ParameterError(f"scheduler {name!r} on the server", "no such name", f"use: {names}")


def inspect_server(client: Client, address: Address) -> Server:
    """What the server at this address has. Raises ModelError."""
    try:
        return _inspect(client, address)
    except (AttributeError, KeyError, TypeError) as error:  # answers of other shapes
        expected, actual = f"the API of AUTOMATIC1111 at {address.url}", "answers of another kind"
        raise ModelError(expected, actual, "check what runs at this address") from error


def _inspect(client: Client, address: Address) -> Server:
    options = client.get(f"{API}/options")
    if (kind := options.get("samples_format", "png")) != "png":
        expected = f"pictures without loss from {address.url}"
        raise ModelError(expected, f"samples_format {kind}", "set that option there to png")
    known = {name: options[name] for name in PIXEL_OPTIONS if name in options}
    known |= {name: value for name, value in FIXED_OPTIONS.items() if name in options}
    checkpoints = client.get(f"{API}/sd-models")
    return Server(
        options=known,
        checkpoint=_choose(checkpoints, options.get("sd_model_checkpoint") or "", address),
        samplers=client.get(f"{API}/samplers"),
        schedules=client.find(f"{API}/schedulers") or [],
        has_progress=client.find(PROGRESS) is not None,
        inversions=frozenset((client.find(f"{API}/embeddings") or {}).get("loaded", ())),
    )


def check_parameters(study: Study) -> None:
    """ParameterError for a parameter of the model that no server would notice."""
    default = Study()
    names = [
        name
        for name in ModelParameters.model_fields
        if name not in _OBEYED and getattr(study, name) != getattr(default, name)
    ]
    if names:
        values = ", ".join(f"{name} = {getattr(study, name)!r}" for name in names)
        hint = f"leave {', '.join(names)} out, and set the like on the server"
        raise ParameterError("parameters that a server obeys", values, hint)
    if study.batch_size > 1:
        hint = "leave batch_size out"
        raise ParameterError("frames one by one from a server", "a larger batch_size", hint)


def _choose(
    checkpoints: Sequence[dict[str, Any]], present: str, address: Address
) -> dict[str, Any]:
    """The entry of the weights that the address names, or of those that are loaded."""
    name = address.checkpoint or present
    for item in checkpoints:
        is_constant = EIGHTS.fullmatch(item.get("hash") or "")  # then nothing contradicts the user
        if address.sha256 and (item.get("sha256") == address.sha256 or is_constant):
            return item
        titles = item["title"], item["title"].partition(" [")[0], item["model_name"]
        if not address.sha256 and name in titles:
            return item
    titles = ", ".join(item["title"] for item in checkpoints) or "none"
    expected = f"the model {address.sha256[:12] or name!r} at {address.url}"
    raise ModelError(expected, "no such model there", f"after #, write one of: {titles}")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", name.lower())
