"""A CUDA device without a card, to test the code that runs on one. For a torch without CUDA.

A tensor on it says that it is on cuda:0, holds a tensor of the CPU and computes with that, so that
every number is real. It refuses what CUDA refuses: operands on two devices, a generator of the CPU
for a draw on the device, NumPy. `Traffic` counts what costs time on a card. Memory, speed and the
rounding of real kernels are beyond it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
NAME = "a simulated card"

_aten = torch.ops.aten
_COPIES = {_aten._to_copy.default: 0, _aten.copy_.default: 1}  # the operand that is copied
_WAITS = {_aten._local_scalar_dense.default, _aten.nonzero.default}  # of the host, for a result


@dataclass
class Traffic:
    """What costs time on a card, counted."""

    kernels: int = 0
    uploads: int = 0  # copies from the host to the device
    downloads: int = 0  # copies back; the host waits for them
    waits: int = 0  # of the host for a number on the device
    uploaded_bytes: int = 0
    downloaded_bytes: int = 0
    largest_bytes: int = 0  # of a tensor on the device

    def reset(self) -> None:
        for field in fields(self):
            setattr(self, field.name, 0)


@dataclass
class Card:
    """The device: its traffic, and the tensor, in bytes, that is too large for its memory."""

    traffic: Traffic
    capability: tuple[int, int] = (8, 6)
    free: int = 8 * 2**30
    cached: int = 0  # bytes that torch's allocator holds without using them
    limit: float = float("inf")

    def place(self, tensor: torch.Tensor) -> "DeviceTensor":
        size = tensor.numel() * tensor.element_size()
        self.traffic.largest_bytes = max(self.traffic.largest_bytes, size)
        if size > self.limit:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size} bytes")
        return DeviceTensor(tensor, self)

    def execute(self, op: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """The operation, computed on the CPU, its results where CUDA would have them."""
        leaves = list(_leaves((args, kwargs)))
        on_device = [leaf for leaf in leaves if isinstance(leaf, DeviceTensor)]
        device = kwargs.get("device")
        if op in _COPIES:
            to_device = _is_cuda(device) if device is not None else _is_on_device(args[0])
            self._count_copy(args[_COPIES[op]], to_device)
        else:
            to_device = _is_cuda(device) if device is not None else bool(on_device)
            if on_device:
                _check_devices(op, args, leaves)
            if to_device:
                _check_generator(op, kwargs.get("generator"))
            self.traffic.waits += op in _WAITS
            self.traffic.kernels += not op.is_view
        if _is_cuda(device):
            kwargs = kwargs | {"device": CPU}
        arguments, options = _map(_to_host, (args, kwargs))
        results = op(*arguments, **options)
        wrappers = {id(tensor.host): tensor for tensor in on_device}  # of what changes in place
        return _map(lambda value: self._wrap(value, wrappers, to_device), results)

    def _count_copy(self, source: torch.Tensor, to_device: bool) -> None:
        size = source.numel() * source.element_size()
        if to_device and not _is_on_device(source):
            self.traffic.uploads += 1
            self.traffic.uploaded_bytes += size
        elif not to_device and _is_on_device(source):
            self.traffic.downloads += 1
            self.traffic.downloaded_bytes += size
        else:
            self.traffic.kernels += 1

    def _wrap(self, value: Any, wrappers: dict[int, "DeviceTensor"], to_device: bool) -> Any:
        if id(value) in wrappers:
            return wrappers[id(value)]
        return self.place(value) if to_device and type(value) is torch.Tensor else value


class DeviceTensor(torch.Tensor):
    """A tensor on the simulated card; `host` holds its numbers."""

    host: torch.Tensor
    card: Card

    @staticmethod
    def __new__(cls, host: torch.Tensor, card: Card) -> "DeviceTensor":
        return torch.Tensor._make_wrapper_subclass(
            cls, host.size(), strides=host.stride(), dtype=host.dtype, device=CUDA
        )

    def __init__(self, host: torch.Tensor, card: Card) -> None:
        self.host, self.card = host, card

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        card = next(x for x in _leaves((args, kwargs)) if _is_on_device(x)).card
        return card.execute(op, args, kwargs or {})


class _Operations(TorchDispatchMode):
    """Sends operations that make a tensor on the device, or use one, to the card."""

    def __init__(self, card: Card) -> None:
        super().__init__()
        self._card = card

    def __torch_dispatch__(self, op: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if _is_cuda(kwargs.get("device")) or any(map(_is_on_device, _leaves((args, kwargs)))):
            return self._card.execute(op, args, kwargs)
        return op(*args, **kwargs)


class _Functions(TorchFunctionMode):
    """Handles the calls that ask for a real card before they become operations."""

    def __init__(self, card: Card) -> None:
        super().__init__()
        self._card = card

    def __torch_function__(self, f: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if f != torch.device:
            args = tuple(map(_with_index, args))
            kwargs = {name: _with_index(value) for name, value in kwargs.items()}
        if f in (torch.tensor, torch.as_tensor) and _is_cuda(kwargs.get("device")):
            return f(*args, **kwargs | {"device": CPU}).to(CUDA)
        if args and _is_on_device(args[0]) and f is torch.Tensor.numpy:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if args and _is_on_device(args[0]) and f is torch.Tensor.tolist:
            self._card.traffic.waits += 1
            return args[0].host.tolist()
        try:
            return f(*args, **kwargs)
        except RuntimeError as error:
            if "not linked with support for cuda" not in str(error):
                raise
        return self._bypass_guard(f, args, kwargs)

    def _bypass_guard(self, f: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        """What bindings compute that ask for the device's guard: indexing, `contiguous`, ..."""
        masks = [x for x in _leaves(args[1:]) if _is_on_device(x) and x.dtype == torch.bool]
        self._card.traffic.waits += f is torch.Tensor.nonzero or bool(masks)
        self._card.traffic.kernels += f is not torch.Tensor.__getitem__
        arguments, options = _map(_to_host, (args, kwargs))
        results = f(*arguments, **options)
        wrappers = {id(x.host): x for x in _leaves(args) if _is_on_device(x)}
        return _map(lambda value: self._card._wrap(value, wrappers, True), results)


