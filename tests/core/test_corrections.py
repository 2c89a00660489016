"""Against drift: a new frame has the colours of its first, what it started from has detail."""

import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from pytest import approx
from skimage.color import lab2rgb, rgb2lab
from skimage.exposure import match_histograms

from flopslab.core import refinement
from flopslab.core.compositing import Context
from flopslab.core.refinement import Input, Refinement, measure_image, measure_latents
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey

MATCHES = list(refinement.COLOUR_MATCHES)


def picture(seed: int, low: int = 60, high: int = 190) -> Image.Image:
    """Noise of 24 x 16 whose colours are all well inside sRGB."""
    pixels = np.random.default_rng(seed).integers(low, high, (16, 24, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def latents(seed: int, mean: float = 0.0, spread: float = 1.0) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((4, 16, 16))
    return (mean + spread * values).astype(np.float32)


def lab(image: Image.Image) -> np.ndarray:
    return rgb2lab(np.asarray(image) / 255).reshape(-1, 3)


def anchored(image: Image.Image, anchor: Image.Image, match: str, share: float) -> Image.Image:
    return refinement.anchor_image(image, measure_image(anchor, match), match, share)


def anchored_latents(match: str, anchor: int, share: float = 1.0) -> np.ndarray:
    target = measure_latents(latents(anchor), match)
    return refinement.anchor_latents(latents(1, 2, 0.5), target, match, share)


FADED, ANCHOR = picture(1, 100, 140), picture(2)


def test_reinhard_gives_mean_and_spread_of_the_anchor_in_lab():
    matched = anchored(FADED, ANCHOR, "reinhard", 1.0)
    assert lab(matched).mean(0) == approx(lab(ANCHOR).mean(0), abs=0.3)
    assert lab(matched).std(0) == approx(lab(ANCHOR).std(0), rel=0.05)
    assert np.abs(lab(FADED).std(0) - lab(ANCHOR).std(0)).min() > 3


def test_a_histogram_gives_the_whole_distribution():
    matched = anchored(FADED, ANCHOR, "histogram", 1.0)
    shares = np.linspace(0.05, 0.95, 19)
    found, expected = (np.quantile(lab(image), shares, axis=0) for image in (matched, ANCHOR))
    assert np.abs(found - expected).max() < 4


@pytest.mark.parametrize("match", MATCHES)
def test_a_partial_strength_goes_a_part_of_the_way(match):
    spreads = [
        lab(anchored(FADED, ANCHOR, match, share)).std(0).mean()
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert spreads == sorted(spreads)
    assert spreads[2] == approx((spreads[0] + spreads[4]) / 2, rel=0.1)


@pytest.mark.parametrize("match", MATCHES)
def test_an_anchor_of_the_same_colours_changes_nothing_that_can_be_seen(match):
    matched = anchored(ANCHOR, ANCHOR, match, 1.0)
    assert np.abs(np.subtract(matched, ANCHOR, dtype=int)).max() <= 1


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("match", MATCHES)
@pytest.mark.parametrize("pair", [(1, 2), (2, 3), (3, 1)])
def test_anchoring_is_what_float64_gives(pair, match, share):
    """At least 99.9 % of the values within one level, of colours in and beyond sRGB."""
    image, anchor = map(photograph, pair)
    matched = np.asarray(anchored(image, anchor, match, share), dtype=int)
    difference = np.abs(matched - in_float64(image, anchor, match, share))
    assert (difference <= 1).mean() >= 0.999 and (difference == 0).mean() > 0.98


def photograph(seed: int) -> Image.Image:
    """Coloured light and shade with grain, from black to full colours: 128 x 128."""
    rng = np.random.default_rng(seed)
    patches = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    values = np.asarray(patches.resize((128, 128), Image.Resampling.BICUBIC))
    values = values + rng.normal(0, 4, values.shape)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def in_float64(image: Image.Image, anchor: Image.Image, match: str, share: float) -> np.ndarray:
    """The same by the libraries, in levels: [height, width, 3]."""
    values, target = (rgb2lab(np.asarray(picture) / 255) for picture in (image, anchor))
    if match == "histogram":
        matched = match_histograms(values, target, channel_axis=-1)
    else:
        gain = target.std((0, 1)) / values.std((0, 1))
        matched = (values - values.mean((0, 1))) * gain + target.mean((0, 1))
    with warnings.catch_warnings():  # colours beyond sRGB are cut to it
        warnings.simplefilter("ignore", UserWarning)
        rgb = lab2rgb(values + share * (matched - values))
    return (rgb * 255).round().clip(0, 255).astype(int)


def test_a_flat_picture_has_no_spread_to_enlarge():
    flat = Image.new("RGB", (24, 16), (90, 90, 90))
    matched = anchored(flat, ANCHOR, "reinhard", 1.0)
    assert lab(matched).mean(0) == approx(lab(ANCHOR).mean(0), abs=0.5)
    assert lab(matched).std(0).max() < 1


@pytest.mark.parametrize(("match", "precision"), [("reinhard", 1e-5), ("histogram", 1e-3)])
def test_latents_take_each_channels_mean_and_spread(match, precision):
    """A histogram has 65536 bins: two of the 256 values in one bin take the greater's target."""
    matched = anchored_latents(match, 2)
    assert matched.mean((1, 2)) == approx(latents(2).mean((1, 2)), abs=precision)
    assert matched.std((1, 2)) == approx(latents(2).std((1, 2)), rel=10 * precision)
    assert matched.dtype == np.float32 and matched.shape == (4, 16, 16)


def test_sharpening_adds_what_a_blur_takes_away():
    edge = Image.fromarray(np.repeat([[100] * 8 + [150] * 8], 8, 0).astype(np.uint8)).convert("RGB")
    row = np.asarray(refinement.sharpen_image(edge, 1.0))[4, :, 0].astype(int)
    assert row[7] < 100 and row[8] > 150, "contrast at the edge"
    assert row[0] == 100 and row[15] == 150, "and nowhere else"
    assert refinement.sharpen_image(edge, 0.0).tobytes() == edge.tobytes()


def test_sharpening_works_on_every_row_and_channel_alike():
    sharp = refinement.sharpen_latents(latents(1), 0.5)
    one = refinement.sharpen_latents(latents(1)[2:3, ::-1], 0.5)
    np.testing.assert_allclose(sharp[2], one[0, ::-1], atol=1e-6)
    assert (sharp.std((1, 2)) > 1.2 * latents(1).std((1, 2))).all()


class Frames:
    """Pass 1 has other colours than pass 2."""

    def image(self, key: FrameKey) -> Image.Image:
        return ANCHOR if key.pass_number == 1 else picture(sum(key), 100, 140)

    def latents(self, key: FrameKey) -> np.ndarray:
        first = key.pass_number == 1
        return latents(key.position) if first else latents(key.position, 1, 0.5)


def composed(**parameters) -> Context:
    inputs = [Input(4, 4, 0.25), Input(5, 5, 0.5), Input(6, 6, 0.25)]
    return Refinement(Study(**parameters), Frames()).context_of(FrameKey(3, 5), inputs)


@pytest.mark.parametrize("method", ["grid", "blend", "ip_adapter"])
def test_an_init_image_is_sharpened(method):
    plain, sharp = composed(method=method).init, composed(method=method, detail=0.4).init
    assert sharp.tobytes() == refinement.sharpen_image(plain, 0.4).tobytes()


def test_latents_to_start_from_are_sharpened_as_latents():
    plain = composed(method="latent").latents
    found = composed(method="latent", detail=0.4).latents
    assert (found == refinement.sharpen_latents(plain, 0.4)).all()


def test_a_new_frame_and_its_latents_are_anchored_to_those_of_the_first_pass():
    study = Study(colour_anchor=0.7, colour_match="histogram")
    anchor = Refinement(study, Frames()).anchor_colours
    image, z = anchor(5, FADED, latents(1, 2, 0.5))
    expected = anchored(FADED, ANCHOR, "histogram", 0.7)
    assert image.tobytes() == expected.tobytes() != FADED.tobytes()
    assert (z == anchored_latents("histogram", 5, 0.7)).all()
    assert anchor(5, FADED, None)[1] is None
    assert Refinement(Study(), Frames()).anchor_colours(5, FADED, z) == (FADED, z)


def test_references_are_shown_as_they_are():
    given = {"method": "ip_adapter", "denoising_strength": 1.0, "detail": 0.4}
    assert composed(**given).init is None
    references = composed(**given).references
    assert [image.tobytes() for image, _ in references] == [
        Frames().image(FrameKey(2, position)).tobytes() for position in (4, 5, 6)
    ]


def test_without_neighbours_there_is_nothing_to_correct():
    refine = Refinement(Study(colour_anchor=1.0), Frames())
    assert refine.context_of(FrameKey(1, 5), []) == Context()


class CountingFrames(Frames):
    """How often each frame is asked for."""

    def __init__(self) -> None:
        self.counts: Counter[FrameKey] = Counter()

    def image(self, key: FrameKey) -> Image.Image:
        self.counts[key] += 1
        return super().image(key)


@pytest.mark.parametrize("match", MATCHES)
def test_a_frame_of_pass_1_is_measured_once_per_position(match):
    frames = CountingFrames()
    refine = Refinement(Study(colour_anchor=1.0, colour_match=match), frames)
    first, second = (refine.anchor_colours(5, FADED, None)[0] for _ in range(2))
    assert first.tobytes() == second.tobytes()
    refine.anchor_colours(6, FADED, None)
    assert frames.counts == {FrameKey(1, 5): 1, FrameKey(1, 6): 1}


def test_a_frame_is_scaled_once_for_all_that_look_at_it(monkeypatch):
    scaled, resize = [], Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda image, *args: scaled.append(args) or resize(image, *args)
    )
    refine = Refinement(Study(method="grid"), Frames())
    for position in range(2, 10):
        inputs = [Input(p, p, 1 / 3) for p in range(position - 1, position + 2)]
        refine.context_of(FrameKey(2, position), inputs)
    assert len(scaled) == 10, "frames 1 to 10"


@pytest.mark.parametrize("method", ["grid", "blend"])
def test_memory_and_threads_change_no_pixel(method, monkeypatch):
    def start(refine: Refinement, position: int) -> bytes:
        inputs = [Input(p, p, 1 / 5) for p in range(position - 2, position + 3)]
        return refine.context_of(FrameKey(3, position), inputs).init.tobytes()

    study, positions = Study(method=method), range(3, 40)
    expected = [start(Refinement(study, Frames()), position) for position in positions]
    monkeypatch.setattr(refinement, "VIEWS", 20_000)  # a few frames
    refine = Refinement(study, Frames())
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda position: start(refine, position), positions)) == expected
