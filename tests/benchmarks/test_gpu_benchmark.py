"""The benchmark of a card: the sizes of its models, and its way on a simulated card."""

from contextlib import contextmanager

import generators
import models
import pytest
from simulated_cuda import NAME, simulated_cuda

from benchmarks import gpu, random_models
from flopslab.core.study import Study
from flopslab.execution import executor
from flopslab.execution.local import SerialExecutor
from flopslab.execution.stages import Stages


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "millions"),
    [("sd15", {"unet": 859.5, "vae": 83.7, "text_encoder": 123.1}),
     ("sdxl", {"unet": 2567.5, "vae": 83.7, "text_encoder": 123.1, "text_encoder_2": 694.7})],
)  # fmt: skip
def test_the_models_have_the_parameters_of_the_published_ones(name, millions):
    pipe = random_models.MODELS[name].build("meta")
    for part, number in millions.items():
        parameters = getattr(pipe, part).parameters()
        assert sum(p.numel() for p in parameters) / 1e6 == pytest.approx(number, abs=0.05)


@contextmanager
def on_this_thread(study, generator, store, progress):
    """An executor without threads: another thread does not see the simulated card."""
    yield SerialExecutor(generator, Stages(study, store), store, progress.step)


@pytest.mark.slow
def test_a_card_is_measured_with_two_rows_for_a_model(monkeypatch, tmp_path):
    class Saved(random_models.RandomModel):
        def save(self, directory):
            directory.symlink_to(path)

    path = generators.directory("sd")
    monkeypatch.setitem(random_models.MODELS, "sd15", Saved(32, models.stable_diffusion))
    study_of = gpu.study_of

    def short(*arguments) -> Study:
        return study_of(*arguments).replace(steps=2, context_diameter=2)

    monkeypatch.setattr(gpu, "study_of", short)
    monkeypatch.setattr(gpu, "FEWEST_BATCHES", 2)
    monkeypatch.setattr(executor, "local_executor", on_this_thread)
    with simulated_cuda():
        facts = gpu.find_card()
        first, second = gpu.model_rows("sd15", gpu.parse(["--frames=2", "--batch=1"]))
    assert facts["card"] == NAME
    assert (first["pass"], second["pass"]) == (1, 2)
    for row in (first, second):
        assert min(row["TFLOP"], row["TFLOP/s"], row["run/s"]) > 0
        assert row["share_%"] == pytest.approx(100 * row["run/s"] / row["alone/s"], abs=5)
