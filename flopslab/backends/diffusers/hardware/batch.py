"""The batch size: how many frames are computed together."""

from collections.abc import Callable

import torch

from flopslab.backends.diffusers.hardware.memory import free_memory
from flopslab.errors import MemoryShortageError

MOST_OFF_CUDA = 4  # frames; 8 cost as much time each, and leave cores idle at the end of a pass
FRAME_BYTES = 2048  # a pixel, of a frame in a batch without its decoding; the probe decides


def estimate_batch_size(pixels: int, device: torch.device) -> int:
    """How many frames of so many pixels to compute together, as far as arithmetic can tell.

    CUDA: the largest power of two, up to 32, that takes at most 80 % of the free memory. What
    torch's allocator keeps without using it counts as free. Elsewhere 2**19 pixels, but 1 to 4
    frames: 4 of 128 x 128, 2 of 512 x 512. The number of cores has no say: a batch size changes the
    last bits of pixels.
    """
    if device.type != "cuda":
        return min(max(2**19 // pixels, 1), MOST_OFF_CUDA)
    free_memory()
    free, _ = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    frames = min(max(int(0.8 * free / (FRAME_BYTES * pixels)), 1), 32)
    return 2 ** (frames.bit_length() - 1)


def probe_batch_size(attempt: Callable[[int], object], size: int) -> int:
    """The largest of `size`, its half, its quarter, ... for which `attempt` has enough memory.

    Raises the MemoryShortageError of the attempt with one frame.
    """
    while True:
        free_memory()
        try:
            attempt(size)
        except MemoryShortageError:
            if size == 1:
                raise
        else:
            free_memory()
            return size
        size //= 2
