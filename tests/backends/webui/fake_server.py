"""A server of AUTOMATIC1111's API on loopback that paints noise, and fails as it is told to.

Its pixels depend on the whole request, its weights and its options, like a model's.
"""

import base64
import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin
from prompt_parsers import parse_automatic, parse_plain

WEIGHTS = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("sea", "sky")}
Fault = Callable[["FakeServer", dict], Any]  # what to answer instead of a picture, or None


class FakeServer:
    """`faults`: what happens to the next pictures that are asked for, one each; None: nothing."""

    def __init__(self, dialect: str = "automatic") -> None:
        self.plain = dialect == "plain"
        self.loaded, self.vae, self.adapters = "sea", "Automatic", ["ip-adapter_sd15 [6a3f6166]"]
        self.options: dict[str, Any] = {"samples_format": "png"}
        self.inversions: list[str] = []
        if not self.plain:
            self.options |= {
                "CLIP_stop_at_last_layers": 1,
                "eta_noise_seed_delta": 0,
                "img2img_color_correction": False,
                "img2img_fix_steps": True,
                "enable_prompt_comments": True,
                "sd_vae": "Automatic",
            }
        self.credentials = ""
        self.faults: list[Fault | None] = []
        self.hashes, self.interrupted, self.task = True, False, None
        self.step: dict[str, Any] = {}  # what its progress says beside
        self.stopped = threading.Event()  # set by an interrupt
        self.requests: list[dict] = []  # for pictures, the first small one apart
        self.log: list[str] = []  # method and path of everything
        self.headers: list[dict] = []
        self.before_frame: Callable[[int], None] = lambda count: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def entry(self, name: str) -> dict[str, Any]:
        digest = "8" * 64 if self.plain else WEIGHTS[name]
        entry = {"title": f"{name}.safetensors [{digest[:10]}]", "model_name": name}
        return entry | {"hash": digest[:10], "sha256": digest if self.hashes else None}

    def get(self, path: str) -> Any:
        """The answer to a GET; None: no such path."""
        answers: dict[str, Any] = {
            "/sdapi/v1/options": self.options
            | {"sd_model_checkpoint": self.entry(self.loaded)["title"]},
            "/sdapi/v1/sd-models": [self.entry(self.loaded)]
            if self.plain
            else [self.entry(name) for name in WEIGHTS],
            "/sdapi/v1/samplers": [
                {"name": "Euler", "aliases": ["k_euler"]},
                {"name": "DPM++ 2M", "aliases": ["k_dpmpp_2m"]},
            ],
            "/sdapi/v1/schedulers": [{"name": "karras", "label": "Karras"}],
        }
        if not self.plain:
            loaded = {name: {"shape": 768} for name in self.inversions}
            answers["/sdapi/v1/embeddings"] = {"loaded": loaded, "skipped": {"xl": {}}}
            answers["/sdapi/v1/progress"] = {
                "state": {"interrupted": self.interrupted, "skipped": False} | self.step,
                "current_task": self.task,
            }
            if self.adapters:
                answers["/controlnet/model_list"] = {"model_list": self.adapters}
                answers["/controlnet/module_list"] = {"module_list": ["none", "ip-adapter-auto"]}
        return answers.get(path.partition("?")[0])

    def post(self, path: str, body: dict) -> Any:
        """The answer to a POST: a picture, or what a fault makes of it."""
        if path == "/sdapi/v1/interrupt":
            self.stopped.set()
        if path not in ("/sdapi/v1/txt2img", "/sdapi/v1/img2img"):
            return {}
        if body["width"] == body["height"] == 64:
            return self.paint(body)
        self.requests.append(body)
        self.before_frame(len(self.requests))
        fault = self.faults.pop(0) if self.faults else None
        answer = fault(self, body) if fault else None
        return self.paint(body) if answer is None else answer

    def paint(self, body: dict, **changes: Any) -> dict[str, Any]:
        """The answer with a picture of noise; `changes` of the size, the format or the facts."""
        parse = parse_plain if self.plain else parse_automatic
        options = {} if self.plain else self.options | body["override_settings"]
        title = body["override_settings"]["sd_model_checkpoint"]
        known = [name for name in WEIGHTS if self.entry(name)["title"] == title]
        name = known[0] if known and not self.plain else self.loaded
        parts = [parse(body["prompt"]), body["negative_prompt"], body["seed"], body["steps"], name]
        parts += [body["cfg_scale"], body["sampler_name"], options.get("CLIP_stop_at_last_layers")]
        parts += [self.vae, body.get("alwayson_scripts")]
        digest = hashlib.sha256(json.dumps(parts).encode()).digest()
        size = changes.pop("size", (body["width"], body["height"]))
        noise = np.random.default_rng(list(digest)).integers(0, 256, (size[1], size[0], 3))
        if body.get("init_images"):
            start = np.asarray(Image.open(io.BytesIO(base64.b64decode(body["init_images"][0]))))
            share = body["denoising_strength"]
            noise = share * noise + (1 - share) * start
        drawn = self.plain and body["seed"] >= 2**31  # as sd-server does
        facts = {"seed": 7 if drawn else body["seed"], "width": size[0], "height": size[1]}
        file, text = io.BytesIO(), PngImagePlugin.PngInfo()
        if self.plain:
            record = json.dumps(facts | {"models": {"model": name}, "prompt": body["prompt"]})
            text.add_text("parameters", f"{body['prompt']}\nSeed: 1, SDCPP: {record}")
        kind = changes.pop("kind", "PNG")
        options = {"pnginfo": text} if kind == "PNG" else {}
        Image.fromarray(noise.astype(np.uint8)).save(file, kind, **options)
        digest = WEIGHTS[name][:10]
        facts |= {"sd_model_name": name, "sd_model_hash": digest, "sd_vae_name": self.vae}
        facts |= {"sd_vae_hash": hashlib.sha256(self.vae.encode()).hexdigest()[:10]}
        facts |= {"version": "v1.10.1", "index_of_first_image": 0} | changes
        info = "" if self.plain else json.dumps(facts)
        return {"images": [base64.b64encode(file.getvalue()).decode()], "info": info}


class _Handler(BaseHTTPRequestHandler):
    fake: FakeServer

    def do_GET(self) -> None:
        self._serve(lambda body: self.fake.get(self.path))

    def do_POST(self) -> None:
        self._serve(lambda body: self.fake.post(self.path, body))

    def _serve(self, answer: Callable[[dict], Any]) -> None:
        self.fake.log.append(f"{self.command} {self.path}")
        self.fake.headers.append(dict(self.headers))
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        if self.fake.credentials:
            code = base64.b64encode(self.fake.credentials.encode()).decode()
            if self.headers.get("Authorization") != f"Basic {code}":
                return self._send(401, {"detail": "Not authenticated"})
        found = answer(json.loads(data) if data else {})
        if found == "reset":
            self.close_connection = True
            return None
        if found is None:
            return self._send(404, {"detail": "Not Found"})
        return self._send(*found) if isinstance(found, tuple) else self._send(200, found)

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def serving(dialect: str = "automatic") -> Iterator[FakeServer]:
    """A fake server at work."""
    fake = FakeServer(dialect)
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": fake}))
    http.daemon_threads = True
    fake.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, args=[0.01], daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
