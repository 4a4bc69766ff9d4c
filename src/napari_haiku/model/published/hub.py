"""Fetching a bundle from the Hugging Face hub, only when asked to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError
from napari_haiku.model.published.extras import need

if TYPE_CHECKING:
    from collections.abc import Sequence

_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")


def fetch(repository: str, patterns: Sequence[str], *, gated: bool = False) -> Path:
    """Download the files of a repository into the hub's own cache.

    Parameters
    ----------
    repository : str
        ``owner/name``.
    patterns : sequence of str
        Which files.
    gated : bool
        Whether the repository is known to need access.

    Returns
    -------
    Path
        Folder of the files.

    Raises
    ------
    HaikuError
        No access, no such repository, no network, or the hub client is missing.
    """
    check_repository(repository)
    hub = need("huggingface_hub", f"Downloading {repository}")
    errors = need("huggingface_hub.errors", f"Downloading {repository}")
    page = f"https://huggingface.co/{repository}"
    access = " (it is gated: ask for access there)" if gated else ""
    by_hand = (
        f"or download its files ({', '.join(patterns)}) from {page}{access} into a folder and "
        "run napari-haiku convert FOLDER MODEL_DIR"
    )
    try:
        return Path(hub.snapshot_download(repository, allow_patterns=list(patterns)))
    except errors.GatedRepoError as error:
        raise HaikuError(_access(repository, patterns)) from error
    except errors.RepositoryNotFoundError as error:
        # The hub hides gated repositories from those who are not logged in.
        if gated:
            raise HaikuError(_access(repository, patterns)) from error
        raise HaikuError(
            f"The hub has no repository {repository} that you can see: check the name, or log in "
            f"with 'hf auth login', {by_hand}."
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise HaikuError(
            f"{repository} cannot be downloaded without a network: connect, {by_hand}."
        ) from error
    except (errors.HfHubHTTPError, OSError, errors.OfflineModeIsEnabled) as error:
        raise HaikuError(
            f"{repository} could not be downloaded ({_short(error)}): try again, {by_hand}."
        ) from error


def cached(repository: str) -> Path | None:
    """Folder of a repository in the hub's cache; None when nothing is there. No network."""
    check_repository(repository)
    try:
        hub = need("huggingface_hub", f"Finding {repository}")
    except HaikuError:
        # Without the hub's client there can be no cache of it to look into.
        return None
    errors = need("huggingface_hub.errors", f"Finding {repository}")
    try:
        return Path(hub.snapshot_download(repository, local_files_only=True))
    except errors.LocalEntryNotFoundError:
        return None


def check_repository(repository: str) -> str:
    """Return `repository` if it is of the form owner/name.

    Raises
    ------
    HaikuError
        It is not.
    """
    if not _REPOSITORY.fullmatch(repository) or ".." in repository:
        raise HaikuError(
            f"'{repository[:60]}' is no repository of the hub: write hf-hub:OWNER/NAME."
        )
    return repository


def _access(repository: str, patterns: Sequence[str]) -> str:
    return (
        f"{repository} is gated: ask for access at https://huggingface.co/{repository}, log in "
        "with 'hf auth login' and try again, or download its files by hand "
        f"({', '.join(patterns)}) into a folder and run napari-haiku convert FOLDER MODEL_DIR."
    )


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:100]}" if lines else type(error).__name__
