"""The embedded model's IP-Adapter: a picture as a prompt.

Ye et al. 2023 (https://arxiv.org/abs/2308.06721): the embedding of a picture becomes four tokens,
to which every cross-attention layer listens through keys and values of its own. They begin as the
layer's keys and values for words; the UNet itself stays as it is.
"""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from safetensors.torch import save_file
from torch import Tensor, nn

from training.fit import fit
from training.text import WIDTH
from training.unet import Lesson, dropped, make_scheduler, velocity_loss

FOLDER, NAME = "ip_adapter", "ip-adapter_tiny.safetensors"
_TOKENS = 4
_WORDLESS = 0.7  # the share of pictures that are learned from the picture alone
_BLIND = 0.1  # and without the picture, for guidance

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
    projection = unet.encoder_hid_proj.image_projection_layers[0].state_dict()
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


def train_adapter(
    unet: UNet2DConditionModel, lesson: Lesson, seen: Tensor, work: Path, steps: int, batch: int
) -> State:
    """An adapter trained to bring back the pictures whose embeddings `seen` [n, WIDTH] it gets."""
    unet._load_ip_adapter_weights([make_adapter(unet)])
    unet.requires_grad_(False)
    unet.encoder_hid_proj.requires_grad_(True)
    for processor in _processors(unet):
        processor.requires_grad_(True)
    scheduler, nothing = make_scheduler(), torch.zeros(WIDTH)

    def loss_at(generator: torch.Generator) -> Tensor:
        index = torch.randint(len(lesson.latents), (batch,), generator=generator)
        clean, states = lesson.latents[index].float(), lesson.states[index].float()
        states = dropped(states, lesson.empty, _WORDLESS, generator)
        embeds = dropped(seen[index].float(), nothing, _BLIND, generator)
        return velocity_loss(
            unet, scheduler, clean, states, generator, image_embeds=[embeds[:, None]]
        )

    fit("adapter", unet, loss_at, steps=steps, rate=1e-3, work=work, average=0.99)
    return adapter_of(unet)


def _processors(unet: UNet2DConditionModel) -> list[IPAdapterAttnProcessor2_0]:
    found = unet.attn_processors.values()
    return [each for each in found if isinstance(each, IPAdapterAttnProcessor2_0)]
