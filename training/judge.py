"""A judge of motifs: a small network that has seen the painter's pictures and nothing else.

It learns from pictures in false colours, so that it knows a motif by its shape: a word's palette
alone would often give the motif away. It forgives no blur: a blurred picture shows it no motif.
Its scenes are its own; nothing else learns from them.
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


class MotifClassifier(nn.Module):
    """Logits [n, motifs] of pictures [n, 3, side, side] in [-1, 1].

    It knows the first `motifs` of the table: the table grows at its end.
    """

    def __init__(self, motifs: int = len(MOTIFS)) -> None:
        super().__init__()
        widths = (3, 24, 48, 64, 96)
        self.layers = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
                for a, b in pairwise(widths)
            )
        )
        self.last = nn.Linear(2 * widths[-1], motifs)

    def forward(self, pictures: Tensor) -> Tensor:
        features = self.layers(functional.avg_pool2d(pictures, 2))
        return self.last(torch.cat([features.mean((2, 3)), features.amax((2, 3))], dim=1))

    @property
    def motifs(self) -> list[str]:
        """The names of the motifs that it knows, in the order of its logits."""
        return list(MOTIFS)[: self.last.out_features]


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


def augment(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures [n, 3, side, side] shifted by up to four pixels and a little noisy."""
    down, right = torch.randint(-4, 5, (2,), generator=generator).tolist()
    moved = functional.pad(pictures, (4, 4, 4, 4), mode="replicate").roll((down, right), (2, 3))
    return moved[..., 4:-4, 4:-4] + 0.05 * torch.randn(pictures.shape, generator=generator)


def blur(pictures: Tensor, cell: int = 8) -> Tensor:
    """Pictures of which only the means of cells of so many pixels are left, smoothly joined."""
    means = functional.avg_pool2d(pictures, cell)
    return functional.interpolate(means, scale_factor=cell, mode="bilinear")


def train_judge(
    scenes: Sequence[Scene], pictures: np.ndarray, work: Path, steps: int = 1500, batch: int = 64
) -> MotifClassifier:
    """A judge trained on painted scenes of few words; a tenth are blurred and show no motif."""
    torch.manual_seed(0)
    targets = torch.from_numpy(np.stack([motifs_of(scene) for scene in scenes]))
    blurred = batch // 10

    def loss_at(generator: torch.Generator, _: int) -> Tensor:
        index = torch.randint(len(scenes), (batch,), generator=generator)
        sample, target = to_tensor(pictures[index.numpy()]), targets[index]
        sample = torch.cat([blur(sample[:blurred]), sample[blurred:]])
        target = torch.cat([torch.zeros_like(target[:blurred]), target[blurred:]])
        sample = _miscoloured(augment(sample, generator), generator)
        return functional.binary_cross_entropy_with_logits(judge(sample), target)

    judge = MotifClassifier()
    fit("judge", judge, loss_at, steps=steps, rate=3e-3, work=work, average=0.99)
    return judge


def save_judge(judge: MotifClassifier, path: Path = WEIGHTS) -> None:
    save_file({key: value.contiguous() for key, value in judge.state_dict().items()}, path)


def load_judge(path: Path = WEIGHTS) -> MotifClassifier:
    """The judge that ships with the embedded model."""
    weights = load_file(path)
    judge = MotifClassifier(len(weights["last.bias"]))
    judge.load_state_dict(weights)
    return judge.eval()


@torch.no_grad()
def name_motifs(
    judge: MotifClassifier, pictures: Sequence[Image.Image], most: int = 1
) -> list[list[str]]:
    """The `most` likeliest motifs of each picture, likeliest first."""
    logits = judge(to_tensor(np.stack([np.asarray(picture) for picture in pictures])))
    return [[judge.motifs[i] for i in row] for row in logits.topk(most).indices.tolist()]
