"""``napari-haiku atlas``: build an atlas, change it, verify it, say what is in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_haiku.cli.given_paths import Command
from napari_haiku.cli.opening import atlas_place, loaded_model, opened_atlas, own_atlas
from napari_haiku.cli.options import (
    AtlasArgument,
    BatchSizeOption,
    DebugFlag,
    DeviceOption,
    JsonFlag,
    ModelOption,
    PatchOption,
    PixelSizeOption,
    StrideOption,
)
from napari_haiku.cli.reporting import Report, reporting

if TYPE_CHECKING:
    from napari_haiku.atlas.changes import Change
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.atlas.verify import Damage

app = typer.Typer(
    help="Build, change and verify an atlas; say what is in it.", no_args_is_help=True
)

EncodingsArgument = Annotated[list[Path], typer.Argument(metavar="ENC.zarr...", show_default=False)]


@app.command("build", cls=Command)
def build(
    cohort: Annotated[Path, typer.Argument(metavar="COHORT.csv", show_default=False)],
    atlas: Annotated[
        Path, typer.Argument(metavar="ATLAS", help="Folder to write.", show_default=False)
    ],
    model: ModelOption = "default",
    pixel_size: PixelSizeOption = None,
    patch_um: PatchOption = None,
    stride_um: StrideOption = None,
    affine: Annotated[
        Path | None,
        typer.Option(
            "--affine",
            help="Lays the mIF of every slide onto its H&E: 2 x 3 or 3 x 3, in um (JSON or CSV).",
            metavar="FILE",
        ),
    ] = None,
    tissue_threshold: Annotated[
        float | None,
        typer.Option(
            "--tissue-threshold",
            help="Where tissue begins, instead of what is found on each image: optical density "
            "for H&E, log signal for mIF.",
            min=0,
        ),
    ] = None,
    device: DeviceOption = "auto",
    batch_size: BatchSizeOption = None,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Encode the slides of a cohort and put them together into an atlas."""
    kept = "Slides that are encoded are kept; the same command goes on from there."
    with reporting(as_json, debug, kept=kept) as report:
        from napari_haiku.atlas.cohort import build_from_manifest
        from napari_haiku.atlas.manifest import read_manifest
        from napari_haiku.encoding.request import EncodeOptions
        from napari_haiku.images.affine import read_affine

        # Before the model is loaded for a manifest that cannot be read.
        read_manifest(cohort, check_files=False)
        options = EncodeOptions(patch_um=patch_um, stride_um=stride_um, batch_size=batch_size)
        built = report.run(
            build_from_manifest(
                cohort,
                atlas,
                loaded_model(report, model, device),
                options=options,
                pixel_size_um=pixel_size,
                affine=None if affine is None else read_affine(affine),
                tissue_threshold=tissue_threshold,
                on_failure=lambda slide: report.say(f"Line {slide.row}: {slide.reason}"),
                model_source=_remembered(model),
            )
        )
        content = _indexed(report, built.atlas).info()
        failed = [{"row": slide.row, "reason": slide.reason} for slide in built.failed]
        report.result(content | {"failed": failed}, _lines(built.atlas.name, content))
        if failed:
            report.say(
                f"Error: {len(failed)} of {len(failed) + built.atlas.n_slides} slides could not be "
                "encoded: mend them as told above and run the same command again."
            )
            report.exit_code = 1


