"""The embedded model's autoencoder: pictures of 128 x 128 to latents of 4 x 32 x 32 and back."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock
from torch import Tensor, nn
from torch.nn import functional

from training.fit import fit

CELL = 4  # pixels a side of what one cell of the latents stands for
_CHANNELS = (32, 32, 32)
_ENCODER = (1, 2, 3)  # blocks, from 128 cells a side to 32: depth is cheap where there are few
_DECODER = (4, 4, 0)  # and back; none at full size, where one would cost half of the decoder
_MEAN = torch.tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
_LATENT_NOISE = 0.08  # against latents of unit variance: the decoder forgives small errors


def to_tensor(pictures: np.ndarray) -> Tensor:
    """uint8 [n, height, width, 3] to float [n, 3, height, width] in [-1, 1]: diffusers' way."""
    return scale(torch.from_numpy(np.array(pictures)))


def scale(pictures: Tensor) -> Tensor:
    """`to_tensor` of what is a tensor already, where it is."""
    return pictures.permute(0, 3, 1, 2).float().div(127.5).sub(1)


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """L1 + L2, half of the gradients' L1 (edges), and twice the L2 of 8 x 8 means (colours).

    Without the last an autoencoder this small stays with black and white for long.
    """

    def slopes(x: Tensor) -> tuple[Tensor, Tensor]:
        return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]

    edges = sum(
        functional.l1_loss(a, b) for a, b in zip(slopes(output), slopes(target), strict=True)
    )
    colours = functional.mse_loss(
        functional.avg_pool2d(output, 8), functional.avg_pool2d(target, 8)
    )
    return (
        functional.l1_loss(output, target)
        + functional.mse_loss(output, target)
        + 0.5 * edges
        + 2 * colours
    )


def make_vae() -> AutoencoderTiny:
    """An autoencoder that passes on colours before it has learned anything.

    Its first three channels carry the mean colour of every 4 x 4 block through from end to end,
    the others begin as He et al. 2015 advise for ReLU (https://arxiv.org/abs/1502.01852). What is
    left to learn is detail; begun at random, colours are learned ten times later.
    """
    torch.manual_seed(0)
    vae = AutoencoderTiny(
        encoder_block_out_channels=_CHANNELS,
        decoder_block_out_channels=_CHANNELS,
        num_encoder_blocks=_ENCODER,
        num_decoder_blocks=_DECODER,
    )
    with torch.no_grad():
        encoder, decoder = (_layers(half) for half in (vae.encoder, vae.decoder))
        for half in (encoder, decoder):
            _begin(half)
        # colours in [0, 1] inside, about unit variance as latents
        last, first = encoder[-1], decoder[0]
        last.weight[:3], last.bias[:3] = 3.6 * last.weight[:3], -1.8
        first.weight[:3], first.bias[:3] = first.weight[:3] / 3.6, 0.5
    return _channels_last(vae)


def _layers(half: Any) -> Any:
    """The layers of an encoder or decoder, in order."""
    return half.layers


def _channels_last(vae: Any) -> AutoencoderTiny:
    return vae.to(memory_format=torch.channels_last)


def _begin(half: Any) -> None:
    """Weights of an untrained encoder or decoder: three channels pass, the rest is random."""
    for layer in half.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    for layer in half.modules():
        if isinstance(layer, AutoencoderTinyBlock):
            last: Any = layer.conv
            last[-1].weight.mul_(0.3)
            last[-1].weight[:3] = 0
    for layer in half:
        if isinstance(layer, nn.Conv2d):
            layer.weight[:3] = 0
            for channel in range(3):
                if layer.stride == (2, 2):
                    layer.weight[channel, channel] = _MEAN
                else:
                    layer.weight[channel, channel, 1, 1] = 1


def _spread_loss(latents: Tensor) -> Tensor:
    """How far each channel of the latents is from zero mean and unit variance."""
    mean, spread = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    return mean.square().sum() + (spread - 1).square().sum()


def _crop(pictures: np.ndarray, batch: int, generator: torch.Generator) -> Tensor:
    """A batch of pictures: whole ones one time in ten, else windows of half their side."""

    def draw(below: int, count: int) -> np.ndarray:
        return torch.randint(below, (count,), generator=generator).numpy()

    side = pictures.shape[1]
    size = side if draw(10, 1) == 0 else side // 2
    top, left = draw((side - size) // 8 + 1, 2) * 8
    if draw(3, 1) == 0:  # down to the lower edge, where the icons are: the finest there is
        top = side - size
    chosen = np.sort(draw(len(pictures), batch))
    return to_tensor(pictures[chosen, top : top + size, left : left + size])


def _loss(vae: AutoencoderTiny, latents: Tensor, target: Tensor, random: torch.Generator) -> Tensor:
    noise = torch.randn(latents.shape, generator=random)
    return reconstruction_loss(vae.decoder(latents + _LATENT_NOISE * noise), target)


def train_vae(pictures: np.ndarray, work: Path, steps: int, batch: int = 8) -> AutoencoderTiny:
    """An autoencoder trained on uint8 pictures [n, 128, 128, 3]; its latents have unit variance.

    It is convolutional, so windows of the pictures teach it nearly as well as whole ones and
    cost a quarter.
    """
    vae = make_vae()

    def loss_at(generator: torch.Generator, _: int) -> Tensor:
        target = _crop(pictures, batch, generator).contiguous(memory_format=torch.channels_last)
        latents = vae.encoder(target)
        return _loss(vae, latents, target, generator) + 0.02 * _spread_loss(latents)

    return fit("vae", vae, loss_at, steps=steps, rate=1.2e-3, work=work, average=0.998)


def train_decoder(
    vae: AutoencoderTiny, pictures: np.ndarray, work: Path, steps: int, batch: int = 8
) -> AutoencoderTiny:
    """The autoencoder with its decoder trained further; the latents, and so the UNet, stay."""
    vae.encoder.requires_grad_(False)

    def loss_at(generator: torch.Generator, _: int) -> Tensor:
        target = _crop(pictures, batch, generator).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            latents = vae.encoder(target)
        return _loss(vae, latents, target, generator)

    return fit("decoder", vae, loss_at, steps=steps, rate=8e-4, work=work, average=0.999)


@torch.no_grad()
def psnr(vae: Any, pictures: np.ndarray) -> float:
    """The mean peak signal-to-noise ratio of pictures after encoding and decoding, in dB."""
    target = to_tensor(pictures)
    output = vae.decode(vae.encode(target).latents).sample.clamp(-1, 1)
    error = ((output - target) / 2).square().mean(dim=(1, 2, 3))
    return float((-10 * error.log10()).mean())
