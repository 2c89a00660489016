"""Where the embeddings of the words in a pool come from: a file, the study's model, the embedded
CLIP."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

from flopslab.analysis.embedder import load_embedder
from flopslab.backends import hide_torchvision_notice
from flopslab.errors import FlopslabWarning
from flopslab.words.embeddings import read_embeddings
from flopslab.words.pool import Pool

TOKENIZER = Path(__file__).parents[1] / "tiny" / "clip" / "tokenizer.json"


def embed_pool(pool: Pool, embeddings: str | Path = "", model: str = "tiny") -> Pool:
    """The pool with vectors.

    They are those of the file `embeddings`, or those that the pool has, or the directions of the
    words in the text encoder of `model`, the study's own; for the embedded model ("tiny") those of
    the embedded CLIP, with a warning for words that it does not know. Words that a file does not
    hold are left out, with a warning. Raises SequenceError, ModelError.
    """
    if embeddings:
        return pool.select(read_embeddings(embeddings, pool.texts))
    if pool.vectors is not None:
        return pool
    if model == "tiny":
        return _embed_with_clip(pool)
    hide_torchvision_notice()
    from flopslab.backends.diffusers.text.text_encoder import embed_texts  # loads torch: seconds

    return pool.embed(embed_texts(pool.texts, model))


def _embed_with_clip(pool: Pool) -> Pool:
    if strangers := find_strangers(pool.texts):
        count = f"{len(strangers)} of {len(pool.texts)} words"
        hint = "name a model or a file of embeddings"
        warnings.warn(
            f"the embedded CLIP does not know {count}, whose places are arbitrary; {hint}: "
            f"{', '.join(strangers[:10])}{', ...' if len(strangers) > 10 else ''}",
            FlopslabWarning,
            stacklevel=3,
        )
    return pool.embed(load_embedder().texts(pool.texts))


def find_strangers(texts: Sequence[str]) -> list[str]:
    """The texts with a word that the embedded CLIP was not trained on.

    Its tokenizer has one token for each word of its training, and pieces for all others.
    """
    tokens = json.loads(TOKENIZER.read_text(encoding="utf-8"))["model"]["vocab"]
    return [t for t in texts if any(f"{word}</w>" not in tokens for word in t.lower().split())]
