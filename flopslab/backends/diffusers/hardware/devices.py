"""Devices and dtypes: what there is, and what suits it."""

import os
import shutil
import warnings
from pathlib import Path

import torch

from flopslab.errors import FlopslabWarning, ParameterError

_INSTALL = "pip install torch --index-url https://download.pytorch.org/whl/cu128 --force-reinstall"


def find_device(name: str = "auto") -> torch.device:
    """The device of this name; auto: CUDA where there is one, else Apple's GPU, else the CPU.

    ParameterError if it is not there. Warns of an NVIDIA card that this torch cannot use.
    """
    if name in ("auto", "cuda") and torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if name == "auto":
        _warn_of_idle_card()
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(name)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        actual = f"{count} cards that torch {torch.__version__} can use"
        hint = f"for a torch with CUDA: {_INSTALL}" if _has_nvidia_card() and not count else ""
        raise ParameterError(f"device {name}", actual, hint or "set device to auto")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ParameterError(f"device {name}", "no GPU of Apple", "set device to auto")
    return device


def find_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of this name; auto: the one that suits the device.

    bf16 has the range of fp32, so that nothing overflows in it. Cards of Turing and older have
    only fp16; on Apple's GPUs fp16 would overflow.
    """
    if name != "auto":
        return getattr(torch, name)
    if device.type != "cuda":
        return torch.float32
    has_bf16 = torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.bfloat16 if has_bf16 else torch.float16


def list_cards() -> list[str]:
    """The CUDA cards that torch can use here, each as CUDA_VISIBLE_DEVICES names it."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in visible.split(",") if name.strip()]
    return (names or [str(number) for number in range(count)])[:count]


def _warn_of_idle_card() -> None:
    if torch.version.cuda is None and torch.version.hip is None and _has_nvidia_card():
        warnings.warn(
            f"there is an NVIDIA card, but torch {torch.__version__} is built without CUDA, so the "
            f"model runs on the CPU; to use the card: {_INSTALL}",
            FlopslabWarning,
            stacklevel=2,
        )


def _has_nvidia_card() -> bool:
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):  # it is hidden on purpose
        return False
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
