"""A judge of motifs: a small classifier that has seen the painter's pictures and nothing else.

It learns from pictures in false colours, so that it knows a motif by its shape: a word's palette
alone would often give the motif away.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from training.fit import fit
from training.motifs import MOTIFS
from training.scenes import Scene
from training.vae import to_tensor
from training.vocabulary import meaning

WEIGHTS = Path(__file__).parent / "judge.safetensors"


class Judge(nn.Module):
    """Logits [n, motifs] of pictures [n, 3, side, side] in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 64, 96)
        self.layers = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
                for a, b in pairwise(widths)
            )
        )
        self.last = nn.Linear(2 * widths[-1], len(MOTIFS))

    def forward(self, pictures: Tensor) -> Tensor:
        seen = self.layers(functional.avg_pool2d(pictures, 2))
        return self.last(torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], dim=1))


def motifs_of(scene: Scene) -> np.ndarray:
    """1 for each motif in the scene, float32 [motifs]."""
    names = list(MOTIFS)
    present = np.zeros(len(names), np.float32)
    present[[names.index(meaning(word).motif) for word, _ in scene.words]] = 1
    return present


def _miscoloured(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """The pictures [n, 3, side, side] with their channels mixed, some inverted."""
    mixing = torch.rand(len(pictures), 3, 3, generator=generator)
    mixing = mixing / mixing.sum(2, keepdim=True)
    sign = torch.randint(2, (len(pictures), 3, 1), generator=generator) * 2 - 1
    gain = 0.6 + 0.6 * torch.rand(len(pictures), 3, 1, generator=generator)
    return torch.einsum("nij,njhw->nihw", sign * gain * mixing, pictures)


def worn(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures as a generator might make them: a third of them blurred, all a little noisy."""
    soft = functional.avg_pool2d(pictures, 4)
    soft = functional.interpolate(soft, scale_factor=4, mode="bilinear")
    share = torch.rand(len(pictures), 1, 1, 1, generator=generator)
    blurred = torch.where(share < 0.33, torch.lerp(pictures, soft, 3 * share), pictures)
    return blurred + 0.05 * torch.randn(pictures.shape, generator=generator)


def train_judge(
    scenes: Sequence[Scene], pictures: np.ndarray, work: Path, steps: int = 1500
) -> Judge:
    """A judge trained on painted scenes of few words."""
    torch.manual_seed(0)
    wanted = torch.from_numpy(np.stack([motifs_of(scene) for scene in scenes]))

    def loss_at(generator: torch.Generator) -> Tensor:
        index = torch.randint(len(scenes), (64,), generator=generator)
        seen = worn(to_tensor(pictures[index.numpy()]), generator)
        seen = _miscoloured(seen, generator)
        return functional.binary_cross_entropy_with_logits(judge(seen), wanted[index])

    judge = Judge()
    return fit("judge", judge, loss_at, steps=steps, rate=3e-3, work=work, average=0.99)


def save_judge(judge: Judge, path: Path = WEIGHTS) -> None:
    save_file({key: value.contiguous() for key, value in judge.state_dict().items()}, path)


def load_judge(path: Path = WEIGHTS) -> Judge:
    """The judge that ships with the embedded model."""
    judge = Judge()
    judge.load_state_dict(load_file(path))
    return judge.eval()


@torch.no_grad()
def named(judge: Judge, pictures: Sequence[Image.Image], most: int = 1) -> list[list[str]]:
    """The `most` likeliest motifs of each picture, likeliest first."""
    logits = judge(to_tensor(np.stack([np.asarray(picture) for picture in pictures])))
    names = list(MOTIFS)
    return [[names[i] for i in row] for row in logits.topk(most).indices.tolist()]
