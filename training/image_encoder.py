"""The IP-Adapter's image encoder: a small vision transformer that sees motifs and colours.

From its embedding of a picture a head, thrown away after training, must tell which motif stands in
which part of the picture, and the mean colours of each part. It shares nothing with the CLIP in
`tiny/clip`: what makes pictures and what measures them are independent.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from training.fit import fit
from training.motifs import MOTIFS
from training.painter import SIZE
from training.scenes import Scene
from training.text import WIDTH
from training.vae import scale, to_tensor

PATCH = 16  # pixels a side: 64 patches a picture
_MAP = 4  # cells a side of what the head must tell


def make_image_encoder(seed: int = 0) -> CLIPVisionModelWithProjection:
    """An untrained encoder of pictures of SIZE x SIZE to WIDTH numbers."""
    torch.manual_seed(seed)
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            image_size=SIZE,
            patch_size=PATCH,
            num_hidden_layers=3,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_attention_heads=4,
            projection_dim=WIDTH,
        )
    )


class _Described(nn.Module):
    """An image encoder with the head that is thrown away after training."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = make_image_encoder()
        self.head = nn.Linear(WIDTH, _MAP * _MAP * (len(MOTIFS) + 1 + 3))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the motif maps [n, motifs + 1, cells] and colours [n, 3, cells]."""
        embeds = self.encoder(pixel_values=pictures).image_embeds
        description = self.head(embeds).view(len(pictures), -1, _MAP * _MAP)
        return description[:, :-3], description[:, -3:]


def train_image_encoder(
    scenes: Sequence[Scene],
    pictures: np.ndarray,
    work: Path,
    steps: int,
    batch: int = 64,
    device: str = "cpu",
) -> CLIPVisionModelWithProjection:
    """An image encoder trained on painted scenes."""
    model = _Described()
    maps = torch.from_numpy(np.stack([scene.motif_map(_MAP) for scene in scenes]))
    maps = maps.flatten(1).long().to(device)
    painted = torch.from_numpy(np.array(pictures)).to(device)

    def loss_at(generator: torch.Generator, _: int) -> Tensor:
        here: Any = {"generator": generator, "device": generator.device}
        index = torch.randint(len(scenes), (batch,), **here)
        sample = scale(painted[index])
        noisy = sample + 0.05 * torch.randn(sample.shape, **here)
        motifs, colours = model(noisy)
        true = functional.adaptive_avg_pool2d(sample, _MAP).flatten(2)
        return functional.cross_entropy(motifs, maps[index]) + 4 * functional.mse_loss(
            colours, true
        )

    options: Any = {"rate": 1e-3, "average": 0.995, "device": device}
    fit("image-encoder", model, loss_at, steps=steps, work=work, **options)
    return model.encoder.eval()


@torch.no_grad()
def embed_pictures(
    encoder: CLIPVisionModelWithProjection, pictures: np.ndarray, batch: int = 64
) -> Tensor:
    """Embeddings [n, WIDTH], not normalised, of uint8 pictures [n, SIZE, SIZE, 3]."""
    parts = (pictures[i : i + batch] for i in range(0, len(pictures), batch))
    tensors = (to_tensor(part).to(encoder.device) for part in parts)
    return torch.cat([encoder(pixel_values=tensor).image_embeds.cpu() for tensor in tensors])
