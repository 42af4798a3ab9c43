"""The state of random generators that live in modules: random, numpy's legacy functions, torch, TensorFlow.

They are always carried where their module is loaded: a generator seeded by the system is as much a part of the state.
Generators that are objects of the notebook travel with the namespace.
"""

from __future__ import annotations

import importlib
import random
import sys
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import Carrier

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_NUMPY = "numpy.random.mtrand"
_USUAL = "MT19937"


def _capture_random(_shell: InteractiveShell) -> Any:
    return random.getstate()


def _restore_random(_shell: InteractiveShell, carried: Any) -> None:
    random.setstate(carried)


def _capture_numpy(shell: InteractiveShell) -> Any:
    module = sys.modules.get(_NUMPY)
    if module is None:
        return None
    state = module._rand.get_state(legacy=False)  # noqa: SLF001 - the library has no public way to it
    bits = getattr(module._rand, "_bit_generator", None)  # noqa: SLF001 - the library has no public way to it
    shared = any(value is bits for value in shell.user_ns.values())
    return state, bits if shared or state["bit_generator"] != _USUAL else None


def _restore_numpy(_shell: InteractiveShell, carried: Any) -> None:
    state, bits = carried
    module = importlib.import_module(_NUMPY)
    if bits is not None:
        module.set_bit_generator(bits)
    module._rand.set_state(state)  # noqa: SLF001 - the library has no public way to it


def _capture_torch(_shell: InteractiveShell) -> Any:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_rng_state"):
        return None
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else []
    return _bytes_of(torch.get_rng_state()), [_bytes_of(state) for state in cuda]


def _bytes_of(tensor: Any) -> bytes:
    return bytes(tensor.cpu().tolist())


def _restore_torch(_shell: InteractiveShell, carried: Any) -> None:
    torch = importlib.import_module("torch")
    processor, cuda = carried
    torch.set_rng_state(torch.tensor(list(processor), dtype=torch.uint8))
    if cuda:
        torch.cuda.set_rng_state_all([torch.tensor(list(state), dtype=torch.uint8) for state in cuda])


def _tensorflow_context() -> Any:
    module = sys.modules.get("tensorflow.python.eager.context")
    return module.context() if module else None


def _capture_tensorflow(_shell: InteractiveShell) -> Any:
    context = _tensorflow_context()
    if context is None or context._seed is None:  # noqa: SLF001 - the library has no public way to it
        return None
    return context._seed, context._rng.getstate()  # noqa: SLF001 - the library has no public way to it


def _restore_tensorflow(_shell: InteractiveShell, carried: Any) -> None:
    importlib.import_module("tensorflow").random.set_seed(carried[0])
    _tensorflow_context()._rng.setstate(carried[1])  # noqa: SLF001 - the library has no public way to it


CARRIERS = (
    Carrier("random", _capture_random, _restore_random),
    Carrier("numpy.random", _capture_numpy, _restore_numpy),
    Carrier("torch.random", _capture_torch, _restore_torch),
    Carrier("tensorflow.random", _capture_tensorflow, _restore_tensorflow),
)
