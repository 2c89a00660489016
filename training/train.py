"""Makes the embedded model from nothing: `python -m training.train` (or `make tiny`).

In this order: the text encoder, on text alone; the painted pictures; the autoencoder; the UNet; the
CLIP; the IP-Adapter; and the judge that tells motifs apart. All is saved in the layout that
diffusers and transformers read. About three hours on two cores. Stopped and started again, it goes
on from the last checkpoint.
"""

import argparse
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import distributed, multiprocessing
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

import flopslab
from training.adapter import FOLDER, NAME, save_adapter, train_adapter
from training.clip import embed_pictures, make_processor, train_clip
from training.judge import WEIGHTS, Judge, save_judge, train_judge
from training.scenes import Scene, paint_all, sample_scenes
from training.text import train_text
from training.unet import Lesson, make_scheduler, prepare, train_unet
from training.vae import train_vae

MODEL = Path(flopslab.__file__).parent / "tiny" / "model"
CLIP = Path(flopslab.__file__).parent / "tiny" / "clip"
USUAL = {"steps": 12, "guidance_scale": 3.0}


def options(line: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says; the defaults are how the shipped model was made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=MODEL.parent, help="where model/ and clip/ go")
    parser.add_argument("--work", type=Path, default=Path("build/tiny"), help="checkpoints, data")
    parser.add_argument("--pictures", type=int, default=24_000, help="painted to learn from")
    parser.add_argument("--text-steps", type=int, default=2600)
    parser.add_argument("--vae-steps", type=int, default=4600)
    parser.add_argument("--unet-steps", type=int, default=5000)
    parser.add_argument("--clip-steps", type=int, default=900)
    parser.add_argument("--adapter-steps", type=int, default=1600)
    parser.add_argument("--judge-steps", type=int, default=1300)
    parser.add_argument("--batch", type=int, default=24, help="pictures a step and process")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="share UNet steps")
    return parser.parse_args(line)


def main(line: Sequence[str] | None = None) -> None:
    asked = options(line)
    torch.set_num_threads(1)
    encoder, tokenizer = text_encoder(asked)
    scenes = sample_scenes(asked.pictures, seed=2)
    pictures = painted(scenes, asked.work / "pictures.npy")
    vae = autoencoder(asked, pictures)
    clip = clip_model(asked, encoder, tokenizer, scenes, pictures)
    lesson(asked, lambda: prepare(scenes, pictures, vae, encoder, tokenizer))
    seen(asked, clip, pictures)
    _together(_learn_unet, asked)
    _together(_learn_adapter, asked)
    unet = UNet2DConditionModel.from_pretrained(asked.work / "unet")
    save_pipeline(asked.out / "model", encoder, tokenizer, vae, unet, clip)
    save_clip(asked.out / "clip", clip, tokenizer)
    (asked.out / "model" / FOLDER).mkdir(exist_ok=True)
    shutil.copy(asked.work / FOLDER / NAME, asked.out / "model" / FOLDER)
    save_judge(judge_of(scenes, pictures, asked), asked.out / WEIGHTS.name)


# --- the parts, each made once and kept in the work folder -----------------------------------


def painted(scenes: list[Scene], path: Path) -> np.ndarray:
    """The scenes' pictures, painted once and kept in a file."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new.npy")
        np.save(fresh, paint_all(scenes))
        fresh.replace(path)
    return np.load(path, mmap_mode="r")


def text_encoder(asked: argparse.Namespace) -> tuple[CLIPTextModel, CLIPTokenizer]:
    """The trained text encoder and its tokenizer."""
    folder = asked.work / "text"
    if not folder.exists():
        encoder, tokenizer = train_text(asked.work, asked.text_steps)
        _whole(
            folder, lambda part: (encoder.save_pretrained(part), tokenizer.save_pretrained(part))
        )
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    return CLIPTextModel.from_pretrained(folder, dtype=torch.float32).eval(), tokenizer


def autoencoder(asked: argparse.Namespace, pictures: np.ndarray) -> AutoencoderTiny:
    """The trained autoencoder."""
    folder = asked.work / "autoencoder"
    if not folder.exists():
        trained = train_vae(pictures, asked.work, asked.vae_steps)
        _whole(folder, trained.save_pretrained)
    return AutoencoderTiny.from_pretrained(folder).eval()


def clip_model(
    asked: argparse.Namespace,
    encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    scenes: list[Scene],
    pictures: np.ndarray,
) -> CLIPModel:
    """The trained CLIP."""
    folder = asked.work / "clip"
    if not folder.exists():
        trained = train_clip(encoder, tokenizer, scenes, pictures, asked.work, asked.clip_steps)
        _whole(folder, trained.save_pretrained)
    return CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()


def lesson(asked: argparse.Namespace, make: Callable[[], Lesson] | None = None) -> Lesson:
    """What the UNet learns from, made once and kept in a file."""
    path = asked.work / "lesson.safetensors"
    if not path.exists():
        make().save(path)
    return Lesson.load(path)


def seen(
    asked: argparse.Namespace, clip: CLIPModel | None = None, pictures: np.ndarray | None = None
) -> torch.Tensor:
    """The embeddings of the pictures, made once and kept in a file."""
    path = asked.work / "seen.safetensors"
    if not path.exists():
        save_file({"seen": embed_pictures(clip, pictures)}, path)
    return load_file(path)["seen"]


def _whole(folder: Path, save: Callable[[Path], object]) -> None:
    """Save into a folder that appears only when it is complete."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    save(part)
    part.rename(folder)


