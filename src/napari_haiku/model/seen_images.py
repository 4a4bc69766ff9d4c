"""Whether a model was trained on the image at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray


def seen_in_training(
    card: Mapping[str, Any], fingerprints: Iterable[str], centres_um: NDArray[Any]
) -> NDArray[np.bool_]:
    """Tell the patches of a slide that a model saw in training.

    Parameters
    ----------
    card : Mapping
        The model's card; its ``training_images`` list fingerprints and, where
        only a part was used, ``region_um`` (x0, y0, x1, y1).
    fingerprints : iterable of str
        Fingerprints of the slide's images.
    centres_um : ndarray, shape (n, 2)
        Patch centres (x, y).

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    centres = np.asarray(centres_um, np.float64).reshape(-1, 2)
    seen = np.zeros(len(centres), bool)
    known = set(fingerprints)
    for image in card.get("training_images") or ():
        if image["fingerprint"] not in known:
            continue
        region = image.get("region_um")
        if region is None:
            seen[:] = True
            continue
        x0, y0, x1, y1 = region
        seen |= (
            (centres[:, 0] >= x0)
            & (centres[:, 0] < x1)
            & (centres[:, 1] >= y0)
            & (centres[:, 1] < y1)
        )
    return seen


def seen_notice(seen: NDArray[np.bool_]) -> str:
    """Say what the patches seen in training mean for the figures; "" when there are none."""
    if not seen.any():
        return ""
    if seen.all():
        return "The model was trained on this image; agreement here is flattering."
    return (
        f"The model was trained on part of this image ({seen.mean():.0%} of these patches); "
        "agreement there is flattering."
    )
