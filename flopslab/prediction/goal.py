"""A goal turned round: the settings that are predicted to reach it."""

from collections.abc import Iterator
from math import isnan

from flopslab.calibration.curve import Calibration
from flopslab.core.compositing import METHODS
from flopslab.core.study import MethodName, Study
from flopslab.core.windows import Windowing
from flopslab.errors import ParameterError
from flopslab.prediction.forecast import Forecast, plan
from flopslab.prediction.mixture import Mixture
from flopslab.prediction.reading import find_calibration

IMAGE_WEIGHTS = tuple(step / 20 for step in range(1, 19))  # the words keep a tenth at least
MOST_PASSES = 3  # further ones change little
METHOD_ORDER: tuple[MethodName, ...] = ("latent", "blend", "grid")  # by what they cost in sharpness
FRAMES = 60  # that a candidate is judged by


def settings_for(
    study: Study, coherence: float, calibration: Calibration | None = None
) -> Forecast:
    """The forecast of the study with the gentlest settings whose last pass is so coherent.

    Gentlest: the smallest `image_weight`, then the fewest passes. Methods whose share of pictures
    is calibrated are tried. ParameterError, which names the best that there is, if none reaches it.
    """
    calibration, best = calibration or find_calibration(study), None
    for value, candidate in _candidates(study, calibration):
        if value >= coherence:
            return plan(candidate, calibration)
        if not isnan(value) and (best is None or value > best[0]):
            best = value, candidate
    actual = "a sequence of fewer than three frames"
    if best:
        value, candidate = best
        actual = f"at most {value:.2f}, with {describe_settings(candidate)}"
    hint = "ask for less, or widen context_diameter"
    raise ParameterError(f"a coherence of {coherence:g}", actual, hint)


def describe_settings(study: Study) -> str:
    """The settings that a goal chooses, for people."""
    passes = f"{study.passes} passes"
    return f"method {study.method}, image_weight {study.image_weight:g}, {passes}"


def _candidates(study: Study, calibration: Calibration) -> Iterator[tuple[float, Study]]:
    """(coherence, study): the gentlest first."""
    words = study.read_words().words
    limit = min(len(Windowing(study, len(words)).positions), FRAMES)
    for weight in IMAGE_WEIGHTS:
        strength = round(calibration.strength_for(weight), 3)
        variants = [
            study.replace(
                method=method, image_weight=weight, denoising_strength=strength, passes=MOST_PASSES
            )
            for method in METHOD_ORDER
            if not METHODS[method].weighs_images
        ]
        curves = [
            Mixture(variant.replace(limit=limit), words, calibration).coherence()
            for variant in variants
        ]
        for number in range(2, MOST_PASSES + 1):
            for variant, curve in zip(variants, curves, strict=True):
                yield curve[number - 1], variant.replace(passes=number)
