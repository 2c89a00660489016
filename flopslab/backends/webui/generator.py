"""The generator that asks a server: one request for each frame, every answer compared."""

import base64
import io
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event
from typing import Any, NoReturn, Self

import numpy as np
from PIL import Image

from flopslab.backends.webui.address import Address, find_credentials
from flopslab.backends.webui.answer import answer_limit, read_answer
from flopslab.backends.webui.client import Client, Pause
from flopslab.backends.webui.controlnet import LOSS, Adapter, adapter_arguments, find_adapter
from flopslab.backends.webui.faults import GO_ON
from flopslab.backends.webui.prompt_syntax import write_plain_prompt, write_prompt
from flopslab.backends.webui.server import (
    API,
    PROGRESS,
    Server,
    check_parameters,
    inspect_server,
)
from flopslab.backends.webui.waiting import wait_for
from flopslab.core.compositing import METHODS, Context
from flopslab.core.generator import Capabilities, FrameRequest, refinement_schedule
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study
from flopslab.digests import json_digest
from flopslab.errors import FlopslabWarning, ModelError

SIZE, STEPS, GUIDANCE = 512, 20, 7.0  # where the study leaves them open
SEEDS = 2**31  # sent is a frame's seed modulo this; sd-server draws others at random
PROBE = 64  # width and height in pixels of the first picture, which tells what the server uses

# What an answer says about its picture, and must say in every later one.
_IDENTITY = ("sd_model_hash", "sd_model_name", "sd_vae_name", "sd_vae_hash", "version", "clip_skip")


