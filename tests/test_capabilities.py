"""What a generator cannot do is refused before the first frame, with what it can do instead."""

from pathlib import Path

import pytest
from painted import PaintedGenerator

from flopslab.core.generator import Capabilities, capabilities_of
from flopslab.errors import ParameterError


class Limited(PaintedGenerator):
    def __init__(self, **capabilities: bool) -> None:
        super().__init__()
        self.capabilities = Capabilities(**capabilities)


LACKS = [
    ("latents", {"method": "latent"}, "method grid or blend or ip_adapter"),
    ("references", {"method": "ip_adapter"}, "method grid or blend or latent"),
    ("init_image", {"method": "blend"}, "method latent or ip_adapter"),
    ("text_embeddings", {"prompt_style": "themed"}, "prompt_style simple or weighted"),
    ("weights", {"prompt_style": "weighted"}, "prompt_style simple or themed"),
    ("negative_prompt", {"negative_prompt": "fog"}, "no negative_prompt"),
]


@pytest.mark.parametrize(("name", "parameters", "remedy"), LACKS)
def test_what_a_generator_lacks_is_refused_and_what_it_can_is_named(
    paint, tmp_path, name, parameters, remedy
):
    generator = Limited(**{name: False})
    with pytest.raises(ParameterError) as error:
        paint(generator, **parameters)
    assert remedy in error.value.hint
    assert generator.calls == 0 and not list(Path(tmp_path).rglob("frame_*.png"))


def test_a_single_pass_asks_for_no_latents_where_there_are_none(paint):
    """A method acts on refinement alone; what suits most models is no reason to refuse others."""
    generator = Limited(latents=False)
    run = paint(generator, passes=1, method="latent")
    assert run.passes[0].made == 12 and not list(run.directory.rglob("*.safetensors"))
    with pytest.raises(ParameterError, match="use method grid or blend"):
        paint(generator, passes=2, method="latent")


def test_a_single_pass_needs_no_init_image(paint):
    assert paint(Limited(init_image=False), passes=1).passes[0].made == 12


def test_a_generator_that_says_nothing_can_do_everything():
    assert capabilities_of(PaintedGenerator()) == Capabilities()
