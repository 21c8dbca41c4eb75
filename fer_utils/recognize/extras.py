"""Import the packages that only some parts of this subpackage need, with one clear error if one is missing."""

import importlib


class RequirementError(RuntimeError):
    """A requirement is missing; the message says what to install or set."""


def load(module, purpose):
    """Import a module by name and return it. Raises RequirementError with the purpose and the fix if it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise RequirementError(f"{purpose} needs {module} ({error}). Install it: pip install -e '.[photos]'") from None
