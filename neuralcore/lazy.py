"""Modules that are imported when first used, and optional ones that answer with the command installing them.

Why our own and not `importlib.util.LazyLoader`: that one leaves a half-loaded module in `sys.modules`, which is
not safe between threads before Python 3.12. This proxy touches nothing until an attribute is asked for.

    if TYPE_CHECKING:
        import torch
    else:
        torch = lazy_import("torch")                # 2 s of import paid by who trains, not by who reads --help
    faiss = lazy_import("faiss", extra="cpu")       # an extra: missing, it names its pip command
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Any

from neuralcore.errors import UserError


class LazyModule:
    """Stands for a module until its first attribute is read."""

    def __init__(self, name: str, extra: str | None):
        self._name, self._extra = name, extra
        self._module: ModuleType | None = None

    def __getattr__(self, attribute: str) -> Any:
        if self._module is None:
            self._module = self._load()
        value = getattr(self._module, attribute)
        self.__dict__[attribute] = value  # the next look-up is a plain attribute
        return value

    def _load(self) -> ModuleType:
        try:
            return importlib.import_module(self._name)
        except ModuleNotFoundError as error:
            # Only the extra itself missing is the user's to mend; a broken install keeps its own error.
            if self._extra is None or error.name != self._name.split(".")[0]:
                raise
            raise UserError(
                f"this needs {self._name}, which is not installed: pip install 'rlgraphkit[{self._extra}]'"
            ) from None


def lazy_import(name: str, extra: str | None = None) -> Any:
    """The module `name`, imported at its first use; `extra` is the optional dependency group that carries it."""
    return LazyModule(name, extra)


def installed(name: str) -> bool:
    """Whether the module can be imported, without importing it."""
    return importlib.util.find_spec(name) is not None
