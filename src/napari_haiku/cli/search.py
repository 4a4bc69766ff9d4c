"""``napari-haiku search``: the patches of an atlas most similar to a question."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_haiku.atlas.question_defaults import USUAL_HITS
from napari_haiku.cli.opening import loaded_model, opened_atlas, opened_encoding
from napari_haiku.cli.options import (
    AtlasArgument,
    DebugFlag,
    DeviceOption,
    JsonFlag,
    ModelOption,
    NeighboursOption,
    PixelSizeOption,
    WeightsOption,
    WhereOption,
    WithinPatientOption,
)
from napari_haiku.cli.parsing import parse_numbers, parse_weights
from napari_haiku.cli.reporting import Report, reporting

if TYPE_CHECKING:
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.model.base import TissueModel

LINES_SHOWN = 10
ScorerName = Literal["cosine", "late_fusion", "early_fusion", "rrf", "mip", "gram_volume"]


def search(
    atlas: AtlasArgument,
    encoding: Annotated[
        Path | None, typer.Option("--encoding", help="Encoded slide.", metavar="ENC.zarr")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", help="Position on the encoded slide in um.", metavar="X_UM,Y_UM"),
    ] = None,
    region: Annotated[
        Path | None,
        typer.Option(
            "--region", help="Polygons on the encoded slide in um.", metavar="FILE.geojson"
        ),
    ] = None,
    image: Annotated[
        Path | None, typer.Option("--image", help="An H&E or mIF picture.", metavar="FILE")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            "--text",
            help="A caption or words of one; beside --encoding or --image they stand in the "
            "record's place.",
        ),
    ] = None,
    region_as: Annotated[
        Literal["mean", "set"],
        typer.Option(
            "--region-as",
            help="A region asks by its mean, or as a set: each hit counts by the patch it is most "
            "like.",
        ),
    ] = "mean",
    scorer: Annotated[
        ScorerName | None,
        typer.Option(
            "--scorer",
            help="How the parts of a question count together; late_fusion by default.",
        ),
    ] = None,
    target: Annotated[
        Literal["he", "mif", "text"] | None,
        typer.Option(
            "--target", help="What the hits are: by default H&E patches, mIF where there are none."
        ),
    ] = None,
    k: NeighboursOption = USUAL_HITS,
    where: WhereOption = None,
    exclude_patient: Annotated[
        str | None, typer.Option("--exclude-patient", help="Leave this patient out.", metavar="ID")
    ] = None,
    within_patient: WithinPatientOption = None,
    weights: WeightsOption = None,
    pixel_size: PixelSizeOption = None,
    model: ModelOption = "default",
    device: DeviceOption = "auto",
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Find similar tissue; the slide's own patient is left out unless asked for."""
    _check_question(encoding, at, region, image, text)
    shares = parse_weights(weights)
    place = parse_numbers(at, 2, "--at", "1200,850") if at is not None else None
    with reporting(as_json, debug) as report:
        from napari_haiku.atlas.merging import best_of_set
        from napari_haiku.atlas.question_defaults import usual_target
        from napari_haiku.atlas.scored_search import search_parts
        from napari_haiku.atlas.selection import where_rows
        from napari_haiku.cli import search_question as ask
        from napari_haiku.notices import SAME_PATIENT

        @cache
        def load() -> "TissueModel":
            return loaded_model(report, model, device)

        opened = opened_atlas(atlas)
        sought = target or usual_target(opened.modalities)
        opened.require_modality(sought)
        if where is not None:
            where_rows(opened, where)
        if encoding is not None:
            slide = opened_encoding(encoding)
            rows = (
                ask.patch_under(slide, (place[0], place[1]))
                if place is not None
                else ask.patches_inside(slide, region or Path())
            )
            question = ask.from_patches(
                slide,
                opened,
                rows,
                within_patient_um=within_patient,
                as_set=region_as == "set",
            )
        elif image is not None:
            question = ask.from_image(image, opened, load, pixel_size_um=pixel_size)
        else:
            question = ask.from_text(text or "", opened, load)
        if text is not None and question.patches:
            question = ask.with_words(question, text, opened, load)
        for sentence in question.notes:
            report.say(sentence)
        opened = _with_index(report, opened)
        chosen = scorer or "late_fusion"
        hits = search_parts(
            opened,
            question.parts,
            scorer=chosen,
            weights=shares,
            model_card=ask.card_for(chosen, opened, load),
            target=sought,
            k=k,
            where=where,
            exclude=ask.without_patient(question.exclude, exclude_patient),
            query_positions_um=question.positions_um,
        )
        if hits.note:
            report.say(hits.note)
        if len(hits.indices) > 1:
            hits = best_of_set(hits, k)
        found = [
            {
                "rank": rank,
                "similarity": float(similarity),
                "slide_id": str(opened.patches["slide_id"].iloc[row]),
                "patient_id": str(opened.patches["patient_id"].iloc[row]),
                "x_um": float(opened.positions_um[row, 0]),
                "y_um": float(opened.positions_um[row, 1]),
                "row": int(row),
            }
            for rank, (row, similarity) in enumerate(
                zip(hits.indices[0], hits.similarity[0], strict=True), start=1
            )
            if row >= 0
        ]
        label = SAME_PATIENT if within_patient is not None else ""
        report.result(
            {
                "hits": found,
                "target": sought,
                "patches_asked": question.patches,
                "label": label,
                "method": hits.method,
                "scorer": chosen,
            },
            [
                *(
                    f"{hit['rank']:>3}  {hit['similarity']:.3f}  slide {hit['slide_id']}  "
                    f"at {hit['x_um']:,.0f}, {hit['y_um']:,.0f} um"
                    for hit in found[:LINES_SHOWN]
                ),
                *([f"... and {len(found) - LINES_SHOWN} more"] if len(found) > LINES_SHOWN else []),
                *([label] if label else []),
            ],
        )


def _with_index(report: Report, atlas: "Atlas") -> "Atlas":
    """Build the index of a large atlas where it is not there; else search is exact."""
    from napari_haiku.atlas.index_build import build_index, index_wanted
    from napari_haiku.errors import HaikuError

    if not index_wanted(atlas):
        return atlas
    report.say("The atlas has no search index yet: it is built once.")
    try:
        return report.run(build_index(atlas))
    except HaikuError as error:
        report.say(f"The index cannot be built, so the search is exact: {error}")
        return atlas


def _check_question(
    encoding: Path | None,
    at: str | None,
    region: Path | None,
    image: Path | None,
    text: str | None,
) -> None:
    if (encoding is None) == (image is None) and (encoding is not None or text is None):
        raise typer.BadParameter(
            "Ask one thing: --encoding with --at or --region, or --image, or --text alone or "
            "beside one of them."
        )
    places = sum(given is not None for given in (at, region))
    if encoding is not None and places != 1:
        raise typer.BadParameter("Say where on the slide: --at X_UM,Y_UM or --region FILE.geojson.")
    if encoding is None and places:
        raise typer.BadParameter("--at and --region need --encoding ENC.zarr.")
