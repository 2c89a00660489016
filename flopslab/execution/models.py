"""Which studies can share a model in memory."""

from collections.abc import Hashable

from flopslab.core.compositing import METHODS
from flopslab.core.model_parameters import ModelParameters
from flopslab.core.study import Study


def model_key(study: Study) -> Hashable:
    """What a generator is loaded for: the model's parameters, and what the method needs of it.

    The batch size is no part of it.
    """
    names = {*ModelParameters.model_fields, "negative_prompt", "ip_adapter"} - {"batch_size"}
    method = METHODS[study.method]
    values = study.model_dump_json(include=names)
    return values, method.takes_latents, method.weighs_images, study.passes > 1
