"""What pictures as prompts bring, alone and beside words: measures of the IP-Adapter."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from training.adapter import FOLDER, NAME
from training.evaluate import judgements, named_right
from training.samples import UNSEEN, load_model, painted, pictures, some_words
from training.save import MODEL
from training.vocabulary import meaning


def adapter_accuracy(weight: float, count: int = 96) -> float:
    """The share of painted references whose motif is named in the picture made from them alone."""
    words = some_words(count)
    return float(named_right(words, _from_references(weight, words, [""] * count)).mean())


def mixed_accuracy(weight: float, count: int = 96) -> list[float]:
    """The shares of painted references, and of words of other motifs beside them, that are named.

    Each picture is made from one of either; the judge names two motifs in it.
    """
    words = some_words(count)
    others = _others(words)
    named = judgements(_from_references(weight, words, others), 2)
    return [
        float(np.mean([meaning(w).motif in motifs for w, motifs in zip(side, named, strict=True)]))
        for side in (words, others)
    ]


def _from_references(
    weight: float, words: Sequence[str], prompts: Sequence[str]
) -> list[Image.Image]:
    """For each word a picture made from its painting, at this weight, and from a prompt."""
    pipeline = load_model()
    pipeline.load_ip_adapter(str(MODEL), subfolder=FOLDER, weight_name=NAME)
    pipeline.set_ip_adapter_scale(weight)
    return [
        next(pictures(pipeline, [prompt], UNSEEN + i, ip_adapter_image=reference))
        for i, (prompt, reference) in enumerate(zip(prompts, painted(words, UNSEEN), strict=True))
    ]


def _others(words: Sequence[str]) -> list[str]:
    """For each word one of the others, of another motif."""
    half = len(words) // 2
    turned = [*words[half:], *words[:half]]
    fallback = {meaning(word).motif: word for word in words}
    return [
        other
        if meaning(other).motif != meaning(word).motif
        else next(w for motif, w in fallback.items() if motif != meaning(word).motif)
        for word, other in zip(words, turned, strict=True)
    ]
