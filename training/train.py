"""Makes the embedded model from nothing: `python -m training.train` (or `make tiny`).

In stages, each made once and kept in the work folder: the autoencoder; the text encoder, on text
alone; the UNet; the decoder, further; the IP-Adapter and its image encoder; the CLIP that
measures; and the judge that tells motifs apart. All is saved in the layout that diffusers and
transformers read. Stopped and started again, it goes on from the last checkpoint.
"""

import argparse
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import distributed, multiprocessing
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

from training.adapter import FOLDER, NAME, References, save_adapter, train_adapter
from training.calibration import write_calibrations
from training.clip import train_clip
from training.fit import read_effort
from training.image_encoder import embed_pictures, train_image_encoder
from training.judge import save_judge, train_judge
from training.save import CLIP, MODEL, save_clip, save_pipeline
from training.scenes import Scene, paint_all, sample_scenes
from training.text import embed, train_text
from training.training_set import TrainingSet, make_shard, shard_scenes
from training.unet import train_unet
from training.vae import train_decoder, train_vae

__all__ = ["CLIP", "MODEL", "STAGES", "main", "parse_options"]

STAGES = ("vae", "text", "unet", "decoder", "image-encoder", "adapter", "clip", "judge")
_SEEDS = {"autoencoder": 1, "image-encoder": 5, "clip": 4, "judge": 6}  # of scenes, all unlike
_SHARD_STEPS = 200  # steps that learn from one shard before the next


def parse_options(line: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says; the defaults make the model that is shipped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, default=MODEL.parent, help="where model/ and clip/ go")
    add("--work", type=Path, default=Path("build/tiny2"), help="checkpoints, data")
    add("--until", choices=STAGES, help="stop after this stage; nothing is saved in --out")
    add("--shards", type=int, default=10, help="of the UNet's training set")
    add("--shard-size", type=int, default=4000, help="scenes in a shard")
    add("--pictures", type=int, default=6000, help="painted for each of the other stages")
    add("--text-steps", type=int, default=3500)
    add("--vae-steps", type=int, default=3000)
    add("--unet-steps", type=int, default=20_000)
    add("--decoder-steps", type=int, default=3000)
    add("--image-encoder-steps", type=int, default=1500)
    add("--adapter-steps", type=int, default=1600)
    add("--clip-steps", type=int, default=1200)
    add("--judge-steps", type=int, default=1500)
    add("--batch", type=int, default=24, help="pictures a step and process")
    add("--processes", type=int, default=os.cpu_count(), help="share the UNet's steps")
    return parser.parse_args(line)


def main(line: Sequence[str] | None = None) -> None:
    options = parse_options(line)
    torch.set_num_threads(1)
    for stage in STAGES:
        _MAKE[stage](options)
        if stage == options.until:
            print(describe_stages(options.work))
            return
    encoder, tokenizer = text_encoder(options)
    unet = UNet2DConditionModel.from_pretrained(options.work / "unet")
    vae = AutoencoderTiny.from_pretrained(options.work / "decoder")
    images = image_encoder(options)
    save_pipeline(options.out / "model", encoder, tokenizer, vae, unet, images)
    save_clip(options.out / "clip", CLIPModel.from_pretrained(options.work / "clip"), tokenizer)
    (options.out / "model" / FOLDER).mkdir(exist_ok=True)
    shutil.copy(options.work / FOLDER / NAME, options.out / "model" / FOLDER)
    shutil.copy(options.work / "judge" / "judge.safetensors", options.out / "judge.safetensors")
    write_calibrations(str(options.out / "model"), options.out / "calibration.json")
    print(describe_stages(options.work))


def describe_stages(work: Path) -> str:
    """The steps and the CPU time of every stage that has begun, a line each."""
    lines = []
    for stage in STAGES:
        path = work / f"{stage}.safetensors"
        if path.exists():
            steps, seconds = read_effort(path)
            lines.append(f"{stage}: {steps} steps, {seconds / 60:.1f} minutes of CPU")
    return "\n".join(lines)


# --- the parts, each made once and kept in the work folder ------------------------------------


def _keep(folder: Path, make: Callable[[Path], object]) -> None:
    """Make a folder that appears only when it is complete, unless it is there."""
    if folder.exists():
        return
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    make(part)
    part.rename(folder)


def painted(options: argparse.Namespace, name: str) -> tuple[list[Scene], np.ndarray]:
    """The scenes of a stage, whose seed is its own, and their pictures, painted once."""
    scenes = sample_scenes(options.pictures, seed=_SEEDS[name])
    if name == "judge":  # of one or two words
        scenes = [s for s in sample_scenes(2 * options.pictures, _SEEDS[name]) if len(s.words) < 3]
    path = options.work / f"{name}-pictures.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new.npy")
        np.save(fresh, paint_all(scenes))
        fresh.replace(path)
    return scenes, np.load(path, mmap_mode="r")


def text_encoder(options: argparse.Namespace) -> tuple[CLIPTextModel, CLIPTokenizer]:
    """The trained text encoder and its tokenizer."""

    def make(folder: Path) -> None:
        encoder, tokenizer = train_text(options.work, options.text_steps)
        encoder.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    folder = options.work / "text"
    _keep(folder, make)
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    return CLIPTextModel.from_pretrained(folder, dtype=torch.float32).eval(), tokenizer


