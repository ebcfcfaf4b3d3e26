"""From an import path and plain parameters to a Strategy, and its source text for the journal.

Runs the strategy's module and touches nothing else of the machine. Called once at start, on the main thread.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import types

from livestack.core.strategy import Strategy
from livestack.core.validation import Faults, convert
from livestack.exceptions import ConfigurationError


def load_strategy(path: str, parameters: dict[str, object]) -> Strategy:
    """A Strategy of class ``path`` (``module:Class``) with typed ``parameters``.

    ``ConfigurationError`` where it cannot be imported, is no Strategy, or its parameters have faults.
    """
    return _build(_strategy_class(path), parameters)


def load_archived_strategy(source: str, path: str, parameters: dict[str, object]) -> Strategy:
    """The class of ``path`` as ``source`` defines it, whatever is installed under that name now."""
    module = types.ModuleType(f"livestack_archived_{path.partition(':')[2]}")
    sys.modules[module.__name__] = module  # typed parameters look their annotations up there
    exec(compile(source, f"<archived {path}>", "exec"), module.__dict__)  # noqa: S102 - it ran in the session already
    return _build(_class_in(module, path), parameters)


def _build(strategy_class: type[Strategy], parameters: dict[str, object]) -> Strategy:
    faults: Faults = []
    typed = convert(parameters, strategy_class.parameters_type, "strategy.parameters", faults)
    if typed is None:
        raise ConfigurationError(faults)
    return strategy_class(typed)


def strategy_source(path: str) -> str:
    """Source text of the module that defines the Strategy, to be archived with the session."""
    return inspect.getsource(importlib.import_module(_strategy_class(path).__module__))


def _strategy_class(path: str) -> type[Strategy]:
    module_name, colon, class_name = path.partition(":")
    if not colon or not module_name or not class_name:
        raise _refused(f'must be written "module:Class", not "{path}"')
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise _refused(f"{module_name} cannot be imported: {type(error).__name__}: {error}") from error
    return _class_in(module, path)


def _class_in(module: types.ModuleType, path: str) -> type[Strategy]:
    module_name, _, class_name = path.partition(":")
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise _refused(f"{module_name} has no Strategy called {class_name}")
    return found


def _refused(sentence: str) -> ConfigurationError:
    return ConfigurationError([("strategy.path", sentence)])
