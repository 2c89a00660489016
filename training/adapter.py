"""The embedded model's IP-Adapter: a picture as a prompt.

Ye et al. 2023 (https://arxiv.org/abs/2308.06721): the embedding of a picture becomes four tokens,
to which every cross-attention layer listens through keys and values of its own. They begin as the
layer's keys and values for words; the UNet itself stays as it is.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.fit import fit
from training.scenes import Scene
from training.text import WIDTH
from training.unet import drop_condition, make_scheduler, velocity_loss

FOLDER, NAME = "ip_adapter", "ip-adapter_tiny.safetensors"
_TOKENS = 4
_WORDLESS = 0.2  # the share of scenes that are learned from their picture alone
_WHOLE = 0.15  # and beside all of their words; the others beside some of them
_REST = 0.8  # of the others, the share whose picture shows only the words that are not beside it
_BLIND = 0.1  # the share that are learned without the picture, for guidance
_WEIGHTS = (0.5, 0.5, 0.75, 1.0)  # of the picture, from step to step; runs take the first

State = dict[str, dict[str, Tensor]]  # the two parts of an adapter, as diffusers reads them


def make_adapter(unet: UNet2DConditionModel) -> State:
    """An untrained adapter for a UNet."""
    torch.manual_seed(0)
    first, norm = nn.Linear(WIDTH, _TOKENS * WIDTH), nn.LayerNorm(WIDTH)
    projection = {f"proj.{key}": value for key, value in first.state_dict().items()}
    projection |= {f"norm.{key}": value for key, value in norm.state_dict().items()}
    layers, weights = {}, unet.state_dict()
    crossing = [name for name in unet.attn_processors if "attn2" in name]
    for i, name in enumerate(crossing):
        layer = name.removesuffix("processor")
        layers[f"{2 * i + 1}.to_k_ip.weight"] = weights[f"{layer}to_k.weight"].clone()
        layers[f"{2 * i + 1}.to_v_ip.weight"] = weights[f"{layer}to_v.weight"].clone()
    return {"image_proj": projection, "ip_adapter": layers}


def adapter_of(unet: UNet2DConditionModel) -> State:
    """The adapter that a UNet carries."""
    hidden: Any = unet.encoder_hid_proj
    projection = hidden.image_projection_layers[0].state_dict()
    renamed = {key.replace("image_embeds", "proj"): value for key, value in projection.items()}
    layers = {}
    for i, processor in enumerate(_processors(unet)):
        layers[f"{2 * i + 1}.to_k_ip.weight"] = processor.to_k_ip[0].weight
        layers[f"{2 * i + 1}.to_v_ip.weight"] = processor.to_v_ip[0].weight
    return {"image_proj": renamed, "ip_adapter": layers}


def save_adapter(state: State, folder: Path) -> None:
    """Write an adapter in half precision, where `load_ip_adapter` looks for it."""
    folder.mkdir(parents=True, exist_ok=True)
    flat = {f"{part}.{key}": value for part, keys in state.items() for key, value in keys.items()}
    save_file(
        {key: value.detach().half().contiguous() for key, value in flat.items()}, folder / NAME
    )


def load_adapter(path: Path) -> State:
    """The adapter of a file that `save_adapter` wrote, in single precision."""
    state: State = {"image_proj": {}, "ip_adapter": {}}
    for name, value in load_file(path).items():
        part, key = name.split(".", 1)
        state[part][key] = value.float()
    return state


@dataclass(frozen=True)
class References:
    """Scenes, and the prompts of words and a picture that ask for each.

    The scenes' latents [n, 4, 32, 32]; of several prompts for each, the pictures' embeddings
    [n, prompts, WIDTH] and the words' text states [n, prompts, 77, WIDTH].
    """

    latents: Tensor
    embeds: Tensor
    states: Tensor

    def to(self, device: str) -> "References":
        return References(*(tensor.to(device) for tensor in vars(self).values()))


def sample_prompt(
    scene: Scene, random: np.random.Generator
) -> tuple[tuple[tuple[str, float], ...], Scene]:
    """Part of a scene's words (none, some, or all), and the scene whose picture stands beside them.

    What the words leave out the picture must bring, which shows the whole scene or the rest of its
    words alone: so it learns to add its motifs to theirs.
    """
    share = random.random()
    if share < _WORDLESS or (share < 1 - _WHOLE and len(scene.words) == 1):
        return (), scene
    if share >= 1 - _WHOLE:
        return scene.fragments, scene
    count = int(random.integers(1, len(scene.words)))
    chosen = set(random.choice(len(scene.words), count, replace=False).tolist())
    words = tuple(word for i, word in enumerate(scene.words) if i in chosen)
    rest = tuple(word for i, word in enumerate(scene.words) if i not in chosen)
    alone = random.random() < _REST
    return words, replace(scene, words=rest) if alone else scene


def train_adapter(
    unet: UNet2DConditionModel,
    references: References,
    work: Path,
    steps: int,
    batch: int,
    device: str = "cpu",
    start: State | None = None,
) -> State:
    """An adapter trained to bring the scenes that pictures and words ask for together.

    Its weight differs from step to step, so that a weight of one half carries motifs too. `start`
    is an adapter to go on from.
    """
    unet._load_ip_adapter_weights([start or make_adapter(unet)])
    unet.requires_grad_(False)
    hidden: Any = unet.encoder_hid_proj
    hidden.requires_grad_(True)
    for processor in _processors(unet):
        processor.requires_grad_(True)
    scheduler, nothing = make_scheduler(), torch.zeros(WIDTH, device=device)
    references = references.to(device)

    def loss_at(generator: torch.Generator, _: int) -> Tensor:
        random = np.random.default_rng(generator.initial_seed())
        here: Any = {"generator": generator, "device": generator.device}
        index = torch.randint(len(references.latents), (batch,), **here)
        prompts = torch.randint(references.states.shape[1], (batch,), **here)
        for processor in _processors(unet):
            processor.scale = [float(random.choice(_WEIGHTS))]
        embeds = references.embeds[index, prompts].float()
        embeds = drop_condition(embeds, nothing, _BLIND, generator)
        clean, states = references.latents[index], references.states[index, prompts]
        images = [embeds[:, None]]
        return velocity_loss(
            unet, scheduler, clean.float(), states.float(), generator, image_embeds=images
        )

    options: Any = {"rate": 1e-3, "average": 0.99, "device": device}
    fit("adapter", unet, loss_at, steps=steps, work=work, **options)
    return adapter_of(unet)


def _processors(unet: UNet2DConditionModel) -> list[Any]:
    processors = unet.attn_processors.values()
    return [p for p in processors if isinstance(p, IPAdapterAttnProcessor2_0)]
