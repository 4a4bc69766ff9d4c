"""Optional packages of the extra ``published``, and the sentence when one is missing."""

from __future__ import annotations

import importlib
from typing import Any

from napari_haiku.errors import HaikuError


def need(module: str, purpose: str) -> Any:
    """Import an optional module.

    Parameters
    ----------
    module : str
        What to import, for example ``"timm"``.
    purpose : str
        What it is needed for, completing "... needs the package".

    Raises
    ------
    HaikuError
        The package is not installed, or is installed but broken.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0].replace("_", "-")
        raise HaikuError(
            f"{purpose} needs the package {package}: run pip install 'napari-haiku[published]'."
        ) from error
    except RuntimeError as error:
        # torchvision built for another torch fails with RuntimeError while timm is imported.
        raise HaikuError(
            f"{purpose} needs the package {module.split('.')[0]}, which is installed but cannot "
            "start beside this torch: install torch and torchvision from the same source."
        ) from error
