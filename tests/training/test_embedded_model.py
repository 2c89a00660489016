"""The embedded model, as its users meet it: real, small, and it knows its words."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from flopslab.backends import load_generator
from flopslab.core.compositing import METHODS
from flopslab.core.generator import FrameRequest
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.digests import array_digest
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.runs.reader import read_frame
from flopslab.words.sequence import read_sequence
from training import evaluate
from training.adapter import FOLDER, NAME
from training.adapter_evaluation import adapter_accuracy, mixed_accuracy
from training.card import card, digests
from training.samples import load_model
from training.save import CLIP, MODEL
from training.sheets import sheet
from training.vocabulary import vocabulary

WORDS = ["dawn", "bird", "garden", "road", "river", "city", "sea", "storm", "fire", "heart",
         "mountain", "forest", "moon", "star", "silence", "dream"]  # fmt: skip
PLACE = 8  # of the word that is changed


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def generator():
    return load_generator(Study(steps=4))


def prompt(*words: str) -> Prompt:
    return Prompt(tuple((word, 1.0) for word in words))


@pytest.fixture(scope="module")
def pipeline():
    return load_model()


def test_the_model_is_small_and_of_safetensors_in_half_precision():
    files = [path for part in (MODEL, CLIP) for path in part.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 25_000_000
    assert {path.suffix for path in files} <= {".json", ".md", ".safetensors"}
    for path in files:
        if path.suffix == ".safetensors":
            kinds = {tensor.dtype for tensor in load_file(path).values()}
            assert kinds <= {torch.float16, torch.int64}


def test_the_clip_that_measures_shares_no_weights_with_the_model():
    """Else the thing measured and the ruler would be one, most of all for ip_adapter."""
    measuring = weight_digests(CLIP)
    for part in ("image_encoder", "text_encoder"):
        assert weight_digests(MODEL / part).isdisjoint(measuring), part


def weight_digests(directory: Path) -> set[str]:
    """The digests of the tensors that were learnt: not of counters, nor of zeros and ones."""
    tensors = load_file(directory / "model.safetensors").values()
    learnt = (t for t in tensors if t.is_floating_point() and len(t.unique()) > 2)
    return {array_digest(tensor.numpy()) for tensor in learnt}


def test_the_card_describes_the_weights_that_lie_beside_it():
    text = (MODEL / "README.md").read_text()
    assert all(f"{digest}  {name}" in text for name, digest in digests().items())


def test_plain_diffusers_loads_it_offline_and_without_flopslab(tmp_path):
    code = f"""