def autoencoder(options: argparse.Namespace) -> AutoencoderTiny:
    """The trained autoencoder, before its decoder is trained further."""

    def make(folder: Path) -> None:
        pictures = painted(options, "autoencoder")[1]
        train_vae(pictures, options.work, options.vae_steps).save_pretrained(folder)

    _keep(options.work / "autoencoder", make)
    return AutoencoderTiny.from_pretrained(options.work / "autoencoder").eval()


def shard(options: argparse.Namespace, number: int) -> TrainingSet:
    """A part of the training set, made once and kept in a file."""
    path = options.work / "shards" / f"{number:03d}.safetensors"
    if not path.exists():
        encoder, tokenizer = text_encoder(options)
        size = options.shard_size
        make_shard(number, size, autoencoder(options), encoder, tokenizer).save(path)
    return TrainingSet.load(path)


def image_encoder(options: argparse.Namespace) -> CLIPVisionModelWithProjection:
    """The trained image encoder of the IP-Adapter."""

    def make(folder: Path) -> None:
        scenes, pictures = painted(options, "image-encoder")
        steps = options.image_encoder_steps
        train_image_encoder(scenes, pictures, options.work, steps).save_pretrained(folder)

    folder = options.work / "image-encoder"
    _keep(folder, make)
    return CLIPVisionModelWithProjection.from_pretrained(folder, dtype=torch.float32).eval()


def references(options: argparse.Namespace, shards: int = 2) -> References:
    """What the adapter learns from: the first shards, painted again and embedded."""
    numbers = range(min(shards, options.shards))
    scenes = [scene for i in numbers for scene in shard_scenes(i, options.shard_size)]
    path = options.work / "references.safetensors"
    if not path.exists():
        save_file({"embeds": embed_pictures(image_encoder(options), paint_all(scenes))}, path)
    latents = torch.cat([shard(options, i).latents for i in numbers])
    return References(latents, load_file(path)["embeds"], scenes)


# --- the stages -------------------------------------------------------------------------------


def _make_decoder(options: argparse.Namespace) -> None:
    def make(folder: Path) -> None:
        pictures = painted(options, "autoencoder")[1]
        vae = train_decoder(autoencoder(options), pictures, options.work, options.decoder_steps)
        vae.save_pretrained(folder)

    _keep(options.work / "decoder", make)


def _make_clip(options: argparse.Namespace) -> None:
    def make(folder: Path) -> None:
        encoder, tokenizer = text_encoder(options)
        scenes, pictures = painted(options, "clip")
        config, steps = encoder.config, options.clip_steps
        train_clip(config, tokenizer, scenes, pictures, options.work, steps).save_pretrained(folder)

    _keep(options.work / "clip", make)


def _make_judge(options: argparse.Namespace) -> None:
    def make(folder: Path) -> None:
        scenes, pictures = painted(options, "judge")
        judge = train_judge(scenes, pictures, options.work, options.judge_steps)
        save_judge(judge, folder / "judge.safetensors")

    _keep(options.work / "judge", make)


def _make_unet(options: argparse.Namespace) -> None:
    if not (options.work / "unet").exists():
        if options.processes > 1:  # one process makes what several read
            for number in range(options.shards):
                shard(options, number)
        _together(_learn_unet, options)


def _learn_unet(options: argparse.Namespace) -> None:
    current: dict[int, TrainingSet] = {}

    def shard_at(step: int) -> TrainingSet:
        number = step // _SHARD_STEPS % options.shards
        if number not in current:
            current.clear()
            current[number] = shard(options, number)
        return current[number]

    unet = train_unet(shard_at, options.work, options.unet_steps, options.batch)
    if _leads():
        _keep(options.work / "unet", unet.save_pretrained)


def _make_adapter(options: argparse.Namespace) -> None:
    if not (options.work / FOLDER).exists():
        references(options)
        _together(_learn_adapter, options)


def _learn_adapter(options: argparse.Namespace) -> None:
    unet = UNet2DConditionModel.from_pretrained(options.work / "unet")
    encoder, tokenizer = text_encoder(options)
    adapter = train_adapter(
        unet,
        references(options),
        lambda prompts: embed(encoder, tokenizer, prompts),
        options.work,
        options.adapter_steps,
        options.batch,
    )
    if _leads():
        _keep(options.work / FOLDER, lambda folder: save_adapter(adapter, folder))


_MAKE: dict[str, Callable[[argparse.Namespace], object]] = {
    "vae": autoencoder,
    "text": text_encoder,
    "unet": _make_unet,
    "decoder": _make_decoder,
    "image-encoder": image_encoder,
    "adapter": _make_adapter,
    "clip": _make_clip,
    "judge": _make_judge,
}


# --- what several processes learn together ----------------------------------------------------


def _together(learn: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> None:
    """Run a stage in several processes, which share every step."""
    (options.work / "meeting").unlink(missing_ok=True)
    if options.processes == 1:
        learn(options)
    else:
        multiprocessing.spawn(_join, (learn, options), nprocs=options.processes)


def _join(
    rank: int, learn: Callable[[argparse.Namespace], None], options: argparse.Namespace
) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{(options.work / 'meeting').resolve()}"
    distributed.init_process_group(
        "gloo", init_method=meeting, rank=rank, world_size=options.processes
    )
    learn(options)
    distributed.destroy_process_group()


def _leads() -> bool:
    return not distributed.is_initialized() or distributed.get_rank() == 0


if __name__ == "__main__":
    main()