@app.command("info", cls=Command)
def info(atlas: AtlasArgument, as_json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """Say how many slides, patients and patches an atlas holds, and which markers."""
    with reporting(as_json, debug) as report:
        opened = opened_atlas(atlas)
        content = opened.info() | {
            "fields": {field: opened.values_of(field) for field in opened.fields},
            "patch_um": opened.patch_um,
        }
        report.result(content, _lines(opened.name, content))


@app.command("add", cls=Command)
def add(
    atlas: AtlasArgument,
    encodings: EncodingsArgument,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Add encoded slides to an atlas."""
    with reporting(as_json, debug) as report:
        from napari_haiku.atlas.changes import add_to_atlas

        _tell(report, report.run(add_to_atlas(own_atlas(atlas), encodings)), "added")


@app.command("remove", cls=Command)
def remove(
    atlas: AtlasArgument,
    encodings: EncodingsArgument,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Take slides out of an atlas; their encodings are left alone."""
    with reporting(as_json, debug) as report:
        from napari_haiku.atlas.changes import remove_from_atlas

        _tell(report, report.run(remove_from_atlas(own_atlas(atlas), encodings)), "removed")


@app.command("compact", cls=Command)
def compact(atlas: AtlasArgument, as_json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """Write an atlas anew without what it no longer needs."""
    with reporting(as_json, debug) as report:
        from napari_haiku.atlas.changes import compact_atlas

        _tell(report, report.run(compact_atlas(own_atlas(atlas))), "")


@app.command("verify", cls=Command)
def verify(
    atlas: AtlasArgument,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what is damaged, from images and encodings.")
    ] = False,
    cohort: Annotated[
        Path | None,
        typer.Option(
            "--cohort", help="Manifest with the images, if it was moved.", metavar="COHORT.csv"
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="The model, if it was moved.", metavar="NAME|DIR"),
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Find what is damaged in an atlas and its encodings; exit code 1 where something is."""
    kept = "What is mended already stays mended."
    with reporting(as_json, debug, kept=kept) as report:
        from napari_haiku.atlas.verify import verify_atlas

        content: dict[str, object] = {}
        if repair:
            from napari_haiku.atlas.repair import repair_atlas

            done = report.run(
                repair_atlas(
                    own_atlas(atlas),
                    lambda name: loaded_model(report, name, device),
                    manifest=cohort,
                    model=model,
                )
            )
            found = done.after
            content = {
                "repaired": [damage.to_json() for damage in done.before.damaged],
                "chunks_encoded": done.chunks_encoded,
            }
            for damage in done.before.damaged:
                report.say(f"Found: {_place(damage)}.")
        else:
            found = report.run(verify_atlas(atlas_place(atlas)))
        content = {
            "ok": found.ok,
            "damaged": [damage.to_json() for damage in found.damaged],
            "absent": list(found.absent),
            **content,
        }
        lines = [f"Damaged: {_place(damage)}." for damage in found.damaged]
        if found.absent:
            lines.append(f"Not there, so not verified: {', '.join(found.absent)}.")
        report.result(content, [*lines, *(["Everything is whole."] if found.ok else [])])
        if not found.ok:
            report.say(
                f"Error: {len(found.damaged)} parts of the atlas {atlas.name} are damaged: run "
                "'atlas verify' with --repair."
            )
            report.exit_code = 1


@app.command("import-demo")
def import_demo_data(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", show_default=False)],
    folder: Annotated[Path, typer.Argument(metavar="DIR", show_default=False)],
    pixel_size: Annotated[
        float, typer.Option("--pixel-size", help="Pixel size in um.", metavar="UM")
    ] = 0.3775,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Turn the published demo data into images and a manifest; no pickle in it is run."""
    with reporting(as_json, debug) as report:
        from napari_haiku.atlas.demo_data import import_demo

        done = report.run(import_demo(source, folder, pixel_size_um=pixel_size))
        report.result(
            {
                "manifest": str(done.manifest),
                "slides": done.regions,
                "patches": done.patches,
                "markers": list(done.markers),
            },
            [
                f"{done.patches} patches of {done.regions} regions, {len(done.markers)} markers.",
                f"Next: napari-haiku atlas build {done.manifest} ATLAS",
            ],
        )


def _place(damage: "Damage") -> str:
    chunk = "" if damage.chunk is None else f", chunk {damage.chunk}"
    patches = "" if damage.patches is None else " (patches {} to {})".format(*damage.patches)
    return f"{damage.name}: {damage.part}{chunk}{patches}: {damage.reason}"


def _remembered(model: str) -> str:
    """How a model is remembered: a folder by its whole path, a name as it is."""
    folder = Path(model)
    return str(folder.resolve()) if folder.is_dir() else model


def _indexed(report: Report, atlas: "Atlas") -> "Atlas":
    """Build the indices that a large atlas lacks."""
    from napari_haiku.atlas.index import THRESHOLD, can_index
    from napari_haiku.atlas.index_build import build_index

    if atlas.n_patches > THRESHOLD and not can_index():
        report.say(
            "This atlas is searched exactly; for faster search install faiss: pip install "
            "'napari-haiku[faiss]'."
        )
    return report.run(build_index(atlas))


def _tell(report: Report, change: "Change", done: str) -> None:
    content = _indexed(report, change.atlas).info()
    told = [f"{change.slides} slides {done}."] if done else []
    told += [f"{change.bytes_freed:,} bytes freed."] if not done else []
    report.result(
        content | {"changed": change.slides, "bytes_freed": change.bytes_freed},
        [*told, *_lines(change.atlas.name, content)],
    )


def _lines(name: str, content: dict[str, object]) -> list[str]:
    return [
        (
            f"Atlas {name}: {content['patients']} patients, {content['slides']} slides, "
            f"{content['patches']} patches"
        ),
        f"Markers: {', '.join(map(str, _listed(content['markers']))) or 'none'}",
        f"Model: {content['model']}",
        _index_line(content["index"]),
    ]


def _index_line(index: object) -> str:
    if not isinstance(index, dict) or index["kind"] == "exact":
        return "Search: exact"
    return f"Search: {index['kind']}, finds {index['recall_at_50']:.1%} of the 50 best"


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