def _is_cuda(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


def _is_on_device(value: Any) -> bool:
    return isinstance(value, DeviceTensor)


def _to_host(value: Any) -> Any:
    return value.host if isinstance(value, DeviceTensor) else value


def _with_index(value: Any) -> Any:
    """The device that "cuda" means; every other value as it is."""
    return CUDA if isinstance(value, str | torch.device) and str(value) == "cuda" else value


def _leaves(value: Any) -> Iterator[Any]:
    """What tuples, lists and dictionaries hold; torch's own pytrees take three times as long."""
    if isinstance(value, (tuple, list)):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    else:
        yield value


def _map(function: Callable[[Any], Any], value: Any) -> Any:
    """The same nest of tuples, lists and dictionaries, with the function applied to the leaves."""
    if isinstance(value, (tuple, list)):
        return type(value)([_map(function, item) for item in value])
    if isinstance(value, dict):
        return {name: _map(function, item) for name, item in value.items()}
    return function(value)


def _check_devices(op: Any, args: tuple, leaves: list) -> None:
    """RuntimeError for operands on two devices. Indices and single numbers may be on the CPU."""
    operands = [x for x in leaves if isinstance(x, torch.Tensor) and not _is_on_device(x)]
    if strangers := [x for x in operands if x.dim()]:
        indices = args[1] if op.name().startswith("aten::index") and len(args) > 1 else ()
        free = {id(index) for index in _leaves(indices)}
        if any(id(x) not in free for x in strangers):
            message = "Expected all tensors to be on the same device, but found cuda:0 and cpu"
            raise RuntimeError(f"{message} ({op})")


def _check_generator(op: Any, generator: torch.Generator | None) -> None:
    """RuntimeError for a draw on the device with a generator of the CPU."""
    if generator is not None and generator.device.type != "cuda":
        raise RuntimeError(f"Expected a 'cuda' device type for generator but found cpu ({op})")


def _answers(card: Card) -> dict[str, Callable]:
    """What torch.cuda says of the card."""
    return {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "is_bf16_supported": lambda *_, **__: card.capability >= (8, 0),
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_name": lambda *_: NAME,
        "get_device_capability": lambda *_: card.capability,
        "mem_get_info": lambda *_: (card.free, card.free + card.cached),
        "memory_reserved": lambda *_: card.cached,
        "memory_allocated": lambda *_: 0,
        "empty_cache": lambda: None,
        "synchronize": lambda *_: None,
    }


@contextmanager
def simulated_cuda(**properties: Any) -> Iterator[Card]:
    """The card, there for a `with` block; `properties`: fields of `Card`."""
    card = Card(Traffic(), **properties)
    with ExitStack() as stack:
        for name, answer in _answers(card).items():
            stack.enter_context(mock.patch.object(torch.cuda, name, answer))
        # New parameters instead of new data in the old ones, which keep their device.
        previous = torch.__future__.get_overwrite_module_params_on_conversion()
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, previous)
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.enter_context(_Operations(card))
        stack.enter_context(_Functions(card))
        yield card
