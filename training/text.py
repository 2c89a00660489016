"""The embedded model's text encoder: a two-layer CLIP text model that knows what words look like.

It is trained before the UNet, on text alone: from its hidden states small heads must tell how
the painter would paint each word, and where in the picture each motif would stand. So near words
lie near each other, and words outside the table lie near the word that they mean.
"""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.fit import fit
from training.motifs import MOTIFS, ZONES
from training.painter import layout
from training.palettes import TINTS, tinted
from training.pen import PLACES
from training.scenes import Scene, motif_map, sample_scene
from training.spelling import ENDINGS
from training.vocabulary import LIGHTS, TEXTURES, meaning, vocabulary

LENGTH, WIDTH = 77, 128
_ZONES = ("sky", "middle", "ground")
_MAP = 8  # cells a side of the map that tells where in the picture a motif stands
_LOOKS = 15 + 1 + 1 + len(TEXTURES) + len(LIGHTS) + len(PLACES)  # palette, energy, turn, the rest
_PLACED = len(MOTIFS) + 1  # what may stand in a cell of the map: a motif, or nothing
_STYLE = ("toned", "ethereal", "dreamlike")
_STRANGE = 0.25  # the share of words that are not in the table


def make_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer in which every word of the vocabulary is one token; bytes for the rest."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    corpus = [*vocabulary(), *_STYLE, *TINTS] * 10
    corpus += [word + ending for word in vocabulary() for ending in ENDINGS]
    raw = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=2000, end_of_word_suffix="</w>", show_progress=False)
    )
    merges = [tuple(pair) for pair in json.loads(raw.to_str())["model"]["merges"]]
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet), *("".join(m) for m in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    parts: dict[str, Any] = {"vocab": vocab, "merges": merges}
    return CLIPTokenizer(**parts, model_max_length=LENGTH)


def token_weights(
    tokenizer: CLIPTokenizer, prompts: Sequence[Sequence[tuple[str, float]]]
) -> tuple[Tensor, Tensor, list[list[int]]]:
    """Token ids and weights [prompts, LENGTH], and the place of each fragment's last token."""
    special: Any = tokenizer
    ids = torch.full((len(prompts), LENGTH), special.pad_token_id)
    weights = torch.ones(ids.shape)
    ends = []
    for row, fragments in enumerate(prompts):
        flat, last = [(special.bos_token_id, 1.0)], []
        for text, weight in fragments:
            flat += [(token, weight) for token in _tokens(tokenizer, text)]
            last.append(min(len(flat), LENGTH - 1) - 1)
        flat = [*flat[: LENGTH - 1], (special.eos_token_id, 1.0)]
        ids[row, : len(flat)] = torch.tensor([token for token, _ in flat])
        weights[row, : len(flat)] = torch.tensor([weight for _, weight in flat])
        ends.append(last)
    return ids, weights, ends


@cache
def _tokens(tokenizer: CLIPTokenizer, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False).input_ids)


@torch.no_grad()
def embed(
    encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    prompts: Sequence[Sequence[tuple[str, float]]],
) -> Tensor:
    """Weighted embeddings [prompts, LENGTH, WIDTH]; emphasis acts as compel makes it act:
    a weight w moves a token's vector to w times its distance from the empty prompt's."""
    ids, weights, _ = token_weights(tokenizer, [[], *prompts])
    states = encoder(ids.to(encoder.device)).last_hidden_state
    empty, states = states[:1], states[1:]
    weights = weights[1:, :, None].to(states.device)
    return torch.where(weights == 1, states, empty + weights * (states - empty))


# --- what the heads must tell ---------------------------------------------------------------


def _one_hot(name: str, names: Iterable[str]) -> list[float]:
    return [float(name == choice) for choice in names]


def palette_of(word: str, tint: str) -> np.ndarray:
    """The fifteen numbers of a word's colours, in [-1, 1]."""
    palette = meaning(word).palette
    palette = tinted(palette, TINTS[tint]) if tint else palette
    return np.array(palette, np.float32).ravel() / 127.5 - 1


def _looks(word: str, tint: str, turn: int) -> list[float]:
    """Everything about a word but its motif, [_LOOKS]; `turn`: how many of its zone went before."""
    what = meaning(word)
    kinds = (what.texture, TEXTURES), (what.light, LIGHTS), (what.place, PLACES)
    choices = [share for name, names in kinds for share in _one_hot(name, names)]
    return [*palette_of(word, tint), what.energy, turn / 4, *choices]


def _targets(scene: Scene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Motif of each word [words], looks of each word [words, _LOOKS], map [_MAP * _MAP]."""
    motifs, looks = [], []
    turns: dict[str, int] = dict.fromkeys(_ZONES, 0)
    for word, _ in scene.words:
        motif = meaning(word).motif
        motifs.append(list(MOTIFS).index(motif))
        looks.append(_looks(word, scene.tint, turns[ZONES[motif]]))
        turns[ZONES[motif]] += 1
    return np.array(motifs), np.array(looks, np.float32), _map(scene)


def _map(scene: Scene) -> np.ndarray:
    """Which motif stands in each cell where chance leaves it, [_MAP * _MAP]."""
    return motif_map(layout(scene.words), _MAP).ravel().astype(int)


# --- training -------------------------------------------------------------------------------


class _Described(nn.Module):
    """The text encoder with the heads that are thrown away after training."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        special: Any = tokenizer
        self.encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=4 * WIDTH,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=LENGTH,
                projection_dim=WIDTH,
                bos_token_id=special.bos_token_id,
                eos_token_id=special.eos_token_id,
                pad_token_id=special.pad_token_id,
            )
        )
        self.motif = nn.Linear(WIDTH, len(MOTIFS))
        self.looks = nn.Linear(WIDTH, _LOOKS)
        self.map = nn.Linear(WIDTH, _MAP * _MAP * _PLACED)


def train_text(work: Path, steps: int, batch: int = 64) -> tuple[CLIPTextModel, CLIPTokenizer]:
    """A text encoder of width 128, and its tokenizer."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    model = _Described(tokenizer)

    def loss_at(generator: torch.Generator, _: int) -> Tensor:
        random = np.random.default_rng(generator.initial_seed())
        scenes = [sample_scene(random, _STRANGE) for _ in range(batch)]
        ids, __, ends = token_weights(tokenizer, [scene.fragments for scene in scenes])
        longest = max(last[-1] for last in ends) + 3
        states = model.encoder(ids[:, :longest]).last_hidden_state
        motifs, looks, maps = zip(*(_targets(scene) for scene in scenes), strict=True)
        skip = [1 if scene.tint else 0 for scene in scenes]  # the style words are no scene words
        rows = [
            (i, end) for i, last in enumerate(ends) for end in last[skip[i] : len(last) - skip[i]]
        ]
        words = states[[i for i, _ in rows], [end for _, end in rows]]
        after = states[:, longest - 1]  # where the prompt has ended, everything has been read
        logits = model.map(after).view(-1, _PLACED)
        return (
            functional.cross_entropy(model.motif(words), torch.from_numpy(np.concatenate(motifs)))
            + 4 * functional.mse_loss(model.looks(words), torch.from_numpy(np.concatenate(looks)))
            + functional.cross_entropy(logits, torch.from_numpy(np.concatenate(maps)))
        )

    fit("text", model, loss_at, steps=steps, rate=2e-3, work=work)
    return model.encoder, tokenizer
