"""A compiled denoiser: what is compiled, with which options; torch's compiler is left out."""

import generators
import pytest
from generators import picture, request_of, same
from torch import nn

from flopslab.errors import ModelError, ParameterError


@pytest.fixture
def calls(monkeypatch):
    """The options of each compiled module, once for each time that it computes."""
    calls = []

    def compile(module: nn.Module, **options) -> None:
        def compute(*arguments, **names):
            calls.append(options)
            return module._call_impl(*arguments, **names)

        module._compiled_call_impl = compute

    monkeypatch.setattr(nn.Module, "compile", compile)
    return calls


def test_a_generator_and_its_clones_compute_with_the_compiled_denoiser(calls):
    compiled, plain = generators.load(compile=True), generators.load_once()
    assert len(calls) == 2, "the steps of a trial, as it is loaded"
    assert "compile" not in plain.settings and compiled.settings["compile"] is True
    frames = [request_of(seed=seed, init=init) for seed, init in enumerate([None, picture(1)])]
    for generator in (compiled, compiled.clone()):
        calls.clear()
        images = generator.generate(frames)
        assert all(map(same, images, plain.generate(frames)))
        options = {"backend": "inductor", "dynamic": False, "fullgraph": True}
        assert calls == [options] * (2 * generators.STEPS)


@pytest.mark.parametrize("parameters", [{"offload": "model"}, {"method": "ip_adapter"}])
def test_what_changes_between_batches_is_not_compiled(parameters):
    with pytest.raises(ParameterError, match="compile, for batches that are all alike"):
        generators.load(**{"compile": True} | parameters)


def test_a_denoiser_that_does_not_compile_is_explained(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("backend raised:\nno C++ compiler")

    monkeypatch.setattr(nn.Module, "compile", lambda module, **_: setattr(module, "forward", fail))
    with pytest.raises(ModelError, match=r"backend raised: no C\+\+ compiler") as caught:
        generators.load(compile=True)
    assert "set compile to false" in caught.value.hint
