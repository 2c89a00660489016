"""The door to the generators. A call imports what the model needs; this module does not."""

import logging

from flopslab.core.generator import Generator
from flopslab.core.model_parameters import is_server
from flopslab.core.study import Study


def load_generator(study: Study, batch_size: int = 0) -> Generator:
    """The study's model as a generator: loaded, checked and ready.

    `batch_size` is the one that a run has recorded. 0 takes the study's; if that is 0 too, the
    device decides; a server makes one at a time. Raises ModelError if the model cannot be found,
    trusted or loaded, ParameterError if a parameter does not fit it.

    The number of threads is the caller's choice (`torch.set_num_threads`). It changes the last bit
    of pixels, so keep it constant within a run.
    """
    if is_server(study.model):
        from flopslab.backends.webui.generator import WebuiGenerator

        return WebuiGenerator.load(study)
    hide_torchvision_notice()
    from flopslab.backends.diffusers.pipeline import DiffusersGenerator  # imports torch: seconds

    return DiffusersGenerator.load(study, batch_size)


def list_cards() -> list[str]:
    """The CUDA cards here, by name; see `hardware.devices.list_cards`."""
    from flopslab.backends.diffusers.hardware import devices  # imports torch: seconds

    return devices.list_cards()


def hide_torchvision_notice() -> None:
    """Stop transformers from logging that its image processors want torchvision: none needs it."""
    logging.getLogger("transformers.utils.import_utils").addFilter(_is_not_about_torchvision)


def _is_not_about_torchvision(record: logging.LogRecord) -> bool:
    return "requires torchvision" not in record.getMessage()
