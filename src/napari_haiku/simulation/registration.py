"""How the mIF picture fails to lie on the H&E picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_haiku.simulation.randomness import stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.simulation.record import Patient


def misregister(picture: NDArray[np.uint8], patient: Patient, pixel_um: float) -> NDArray[np.uint8]:
    """Move and shear a picture by the patient's own registration error.

    Parameters
    ----------
    picture : ndarray of uint8, (c, y, x)
        The mIF picture; returned as it is where the difficulty asks for no error.
    patient : Patient
        For the random numbers and the limits of the error.
    pixel_um : float
        Size of a pixel in um.
    """
    limit = patient.difficulty
    if limit.shift_um == 0 and limit.shear == 0:
        return picture
    (down, across), (lean_down, lean_across) = registration_error(patient)
    matrix = np.array(((1.0, lean_down), (lean_across, 1.0)))
    centre = (np.array(picture.shape[1:]) - 1) / 2
    offset = centre - matrix @ centre - np.array((down, across)) / pixel_um
    moved = np.empty_like(picture)
    for number, channel in enumerate(picture):
        # The nearest tissue at the border: a scanner's picture has no empty rim either.
        ndimage.affine_transform(
            channel, matrix, offset, order=1, mode="nearest", output=moved[number]
        )
    return moved


def registration_error(patient: Patient) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the shift in um and the shear in um per um, each as (down, across)."""
    rng = stream(patient.seed, patient.index, "registration")
    length = patient.difficulty.shift_um * rng.uniform()
    turn = rng.uniform(0, 2 * np.pi)
    shear = patient.difficulty.shear * rng.uniform(-1, 1, 2)
    shift = (float(length * np.sin(turn)), float(length * np.cos(turn)))
    return shift, (float(shear[0]), float(shear[1]))