# --- what several processes learn together ---------------------------------------------------


def _together(learn: Callable[[argparse.Namespace], None], asked: argparse.Namespace) -> None:
    """Run a part of the training in as many processes as asked, which share every step."""
    (asked.work / "meeting").unlink(missing_ok=True)
    if asked.processes == 1:
        learn(asked)
    else:
        multiprocessing.spawn(_joined, (learn, asked), nprocs=asked.processes)


def _joined(
    rank: int, learn: Callable[[argparse.Namespace], None], asked: argparse.Namespace
) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{(asked.work / 'meeting').resolve()}"
    distributed.init_process_group(
        "gloo", init_method=meeting, rank=rank, world_size=asked.processes
    )
    learn(asked)
    distributed.destroy_process_group()


def _leads() -> bool:
    return not distributed.is_initialized() or distributed.get_rank() == 0


def _learn_unet(asked: argparse.Namespace) -> None:
    folder = asked.work / "unet"
    if not folder.exists():
        unet = train_unet(lesson(asked), asked.work, asked.unet_steps, asked.batch)
        if _leads():
            _whole(folder, unet.save_pretrained)


def _learn_adapter(asked: argparse.Namespace) -> None:
    folder = asked.work / FOLDER
    if not folder.exists():
        unet = UNet2DConditionModel.from_pretrained(asked.work / "unet")
        steps, batch = asked.adapter_steps, asked.batch
        adapter = train_adapter(unet, lesson(asked), seen(asked), asked.work, steps, batch)
        if _leads():
            _whole(folder, lambda part: save_adapter(adapter, part))


# --- what is shipped -------------------------------------------------------------------------


def save_pipeline(
    out: Path,
    encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    vae: AutoencoderTiny,
    unet: UNet2DConditionModel,
    clip: CLIPModel,
) -> None:
    """A Stable Diffusion directory in half precision, with the steps and guidance that suit it."""
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=make_processor(),
        image_encoder=image_tower(clip),
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(out, safe_serialization=True)
    index = out / "model_index.json"  # without torchvision the processor goes by another name
    index.write_text(index.read_text().replace("CLIPImageProcessorPil", "CLIPImageProcessor"))
    adapter = {"subfolder": FOLDER, "weight_name": NAME}
    (out / "flopslab.json").write_text(json.dumps(USUAL | {"ip_adapter": adapter}) + "\n")


def image_tower(clip: CLIPModel) -> CLIPVisionModelWithProjection:
    """The image tower alone, as an IP-Adapter takes it."""
    tower = CLIPVisionModelWithProjection(clip.config.vision_config)
    wanted = tower.state_dict().keys()
    tower.load_state_dict({key: clip.state_dict()[key] for key in wanted})
    return tower.eval()


def save_clip(out: Path, clip: CLIPModel, tokenizer: CLIPTokenizer) -> None:
    """A CLIP directory in half precision: both towers, tokenizer and image processor."""
    clip.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    make_processor().save_pretrained(out)


def judge_of(scenes: list[Scene], pictures: np.ndarray, asked: argparse.Namespace) -> Judge:
    """A judge trained on the scenes of one or two words."""
    few = [i for i, scene in enumerate(scenes) if len(scene.words) <= 2][:9000]
    return train_judge([scenes[i] for i in few], pictures[few], asked.work, asked.judge_steps)


if __name__ == "__main__":
    main()
