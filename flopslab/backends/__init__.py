"""The door to the diffusion models. torch and diffusers are loaded by a call, not by an import."""

import logging

from flopslab.core.generator import Generator
from flopslab.core.study import Study


def load_generator(study: Study, batch_size: int = 0) -> Generator:
    """The study's model, loaded, checked and ready.

    `batch_size` is what a run has frozen; 0 takes the study's, and if that is 0 too, what suits
    the device. Raises ModelError if the model cannot be found, trusted or loaded, ParameterError
    if a parameter does not fit it.

    The number of threads is the caller's (`torch.set_num_threads`): it changes pixels in the
    last bit, so a run keeps to one.
    """
    logging.getLogger("transformers.utils.import_utils").addFilter(is_news)
    from flopslab.backends.diffusers.pipeline import DiffusersGenerator  # loads torch: seconds

    return DiffusersGenerator.load(study, batch_size)


def is_news(record: logging.LogRecord) -> bool:
    """diffusers imports image processors that would like torchvision; no frame needs them."""
    return "requires torchvision" not in record.getMessage()
