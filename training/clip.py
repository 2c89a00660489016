"""The embedded model's CLIP: pictures and words in one space of WIDTH dimensions.

It measures how alike pictures and words are, and shares neither weights nor scenes with what makes
the pictures: both towers begin at random. Beside the contrast of pictures and prompts (Radford et
al. 2021, https://arxiv.org/abs/2103.00020) the embedding of a picture learns to tell, through a
head that is thrown away, which motifs are in it and which colours.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTextConfig, CLIPTokenizer

from training.fit import fit
from training.judge import augment, motifs_of
from training.motifs import MOTIFS
from training.painter import SIZE
from training.scenes import Scene
from training.text import WIDTH, palette_of, token_weights
from training.vae import to_tensor

_PATCH = 16  # pixels a side: 64 patches a picture
_COLOURS = 15


def make_processor() -> CLIPImageProcessor:
    """Pictures as the image tower takes them: SIZE x SIZE, in [-1, 1]."""
    side = {"height": SIZE, "width": SIZE}
    half = [0.5, 0.5, 0.5]
    return CLIPImageProcessor(
        size={"shortest_edge": SIZE}, crop_size=side, image_mean=half, image_std=half
    )


def make_clip(text_config: CLIPTextConfig) -> CLIPModel:
    """An untrained CLIP whose text tower is shaped like a text encoder."""
    torch.manual_seed(1)
    vision = {"image_size": SIZE, "patch_size": _PATCH, "num_hidden_layers": 3}
    shared = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_attention_heads": 4}
    return CLIPModel(
        CLIPConfig(
            text_config=text_config.to_dict(),
            vision_config=vision | shared | {"projection_dim": WIDTH},
            projection_dim=WIDTH,
        )
    )


class _Described(nn.Module):
    """A CLIP with the head that is thrown away after training."""

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        self.clip = clip
        self.head = nn.Linear(WIDTH, len(MOTIFS) + _COLOURS)


def _described(scene: Scene) -> np.ndarray:
    """1 for each motif in the scene, then the mean of the words' palettes in [-1, 1]."""
    colours = np.mean([palette_of(word, scene.tint) for word, _ in scene.words], axis=0)
    return np.concatenate([motifs_of(scene), colours]).astype(np.float32)


def _contrast(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """The symmetric cross-entropy of which picture [n, d] goes with which text [n, d]."""
    likeness = scale.exp() * images @ texts.T
    right = torch.arange(len(images))
    return (
        functional.cross_entropy(likeness, right) + functional.cross_entropy(likeness.T, right)
    ) / 2


def train_clip(
    text_config: CLIPTextConfig,
    tokenizer: CLIPTokenizer,
    scenes: Sequence[Scene],
    pictures: np.ndarray,
    work: Path,
    steps: int,
    batch: int = 96,
) -> CLIPModel:
    """A CLIP trained on painted scenes and their prompts."""
    described = _Described(make_clip(text_config))
    clip = described.clip
    targets = torch.from_numpy(np.stack([_described(scene) for scene in scenes]))
    ids, _, ends = token_weights(tokenizer, [scene.fragments for scene in scenes])
    longest = max(end[-1] for end in ends) + 2
    parts = [len(MOTIFS), _COLOURS]

    def loss_at(generator: torch.Generator, _: int) -> Tensor:
        index = torch.randint(len(scenes), (batch,), generator=generator)
        sample = augment(to_tensor(pictures[index.numpy()]), generator)
        images = _pooled(clip.get_image_features(pixel_values=sample))
        texts = _pooled(clip.get_text_features(input_ids=ids[index, :longest]))
        unit = functional.normalize(images), functional.normalize(texts)
        predicted, true = (x.split(parts, 1) for x in (described.head(images), targets[index]))
        return (
            _contrast(*unit, clip.logit_scale)
            + 4 * functional.binary_cross_entropy_with_logits(predicted[0], true[0])
            + functional.mse_loss(predicted[1], true[1])
        )

    fit("clip", described, loss_at, steps=steps, rate=1e-3, work=work, average=0.995)
    return clip


@torch.no_grad()
def embed_pictures(clip: CLIPModel, pictures: np.ndarray, batch: int = 64) -> Tensor:
    """Embeddings [n, WIDTH], not normalised, of uint8 pictures [n, SIZE, SIZE, 3]."""
    parts = [to_tensor(pictures[i : i + batch]) for i in range(0, len(pictures), batch)]
    return torch.cat([_pooled(clip.get_image_features(pixel_values=part)) for part in parts])


def _pooled(features: Any) -> Tensor:
    return features.pooler_output