import sys, torch
from diffusers import StableDiffusionPipeline
torch.set_num_threads(1)
pipe = StableDiffusionPipeline.from_pretrained({str(MODEL)!r})
image = pipe("ocean", num_inference_steps=2).images[0]
pipe.load_ip_adapter({str(MODEL)!r}, subfolder={FOLDER!r}, weight_name={NAME!r})
again = pipe("", ip_adapter_image=image, num_inference_steps=2).images[0]
assert image.size == again.size == (128, 128) and "flopslab" not in sys.modules
"""
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_single_words_show_their_motif(pipeline):
    accuracy = evaluate.motif_accuracy(pipeline, WORDS, samples=3)
    assert np.mean(list(accuracy.values())) >= 0.95, accuracy


def test_both_words_of_a_pair_show_their_motif(pipeline):
    assert evaluate.group_accuracy(pipeline, 2, 32) >= 0.75


def test_another_seed_gives_another_layout(pipeline):
    assert evaluate.diversity(pipeline, count=20, samples=2) >= 0.7


def test_image_to_image_keeps_the_layout_and_moves_towards_the_new_words(pipeline):
    found = evaluate.image_to_image(pipeline, 0.5, count=16)
    assert found["ssim_with_start"] > found["ssim_with_another"] + 0.02
    assert found["similarity_after"] > found["similarity_before"] + 0.3


def test_a_picture_as_prompt_carries_its_motif_over():
    assert adapter_accuracy(1.0, count=16) >= 0.8


def test_a_picture_adds_its_motif_to_that_of_a_word():
    reference, word = mixed_accuracy(0.5, count=24)
    assert reference >= 0.45 and word >= 0.75


def test_an_adapter_of_weight_zero_changes_no_bit(pipeline):
    def made(pipeline, **others):
        noise = torch.Generator().manual_seed(1)
        image = pipeline("boat", num_inference_steps=3, generator=noise, **others).images[0]
        return image.tobytes()

    plain, adapted = made(pipeline), load_model()
    adapted.load_ip_adapter(str(MODEL), subfolder=FOLDER, weight_name=NAME)
    reference = Image.new("RGB", (128, 128), "red")
    pictures = {}
    for weight in (0.0, 1.0):
        adapted.set_ip_adapter_scale(weight)
        pictures[weight] = made(adapted, ip_adapter_image=reference)
    assert pictures[0.0] == plain
    assert pictures[1.0] != plain


def test_the_clip_finds_a_words_picture_among_a_hundred(pipeline):
    words = evaluate.one_of_each_row()
    assert len(words) == 100
    assert evaluate.retrieval(evaluate.painted(words, 5), words) >= 0.9


def test_a_sheet_shows_every_picture_with_its_words():
    page = sheet([Image.new("RGB", (128, 128), "red")] * 5, ["sea", "fire", "a b", "", "x" * 90], 3)
    pixels = np.asarray(page).reshape(-1, 3)
    assert (pixels == (255, 0, 0)).all(axis=1).sum() == 5 * 128 * 128
    assert (pixels.sum(axis=1) < 200).any()  # ink


def test_the_card_tells_what_was_measured():
    numbers = {
        "words": {"ocean": 1.0, "fire": 0.5},
        "gradients": {"ocean": 0.5, "fire": 0.75},
        "judges": {"network": 0.9, "gradients": 0.95},
        "groups": {"3": [0.84, 0.97]},
        "observed": {"11": {"shape": 0.86, "colour": 0.89}},
        "crispness": {"11": {"model": 0.41, "autoencoder": 0.52, "psnr": 27.34}},
        "diversity": 1.25,
        "image_to_image": {
            "0.5": {
                "ssim_with_start": 0.42,
                "ssim_with_another": 0.31,
                "similarity_after": 0.8,
                "similarity_before": 0.1,
            }
        },
        "rows": [0.93, 0.81],
        "anyhow": [0.71, 0.6],
        "adapter": {"0.5": 0.4, "1.0": 0.77},
        "beside_a_word": {"0.5": [0.53, 0.86]},
        "milliseconds": 201.4,
    }
    text = card(numbers)
    for told in (
        "75.0%",
        "62.5%",
        "90.0%, 95.0%",
        "84% (97%)",
        "0.86, 0.89",
        "0.41; 0.52 (27.3 dB)",
        "53% (86%) at 0.5",
        "waves 50%",
        "1.25",
        "93%",
        "0.42 (0.31)",
        "40% at 0.5, 77% at 1.0",
        "201 ms",
    ):
        assert told in text


def test_the_shipped_sequences_are_made_of_words_that_it_knows():
    assert len(read_sequence("demo")) == 48
    assert len(read_sequence("full")) == 700
    for name in ("demo", "full"):
        assert {word.text for word in read_sequence(name)} <= set(vocabulary())


@pytest.mark.parametrize("word", ["Oceans", "xylophone", "🌊", "שלום", "(fire:1.4)", "a\\b"])
def test_a_word_that_it_does_not_know_gives_a_picture_and_always_the_same(generator, word):
    first, again = (generator.generate([FrameRequest(prompt(word), 7)])[0] for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert np.asarray(first).std() > 10


def test_eleven_words_fit_into_one_read_of_the_text_encoder(generator):
    assert generator.tokens(prompt(*WORDS[:11])) == 11


def test_a_heavier_word_gets_more_of_the_picture(generator):
    def mean(*fragments: tuple[str, float]) -> np.ndarray:
        requests = [FrameRequest(Prompt(fragments), seed) for seed in range(8)]
        return np.mean([np.asarray(image, float) for image in generator.generate(requests)], axis=0)

    def apart(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a - b).mean())

    fire, ocean = mean(("fire", 1.0)), mean(("ocean", 1.0))
    hot, wet = mean(("fire", 1.6), ("ocean", 1.0)), mean(("fire", 1.0), ("ocean", 1.6))
    assert apart(hot, fire) < 0.9 * apart(wet, fire)
    assert apart(wet, ocean) < 0.9 * apart(hot, ocean)


def suited(generator, method: str):
    """The generator, or one with the model's adapter if the method needs it."""
    if not METHODS[method].weighs_images:
        return generator
    if not (MODEL / "ip_adapter").is_dir():
        pytest.skip("the embedded model has no IP-Adapter yet")
    return load_generator(Study(steps=4, method=method))


@pytest.mark.parametrize("method", METHODS)
def test_a_changed_word_changes_frames_inside_its_cone_and_no_bit_outside(
    tmp_path: Path, generator, method
):
    """Words reach 1, images 2: the cone's radius is 1, 3 and 5."""
    generator = suited(generator, method)

    def made(name: str, words: list[str]) -> Path:
        path = tmp_path / f"{name}.txt"
        path.write_text("\n".join(words))
        study = Study(
            sequence=str(path),
            output_dir=str(tmp_path / name),
            context_diameter=2,
            steps=4,
            passes=3,
            method=method,
            denoising_strength=0.5,
        )
        return run(study, generator, NullProgress()).directory

    base = made("base", WORDS)
    changed = made("changed", [*WORDS[: PLACE - 1], "ruby", *WORDS[PLACE:]])
    windowing = Windowing(Study(context_diameter=2, passes=3), len(WORDS))
    frames = windowing.positions
    for number in (1, 2, 3):
        differ = {
            position
            for position in frames
            if _pixels(base, number, position) != _pixels(changed, number, position)
        }
        reached = {
            position for position in frames if PLACE in windowing.cone(FrameKey(number, position))
        }
        assert differ == reached


def _pixels(directory: Path, number: int, position: int) -> bytes:
    image, _ = read_frame(directory / f"pass{number}" / f"frame_{position:06d}.png")
    return image.tobytes()
