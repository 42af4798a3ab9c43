"""torch's tensors on the processor: those that share memory, with each other or with numpy's arrays, go on sharing it.

torch writes every tensor with a storage of its own and forgets its gradient, and what others gave an optimizer: that a
schedule counts its steps, for one. Here the memory goes once, as an array of bytes, and each tensor as a view of it.
One that gradients can still flow back from is refused by name. torch is never imported here. Tensors of other kinds
(sparse, quantised, on an accelerator) are left to torch.
"""

from __future__ import annotations

import copyreg
import pickle
import sys
from typing import Any

from j2k_dev.worker.state.arrays import reduce_array, reduce_view

Reduced = tuple[Any, ...]
Memory = dict[int, Any]  # arrays that memory goes as, by its address


def tensor_reducers() -> dict[type, Any]:
    """Return reducers for a torch that is loaded; they know of each other's memory."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "optim"):  # it failed to import, or still does
        return {}
    memory: Memory = {}
    kinds = (torch.Tensor, torch.nn.Parameter)
    return {
        **dict.fromkeys(kinds, lambda tensor: reduce_tensor(tensor, memory)),
        sys.modules["numpy"].ndarray: lambda array: reduce_shared(array, memory),
        torch.Generator: reduce_generator,
    }


def optimizer_kind() -> Any:
    """Return the class that all optimizers of a loaded torch inherit, or None."""
    return getattr(sys.modules.get("torch.optim"), "Optimizer", None)


def reduce_optimizer(optimizer: Any) -> Reduced:
    """Reduce an optimizer to all its attributes, those that others gave it among them."""
    return copyreg.__newobj__, (type(optimizer),), dict(vars(optimizer))  # type: ignore[attr-defined]  # no stub


def reduce_generator(generator: Any) -> Reduced:
    """Reduce a random generator to its device and state."""
    return make_generator, (str(generator.device), generator.get_state())


def make_generator(device: str, state: Any) -> Any:
    """Make a random generator."""
    generator = _torch().Generator(device)
    generator.set_state(state)
    return generator


def reduce_shared(array: Any, memory: Memory) -> Any:
    """Reduce an array: one that shows a tensor's memory, or whose own a tensor shows, together with that memory."""
    if not array.nbytes or array.dtype.hasobject or isinstance(array.base, (sys.modules["numpy"].ndarray, bytes)):
        return reduce_array(array)
    if isinstance(array.base, _torch().Tensor):
        known = _bytes_of(array.base, memory)
    else:
        known = memory.setdefault(array.ctypes.data, array)
    return reduce_array(array) if known is array else reduce_view(array, known)


def reduce_tensor(tensor: Any, memory: Memory) -> Any:
    """Reduce a tensor to its memory, how it shows it, and its gradient."""
    if tensor.grad_fn is not None and not _is_used_up(tensor.grad_fn):
        raise pickle.PicklingError("cannot hand over a tensor that gradients can flow back from: detach it in its cell")
    if tensor.is_conj() or tensor.is_neg() or tensor._backward_hooks:  # noqa: SLF001 - nothing public tells
        raise pickle.PicklingError("cannot hand over a tensor with hooks, or one that conj() or imag made: copy it")
    if tensor.layout is not _torch().strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return NotImplemented
    shown = (tensor.dtype, tensor.storage_offset(), tuple(tensor.shape), tensor.stride())
    gradient = tensor.grad if tensor.is_leaf else None
    state = (tensor.requires_grad, gradient, vars(tensor))
    return make_tensor, (type(tensor), _bytes_of(tensor, memory), *shown), state, None, None, set_tensor


def _is_used_up(node: Any) -> bool:
    """Tell a graph that gradients have flowed back through: it has freed what it had saved."""
    waiting, seen = [node], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if _is_freed(node):
            return True
        waiting += [following for following, _ in node.next_functions]
    return False


def _is_freed(node: Any) -> bool:
    try:
        for name in dir(node):
            if name.startswith("_saved_"):
                getattr(node, name)
    except RuntimeError:
        return True
    return False


def _bytes_of(tensor: Any, memory: Memory) -> Any:
    """Return the array that all of a tensor's memory goes as."""
    torch = _torch()
    whole = torch.empty(0, dtype=torch.uint8).set_(_storage(tensor))
    address = whole.data_ptr()
    return memory.setdefault(address, whole.numpy()) if address else whole.numpy()


def _storage(tensor: Any) -> Any:
    return tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor.storage().untyped()


def make_tensor(kind: Any, memory: Any, dtype: Any, offset: int, shape: tuple[int, ...], stride: Any) -> Any:
    """Make a tensor that shows the memory of an array."""
    torch, numpy = _torch(), sys.modules["numpy"]
    flat = numpy.ndarray((memory.nbytes,), numpy.uint8, memory if memory.flags.c_contiguous else memory.T)
    tensor = torch.empty(0, dtype=dtype).set_(_storage(torch.from_numpy(flat)), offset, shape, stride)
    return tensor if kind is torch.Tensor else kind(tensor, requires_grad=False)


def set_tensor(tensor: Any, state: tuple[bool, Any, dict[str, Any]]) -> None:
    """Give a tensor its gradient and attributes."""
    requires_grad, gradient, attributes = state
    tensor.requires_grad_(requires_grad)
    tensor.grad = gradient
    vars(tensor).update(attributes)


def _torch() -> Any:
    return sys.modules.get("torch") or __import__("torch")
