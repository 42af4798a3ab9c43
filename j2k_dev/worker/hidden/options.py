"""Options of scientific libraries that are read and set by functions: numpy, pandas, scikit-learn, scipy, torch.

One table: module that must be loaded, how to read what differs from the usual, how to set it.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import Carrier

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell


def _option(module: str, read: Callable[[Any], Any], write: Callable[[Any, Any], Any]) -> Carrier:
    """Build a carrier for options of a library; ``read`` and ``write`` get its module."""

    def capture(_shell: InteractiveShell) -> Any:
        loaded = sys.modules.get(module)
        # A module that is being imported or failed to import has not all of its attributes.
        return None if loaded is None else read(loaded)

    def restore(_shell: InteractiveShell, carried: Any) -> None:
        write(importlib.import_module(module), carried)

    return Carrier(f"{module} options", capture, restore)


def _read_numpy(numpy: Any) -> Any:
    if not hasattr(numpy, "get_printoptions"):
        return None
    return numpy.get_printoptions(), numpy.geterr(), numpy.geterrcall(), numpy.getbufsize()


def _write_numpy(numpy: Any, carried: Any) -> None:
    printing, errors, call, size = carried
    known = numpy.get_printoptions()
    numpy.set_printoptions(**{name: value for name, value in printing.items() if name in known})
    numpy.seterr(**errors)
    numpy.seterrcall(call)
    if numpy.getbufsize() != size:
        numpy.setbufsize(size)


def _read_pandas(config: Any) -> Any:
    """Read the options that are not at their default, without the warnings that reading deprecated ones gives."""
    changed = {}
    for key, option in config._registered_options.items():  # noqa: SLF001 - the library has no public way to it
        values, name = config._get_root(key)  # noqa: SLF001 - the library has no public way to it
        if values[name] is not option.defval and values[name] != option.defval:
            changed[key] = values[name]
    return changed or None


def _write_pandas(config: Any, carried: dict[str, Any]) -> None:
    import pandas as pd  # noqa: PLC0415 - only where a notebook used it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for key, value in carried.items():
            if config.get_option(key) != value:
                pd.set_option(key, value)


def _read_sklearn(module: Any) -> Any:
    return dict(module.get_config())


def _write_sklearn(module: Any, carried: dict[str, Any]) -> None:
    module.set_config(**carried)


def _read_scipy(module: Any) -> Any:
    return module.geterr() if hasattr(module, "geterr") else None


def _write_scipy(module: Any, carried: dict[str, str]) -> None:
    module.seterr(**carried)


_TORCH = (
    ("get_default_dtype", "set_default_dtype"),
    ("get_num_threads", "set_num_threads"),
    ("is_grad_enabled", "set_grad_enabled"),
    ("get_float32_matmul_precision", "set_float32_matmul_precision"),
    ("is_anomaly_enabled", "set_anomaly_enabled"),
)
_TORCH_FLAGS = ("deterministic", "benchmark", "enabled", "allow_tf32")


def _read_torch(torch: Any) -> Any:
    if not hasattr(torch, "_tensor_str"):
        return None
    return {
        "values": [(write, getattr(torch, read)()) for read, write in _TORCH if hasattr(torch, read)],
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "device": str(torch.get_default_device()) if hasattr(torch, "get_default_device") else None,
        "cudnn": {name: getattr(torch.backends.cudnn, name) for name in _TORCH_FLAGS},
        "printing": dict(vars(torch._tensor_str.PRINT_OPTS)),  # noqa: SLF001 - the library has no public way to it
    }


def _write_torch(torch: Any, carried: dict[str, Any]) -> None:
    for write, value in carried["values"]:
        getattr(torch, write)(value)
    enabled, warn_only = carried["deterministic"]
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
    if carried["device"] is not None and carried["device"] != str(torch.get_default_device()):
        torch.set_default_device(carried["device"])
    for name, value in carried["cudnn"].items():
        if getattr(torch.backends.cudnn, name) != value:
            setattr(torch.backends.cudnn, name, value)
    vars(torch._tensor_str.PRINT_OPTS).update(carried["printing"])  # noqa: SLF001 - the library has no public way to it


CARRIERS = (
    _option("numpy", _read_numpy, _write_numpy),
    _option("pandas._config.config", _read_pandas, _write_pandas),
    _option("sklearn._config", _read_sklearn, _write_sklearn),
    _option("scipy.special", _read_scipy, _write_scipy),
    _option("torch", _read_torch, _write_torch),
)
