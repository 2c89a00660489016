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
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from torch import distributed, multiprocessing
from transformers import CLIPModel

from training.adapter import FOLDER, NAME, load_adapter, save_adapter, train_adapter
from training.calibration import write_calibrations
from training.clip import train_clip
from training.fit import read_effort
from training.judge import save_judge, train_judge
from training.parts import (
    autoencoder,
    image_encoder,
    keep,
    painted,
    references,
    shard,
    text_encoder,
)
from training.save import CLIP, MODEL, save_clip, save_pipeline
from training.training_set import TrainingSet
from training.unet import train_unet
from training.vae import train_decoder

__all__ = ["CLIP", "MODEL", "STAGES", "main", "parse_options"]

STAGES = ("vae", "text", "unet", "decoder", "image-encoder", "adapter", "clip", "judge")
_SHARD_STEPS = 200  # steps that learn from one shard before the next


def parse_options(line: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says; the defaults make the model that is shipped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, default=MODEL.parent, help="where model/ and clip/ go")
    add("--work", type=Path, default=Path("build/tiny2"), help="checkpoints, data")
    add("--until", choices=STAGES, help="stop after this stage; nothing is saved in --out")
    add("--device", default="cpu", help="of the UNet, the image encoder and the adapter, or cuda")
    add("--shards", type=int, default=10, help="of the UNet's training set")
    add("--shard-size", type=int, default=4000, help="scenes in a shard")
    add("--pictures", type=int, default=6000, help="painted for each of the other stages")
    add("--text-steps", type=int, default=3500)
    add("--vae-steps", type=int, default=3000)
    add("--unet-steps", type=int, default=20_000)
    add("--decoder-steps", type=int, default=3000)
    add("--image-encoder-steps", type=int, default=1500)
    add("--adapter-steps", type=int, default=1600)
    add("--adapter-start", type=Path, help="a file of an adapter to go on from")
    add("--clip-steps", type=int, default=1200)
    add("--judge-steps", type=int, default=1500)
    add("--batch", type=int, default=24, help="pictures a step and process")
    add("--encoder-batch", type=int, default=64, help="pictures a step of the image encoder")
    add("--processes", type=int, default=os.cpu_count(), help="paint, and share the UNet's steps")
    return parser.parse_args(line)


def main(line: Sequence[str] | None = None) -> None:
    options = parse_options(line)
    torch.set_num_threads(1)
    if options.device != "cpu":
        torch.set_float32_matmul_precision("high")
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
    """The steps, the CPU time and the card of every stage that has begun, a line each."""
    lines = []
    for stage in STAGES:
        path = work / f"{stage}.safetensors"
        if path.exists():
            steps, seconds, device = read_effort(path)
            card = "" if device == "CPU" else f" and {device}"
            lines.append(f"{stage}: {steps} steps, {seconds / 60:.1f} minutes of CPU{card}")
    return "\n".join(lines)


# --- the stages -------------------------------------------------------------------------------


def _make_decoder(options: argparse.Namespace) -> None:
    def make(folder: Path) -> None:
        pictures = painted(options, "autoencoder")[1]
        vae = train_decoder(autoencoder(options), pictures, options.work, options.decoder_steps)
        vae.save_pretrained(folder)

    keep(options.work / "decoder", make)


def _make_clip(options: argparse.Namespace) -> None:
    def make(folder: Path) -> None:
        encoder, tokenizer = text_encoder(options)
        scenes, pictures = painted(options, "clip")
        config, steps = encoder.config, options.clip_steps
        train_clip(config, tokenizer, scenes, pictures, options.work, steps).save_pretrained(folder)

    keep(options.work / "clip", make)


def _make_judge(options: argparse.Namespace) -> None:
    def make(folder: Path) -> None:
        scenes, pictures = painted(options, "judge")
        judge = train_judge(scenes, pictures, options.work, options.judge_steps)
        save_judge(judge, folder / "judge.safetensors")

    keep(options.work / "judge", make)


def _make_unet(options: argparse.Namespace) -> None:
    if not (options.work / "unet").exists():
        if options.processes > 1:  # else each is made when it is first needed
            _make_shards(options)
        _together(_learn_unet, options)


def _make_shards(options: argparse.Namespace) -> None:
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_make_shard, [options] * options.shards, range(options.shards)))


def _make_shard(options: argparse.Namespace, number: int) -> None:
    torch.set_num_threads(1)
    shard(options, number)


def _learn_unet(options: argparse.Namespace) -> None:
    current: dict[int, TrainingSet] = {}
    on_cpu = options.device == "cpu"  # a card holds all shards, and takes another at each step
    capacity, turn = (1, _SHARD_STEPS) if on_cpu else (options.shards, 1)

    def shard_at(step: int) -> TrainingSet:
        number = step // turn % options.shards
        if number not in current:
            if len(current) == capacity:
                current.clear()
            current[number] = shard(options, number)
        return current[number]

    sizes = options.unet_steps, options.batch
    unet = train_unet(shard_at, options.work, *sizes, options.device)
    if _leads():
        keep(options.work / "unet", unet.save_pretrained)


def _make_adapter(options: argparse.Namespace) -> None:
    if not (options.work / FOLDER).exists():
        references(options)
        _together(_learn_adapter, options)


def _learn_adapter(options: argparse.Namespace) -> None:
    unet = UNet2DConditionModel.from_pretrained(options.work / "unet")
    start = load_adapter(options.adapter_start) if options.adapter_start else None
    sizes = options.adapter_steps, options.batch
    adapter = train_adapter(unet, references(options), options.work, *sizes, options.device, start)
    if _leads():
        keep(options.work / FOLDER, lambda folder: save_adapter(adapter, folder))


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
    """Run a stage: on a CPU in several processes, which share every step."""
    (options.work / "meeting").unlink(missing_ok=True)
    if options.processes == 1 or options.device != "cpu":
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