class WebuiGenerator:
    """A `Generator` (see there) that is a server. Create it with `load`."""

    def __init__(
        self,
        client: Client,
        server: Server,
        settings: dict[str, Any],
        identity: dict[str, Any],
        adapter: Adapter | None = None,
    ) -> None:
        self.settings = settings
        self._client, self._server = client, server
        self._identity, self._adapter = identity, adapter
        self._stop, self._task = Event(), ""
        self._inversions: set[str] = set()  # that a warning has named
        self.on_step: Callable[[int, int], None] | None = None  # see `StepReporter`
        self.capabilities = Capabilities(
            latents=False,
            references=adapter is not None,
            tokens=False,
            text_embeddings=False,
            turning_noise=False,
        )

    @classmethod
    def load(cls, study: Study, pause: Pause = Event.wait) -> Self:
        """The study's server, asked what it has. Raises ModelError, ParameterError."""
        check_parameters(study)
        address = Address.parse(study.model)
        client = Client(address, find_credentials(address.host), pause)
        address.warn_if_readable(client.has_password)
        server = inspect_server(client, address)
        settings = _settings(study, server)
        adapter = None
        if METHODS[study.method].weighs_images and not server.is_plain:
            adapter = find_adapter(client, study.ip_adapter)
        if adapter:
            settings |= {"ip_adapter_digest": adapter.name}
            warnings.warn(LOSS, FlopslabWarning, stacklevel=2)
        identity = cls(client, server, settings | {"width": PROBE, "height": PROBE}, {})._probe()
        server = inspect_server(client, address)  # a hash may be computed by now
        settings |= _proof(address, server, identity)
        return cls(client, server, settings, identity, adapter)

    @property
    def size(self) -> tuple[int, int]:
        return self.settings["width"], self.settings["height"]

    def tokens(self, prompt: Prompt) -> None:
        """Nothing: no server counts tokens."""

    def nearest_colour(self, words: tuple[str, ...]) -> NoReturn:
        self._refuse("the nearest colour", "write it into prompt_prefix")

    def decode(self, latents: np.ndarray) -> NoReturn:
        self._refuse("the picture of latents", "look at the frames themselves")

    def generate_with_latents(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> NoReturn:
        self._refuse("latents", "use method grid or blend")

    def clone(self) -> Self:
        """This one: its connections serve any thread."""
        return self

    def generate(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> list[Image.Image]:
        """See `Generator`. Raises ModelError if the server fails or uses other weights."""
        self._warn_of_inversions(requests)
        return [self._generate(request, strength)[0] for request in requests]

    def interrupt(self) -> None:
        """See `Generator`. The server's work of others goes on."""
        stop, self._stop = self._stop, Event()
        stop.set()
        if self._server.has_progress:
            with suppress(ModelError):
                if self._progress().get("current_task") in (None, self._task):
                    self._client.post(f"{API}/interrupt")

    def _probe(self) -> dict[str, Any]:
        """What the server says about a small first picture; its model is loaded then."""
        _, facts = self._generate(FrameRequest(Prompt((("sky", 1.0),)), 0), 1.0, steps=1)
        return {name: facts[name] for name in _IDENTITY if name in facts}

    def _generate(
        self, request: FrameRequest, strength: float, **changes: Any
    ) -> tuple[Image.Image, dict[str, Any]]:
        stop, body = self._stop, self._body(request) | changes
        path = f"{API}/txt2img"
        if request.context.init is not None:
            path = f"{API}/img2img"
            body |= _start(request.context.init, body["steps"], strength)
        self._task = body["force_task_id"] = json_digest(body)[:32]
        try:
            answer = wait_for(
                lambda: self._client.generate(path, body, answer_limit(self.size), stop),
                self._report_step,
            )
        except KeyboardInterrupt:
            self.interrupt()
            raise
        self._require_whole(stop)
        image, facts = read_answer(answer, self.size)
        self._compare(body, facts)
        return image, facts

    def _report_step(self) -> None:
        """Tell whoever watches the steps where the server is, if it says so and it is our frame."""
        if self.on_step is None or not self._server.has_progress:
            return
        match self._client.glance(PROGRESS):
            case {"state": {"sampling_step": int(step), "sampling_steps": int(total)}, **rest}:
                if rest.get("current_task") in (None, self._task) and 0 < step <= total:
                    self.on_step(step, total)

    def _body(self, request: FrameRequest) -> dict[str, Any]:
        write = write_plain_prompt if self._server.is_plain else write_prompt
        settings, negative = self.settings, self.settings["negative_prompt"]
        body = {
            "prompt": write(request.prompt),
            "negative_prompt": write(Prompt(((negative, 1.0),))) if negative else "",
            "seed": request.seed % SEEDS,
            "subseed": -1,
            "subseed_strength": 0,
            "steps": settings["steps"],
            "cfg_scale": settings["guidance_scale"],
            "width": settings["width"],
            "height": settings["height"],
            "sampler_name": settings["scheduler"],
            "batch_size": 1,
            "n_iter": 1,
            "send_images": True,
            "save_images": False,
            "restore_faces": False,
            "tiling": False,
            "enable_hr": False,
            "disable_extra_networks": True,
            "styles": [],
            "override_settings": self._server.options
            | {"sd_model_checkpoint": self._server.checkpoint["title"]},
            "override_settings_restore_afterwards": True,
        }
        if settings["schedule"]:
            body["scheduler"] = settings["schedule"]
        return body | self._references(request.context)

    def _references(self, context: Context) -> dict[str, Any]:
        if not context.references:
            return {}
        if self._adapter is None:
            self._refuse("reference images", "use method grid or blend")
        return adapter_arguments(self._adapter, context, _encode)

    def _warn_of_inversions(self, requests: Sequence[FrameRequest]) -> None:
        texts = [self.settings["negative_prompt"], *(request.prompt.text for request in requests)]
        for name in sorted(self._server.inversions_in(" ".join(texts)) - self._inversions):
            sentence = f"the server has a textual inversion {name}: it acts where a prompt says so"
            warnings.warn(sentence, FlopslabWarning, stacklevel=3)
            self._inversions.add(name)

    def _progress(self) -> dict[str, Any]:
        """What the server says of its work; {} if that is nothing of the kind."""
        answer = self._client.find(PROGRESS)
        return answer if isinstance(answer, dict) else {}

    def _require_whole(self, stop: Event) -> None:
        """ModelError if the picture may be one that somebody stopped, here or at the server."""
        is_asked = self._server.has_progress and not stop.is_set()
        state = self._progress().get("state") if is_asked else None
        is_cut = isinstance(state, dict) and (state.get("interrupted") or state.get("skipped"))
        if stop.is_set() or is_cut:
            raise ModelError("a whole frame from the server", "it was interrupted", GO_ON)

    def _compare(self, body: dict[str, Any], facts: dict[str, Any]) -> None:
        """ModelError if the answer is to another request, or of other weights, than it should."""
        names = ("seed", "width", "height", "steps", "cfg_scale", "sampler_name")
        expected = {name: body[name] for name in names if name in facts} | self._identity
        others = [name for name in expected if facts.get(name) != expected[name]]
        if others:
            raise ModelError(
                "a frame with " + ", ".join(f"{name} {expected[name]}" for name in others),
                ", ".join(f"{name} {facts.get(name)}" for name in others) + "; it was not kept",
                "set the server back to what it was, or choose another output_dir",
            )

    def _refuse(self, wish: str, hint: str) -> NoReturn:
        raise ModelError(f"{wish} from {self.settings['model']}", "a server gives none", hint)


def _settings(study: Study, server: Server) -> dict[str, Any]:
    """The settings, as far as the study and the server's options tell them."""
    sampler, schedule = server.sampler(study.scheduler)
    return {
        "model": study.model,
        "width": study.width or SIZE,
        "height": study.height or SIZE,
        "steps": study.steps or STEPS,
        "guidance_scale": GUIDANCE if study.guidance_scale is None else study.guidance_scale,
        "guidance_stop": 1.0,
        "scheduler": sampler,
        "schedule": schedule,
        "negative_prompt": study.negative_prompt,
        "batch_size": 1,
        "seed_bits": SEEDS.bit_length() - 1,
        "device": "server",
        "dtype": "of the server",
    } | {f"options.{name}": value for name, value in server.options.items()}


def _proof(address: Address, server: Server, identity: dict[str, Any]) -> dict[str, Any]:
    """The settings that say which weights and which VAE it is; one warning where nothing does."""
    _require_checkpoint(server, identity)
    digest = address.sha256 or (None if server.is_plain else server.checkpoint.get("sha256"))
    if not digest or (not server.is_plain and not identity.get("sd_model_hash")):
        sentence = (
            f"{address.url} does not prove its model: frames are kept even if it changes. Write "
            "the SHA-256 of its file after the address, #sha256=..."
        )
        warnings.warn(sentence, FlopslabWarning, stacklevel=3)
    name = "stable-diffusion.cpp" if server.is_plain else identity.get("version") or "unknown"
    facts = {key: identity.get(key) for key in ("sd_model_hash", "sd_vae_name", "sd_vae_hash")}
    return {"model_digest": digest or None, "versions": {"server": name}} | facts


def _require_checkpoint(server: Server, identity: dict[str, Any]) -> None:
    """ModelError if the first picture is of other weights: a server silently ignores a name."""
    title, actual = server.checkpoint["title"], identity.get("sd_model_hash")
    expected = (server.checkpoint.get("sha256") or "")[: len(actual or "")]
    if actual and expected and actual != expected and not server.is_plain:
        name = identity.get("sd_model_name")
        hint = "load that checkpoint on the server, or name another after #"
        raise ModelError(f"frames from {title}", f"{name} [{actual}]", hint)


def _start(image: Image.Image, steps: int, strength: float) -> dict[str, Any]:
    count, length = refinement_schedule(steps, strength)
    return {
        "init_images": [_encode(image)],
        "steps": length,
        "denoising_strength": min((count + 0.5) / length, 1.0),  # servers cut off a part of a step
        "resize_mode": 0,
        "include_init_images": False,
        "initial_noise_multiplier": 1.0,
    }


def _encode(image: Image.Image) -> str:
    file = io.BytesIO()
    image.convert("RGB").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
