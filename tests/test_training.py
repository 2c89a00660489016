"""The training of the embedded model: one command, repeatable, and it survives being stopped."""

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file
from torch import nn

from flopslab.tiny import train
from flopslab.tiny.fit import fit
from flopslab.tiny.judge import Judge, load_judge


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def trained(work, steps, every=100):
    """A line fitted to y = 3x - 1 for so many of 400 steps."""
    torch.manual_seed(0)

    def loss_at(generator: torch.Generator) -> torch.Tensor:
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


def test_the_command_makes_a_pipeline_and_a_judge_from_nothing(tmp_path):
    out, work = tmp_path / "model", tmp_path / "work"
    few = "--pictures 8 --text-steps 1 --vae-steps 1 --unet-steps 1 --judge-steps 1 --threads 1"
    train.main(["--out", str(out), "--work", str(work), *few.split()])
    pipeline = StableDiffusionPipeline.from_pretrained(out, dtype=torch.float32)
    images = pipeline("storm", num_inference_steps=1, output_type="np").images
    assert images.shape == (1, 128, 128, 3)
    assert isinstance(load_judge(tmp_path / "judge.safetensors"), Judge)
    assert {p.suffix for p in out.rglob("*") if p.is_file()} == {".json", ".safetensors"}
    assert load_file(out / "unet" / "diffusion_pytorch_model.safetensors")
