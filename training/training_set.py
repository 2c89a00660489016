"""What the UNet learns from: scenes as latents, text states and motif maps, in shards on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from training.motifs import MOTIFS
from training.scenes import WALK, Scene, paint_all, sample_scenes, sample_walk
from training.text import embed
from training.vae import to_tensor

MAP = 8  # cells a side of the motif maps
NOTHING = len(MOTIFS)  # the number in a motif map of a cell in which no motif stands
_STRANGE = 0.08  # the share of words that are not in the table
_WALKING = 0.2  # the share of scenes that follow each other in walks
_SEED = 2_000  # of the first shard


@dataclass(frozen=True)
class TrainingSet:
    """Scenes, halves: latents [n, 4, 32, 32], text states [n, 77, WIDTH], motif maps [n, MAP, MAP].

    The last `walks` scenes are walks of `WALK`, one after the other. `empty` [77, WIDTH] are the
    text states of the empty prompt.
    """

    latents: Tensor
    states: Tensor
    maps: Tensor
    walks: Tensor
    empty: Tensor

    def __len__(self) -> int:
        return len(self.latents)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        save_file({name: value.contiguous() for name, value in vars(self).items()}, fresh)
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        tensors = load_file(path)  # `walks` stays on the CPU, where it is read
        return cls(**{k: t if k == "walks" else t.to(device) for k, t in tensors.items()})


def shard_scenes(number: int, size: int) -> list[Scene]:
    """The scenes of a shard, about `size` of them, the walks last."""
    seed, walking = _SEED + number, round(size * _WALKING / WALK)
    random = np.random.default_rng([seed, 1])
    walks = [scene for _ in range(walking) for scene in sample_walk(random, _STRANGE)]
    return sample_scenes(size - len(walks), seed, _STRANGE) + walks


@torch.no_grad()
def make_shard(
    number: int,
    size: int,
    vae: AutoencoderTiny,
    encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    batch: int = 50,
) -> TrainingSet:
    """A shard of the training set, painted, and encoded where `vae` and `encoder` are.

    About 50 ms of CPU a scene, 10 with a card.
    """
    scenes = shard_scenes(number, size)
    latents, states = [], []
    for i in range(0, len(scenes), batch):
        part = scenes[i : i + batch]
        pictures = to_tensor(paint_all(part, workers=1)).to(vae.device)
        latents.append(vae.encoder(pictures).half().cpu())
        states.append(embed(encoder, tokenizer, [scene.fragments for scene in part]).half().cpu())
    maps = np.stack([scene.motif_map(MAP) for scene in scenes])
    walks = round(size * _WALKING / WALK) * WALK
    return TrainingSet(
        torch.cat(latents),
        torch.cat(states),
        torch.from_numpy(maps),
        torch.tensor(walks),
        embed(encoder, tokenizer, [[]])[0].half().cpu(),
    )


# --- starts as refinement makes them ----------------------------------------------------------


def sample_starts(
    data: TrainingSet, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Scenes of walks, and what a refinement of each would start from, [count, 4, 32, 32].

    A start is the mean of the scene's companions, or a mosaic of them: each quarter one, reduced.
    """
    walks = int(data.walks) // WALK
    first = len(data) - int(data.walks)
    device = generator.device
    walk = torch.randint(walks, (count, 1), generator=generator, device=device)
    place = torch.randint(WALK, (count, 1), generator=generator, device=device)
    companions = torch.arange(WALK - 1, device=device)
    companions = companions + (companions >= place)  # all but the scene itself
    start = first + WALK * walk
    latents = data.latents[start + companions].float()  # [count, WALK - 1, 4, 32, 32]
    mosaics = torch.rand(count, generator=generator, device=device) < 0.5
    starts = torch.where(mosaics.view(-1, 1, 1, 1), _mosaic(latents), latents.mean(1))
    return (start + place).squeeze(1), starts


def _mosaic(latents: Tensor) -> Tensor:
    """Four of the companions [n, k, c, side, side] side by side, [n, c, side, side]."""
    small = functional.avg_pool2d(latents.flatten(0, 1), 2).unflatten(0, latents.shape[:2])
    quarters = [small[:, i % small.shape[1]] for i in range(4)]
    rows = [torch.cat(quarters[:2], -1), torch.cat(quarters[2:], -1)]
    return torch.cat(rows, -2)
