"""What the figures cannot say: why a quantity is off, and how the pictures look."""

from __future__ import annotations

# First match counts. Each names the cause and the cheap change that would mend it.
REASONS: tuple[tuple[str, str], ...] = (
    (
        "haematoxylin, 5 %",
        (
            "The palest pixels of the virtual stroma still hold some haematoxylin: its background"
            " is even, where the real one has clefts and washed-out fibres."
        ),
    ),
    (
        "nuclei positive, (DAPI|PanCK|Ki67|CD3e)",
        (
            "Clearly positive means above 60 of 255 as stored. The brightest structures of the "
            "real slide set its exposure, so that an ordinary nucleus or membrane is stored "
            "darker than here, where cells of one kind are more alike. A longer tail of "
            "brightness would mend it."
        ),
    ),
    (
        "nuclei positive, PDL1",
        (
            "PDL1 is nearly empty on the real slide (this patient has next to none); virtual "
            "patients differ in it, since edits of the record must have something to move."
        ),
    ),
    (
        "r with (CD3e, (PanCK|ECad)|PanCK, (CD3e|CD4|CD8|FoxP3|CD20|CD45|CD68|PD1))$",
        (
            "Epithelium and immune cells avoid each other more than on the real slide, where both"
            " lie within many patches (cells within glands, thin septa); patches here are purer."
        ),
    ),
    (
        "r with (CD3e|PanCK), Ki67",
        ("On the real slide lymphoid tissue divides too; here it is the tumour that does."),
    ),
    (
        "r with CD3e, CD20",
        (
            "The real CD20 channel lights up in red blood cells and shows few B cells; here B "
            "cells stand in the same aggregates as T cells."
        ),
    ),
    (
        "r with CD3e, FoxP3",
        (
            "Regulatory cells are spread over all niches here; on the real slide they follow the "
            "T cells closely."
        ),
    ),
    (
        "r with (CD3e|PanCK), (CD31|aSMA|CD163)",
        (
            "The real stroma is one mixed tissue of vessels, muscle, macrophages and T cells; "
            "here each has places of its own, so that patch means vary less together."
        ),
    ),
    (
        "r with (CD3e|PanCK), PDL1",
        ("Against a channel that is nearly empty on the real slide."),
    ),
)

LOOK = """## How it looks

Looked at beside the real region at bars of 20 and 100 um (`benchmarks/realism.py` writes the
pictures into an ignored folder, since they hold real tissue):

- *At 100 um* the virtual slide reads as H&E of a glandular tumour: glands, lymphoid aggregates,
  vessels with red cells, fat, necrosis, stroma. A pathologist would not take it for a real slide.
  Stroma is combed into long, even, wavy strands where real stroma is mottled, torn and oedematous;
  glands are compact clumps with scalloped outlines and small lumina where the real ones are large,
  folded, and lined by tall cells with clear mucin; there are no mucin pools, no large clefts, no
  crush or tear artefacts; a small field has a rounded outline like a punched tile.
- *At 20 um* nuclei are the best part: spindle nuclei along the fibres, round dark lymphocytes,
  crowded epithelium. They are too clean: all sharp, well apart, much alike in darkness,
  without overlap, smudging or cells cut at another height. Cytoplasm and cell borders are faint.
- *Colour* is more even, pinker and less contrasted than the real slide's, whose stroma is grey-blue
  and whose epithelium is darker.
- *mIF* (DAPI, PanCK, CD3e): where things lie is right, and membranes ring their cells. Virtual
  cells are cleaner: every ring is closed and alike, glands are thick ribbons of even brightness
  without the tall cells and bright inner rim of real ones, and stroma is black between cells where
  the real one glows faintly and holds spindle-shaped T cells.

Real pixels: Lin et al. 2023, Nature Cancer, doi 10.1038/s43018-023-00576-1, distributed by
labsyspharm/minerva-story (MIT). None are in this repository.
"""
