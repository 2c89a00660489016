"""The training of the embedded model: one command, repeatable, and it survives being stopped."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file
from torch import distributed, multiprocessing, nn
from transformers import CLIPModel

from training import train
from training.adapter import FOLDER, NAME
from training.fit import fit
from training.judge import load_judge
from training.motifs import MOTIFS


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def trained(work, steps, every=100):
    """A line fitted to y = 3x - 1 for so many of 400 steps."""
    torch.manual_seed(0)

    def loss_at(generator: torch.Generator, _: int) -> torch.Tensor:
        if steps and len(seen) == steps:
            raise KeyboardInterrupt
        seen.append(1)
        x = torch.randn(16, 1, generator=generator)
        return (line(x) - (3 * x - 1)).square().mean()

    line, seen = nn.Linear(1, 1), []
    return fit("line", line, loss_at, steps=400, rate=0.1, work=work, every=every)


def test_a_training_that_was_stopped_goes_on_as_if_nothing_had_happened(tmp_path):
    whole = trained(tmp_path / "whole", steps=0).state_dict()
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "stopped", steps=250)
    resumed = trained(tmp_path / "stopped", steps=0).state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_training_learns(tmp_path):
    line = trained(tmp_path, steps=0)
    assert abs(line.weight.item() - 3) < 1


@pytest.mark.parametrize("processes", [1, 2])
def test_the_command_makes_everything_from_nothing(tmp_path, processes):
    out, work = tmp_path / "out", tmp_path / "work"
    few = [f"--{stage}-steps=1" for stage in train.STAGES]
    few += ["--pictures=12", "--shards=1", "--shard-size=20", "--batch=10"]
    train.main([f"--out={out}", f"--work={work}", f"--processes={processes}", *few])
    pipeline: Any = StableDiffusionPipeline.from_pretrained(out / "model")  # says no precision
    pipeline.load_ip_adapter(out / "model", subfolder=FOLDER, weight_name=NAME)
    reference = Image.new("RGB", (128, 128), "red")
    images = pipeline(
        "storm", ip_adapter_image=reference, num_inference_steps=1, output_type="np"
    ).images
    assert images.shape == (1, 128, 128, 3)
    assert CLIPModel.from_pretrained(out / "clip").config.projection_dim == 128
    assert load_judge(out / "judge.safetensors").motifs == list(MOTIFS)
    assert {p.suffix for p in out.rglob("*") if p.is_file()} == {".json", ".safetensors"}
    weights = [load_file(p) for p in out.rglob("model.safetensors")]
    assert {tensor.dtype for file in weights for tensor in file.values()} <= {
        torch.float16,
        torch.int64,
    }
    stages = train.describe_stages(work)
    assert [line.split(":")[0] for line in stages.splitlines()] == list(train.STAGES)


def test_a_training_stops_after_the_stage_that_is_named_and_saves_nothing(tmp_path):
    out, work = tmp_path / "out", tmp_path / "work"
    few = ["--vae-steps=1", "--pictures=4", "--until=vae"]
    train.main([f"--out={out}", f"--work={work}", *few])
    assert (work / "autoencoder" / "config.json").exists()
    assert not out.exists()


def gradient_of(rank: int, meeting: Path, found: Path) -> None:
    """Train y = w x, in which each process sees another x, for one step."""
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    line = nn.Linear(1, 1, bias=False)
    nn.init.ones_(line.weight)
    x = torch.full((1, 1), 0.1 + 0.2 * rank)
    work = found.parent / f"work{rank}"
    fit("line", line, lambda *_: line(x).sum(), steps=1, rate=0.1, work=work)
    gradient: Any = line.weight.grad
    Path(f"{found}{rank}").write_text(str(gradient.item()))
    distributed.destroy_process_group()


def test_processes_step_with_the_mean_of_their_gradients(tmp_path):
    multiprocessing.spawn(gradient_of, (tmp_path / "meeting", tmp_path / "found"), nprocs=2)
    first, second = (float((tmp_path / f"found{rank}").read_text()) for rank in (0, 1))
    assert first == second == pytest.approx(0.2)
