"""What is kept of the workspace itself: record, selection, atlas, where the canvas looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari

    from napari_haiku.viewer.session.parts import State
    from napari_haiku.viewer.workspace import Workspace


def workspace_state(viewer: napari.Viewer, workspace: Workspace) -> State:
    """Describe the workspace."""
    camera = viewer.scene.camera
    atlas = workspace.atlas
    return {
        "record": dict(workspace.record),
        "selection": workspace.selection,
        "marker": workspace.marker,
        "within_patient_um": workspace.within_patient_um,
        "atlas": None if atlas is None else str(atlas.path.resolve()),
        "camera": {
            "centre": [float(v) for v in camera.center[-2:]],
            "zoom": float(camera.zoom),
        },
    }


def restore_workspace(viewer: napari.Viewer, workspace: Workspace, state: State) -> None:
    """Take the workspace back to where it was; the atlas is opened elsewhere."""
    encoding = workspace.encoding
    if not workspace.record and state.get("record"):
        workspace.record = {str(k): str(v) for k, v in state["record"].items()}
    workspace.within_patient_um = state.get("within_patient_um")
    if state.get("marker") is not None:
        workspace.marker = str(state["marker"])
    camera = state.get("camera") or {}
    if camera.get("zoom"):
        viewer.scene.camera.zoom = float(camera["zoom"])
        y, x = camera["centre"]
        viewer.scene.camera.center = (0.0, float(y), float(x))
    selection = state.get("selection")
    if encoding is not None and selection is not None and 0 <= selection < encoding.n_patches:
        workspace.selection = int(selection)
