"""What the figures cannot say: why a quantity is off, and how the pictures look."""

from __future__ import annotations

# First match counts. Each names the cause and the cheap change that would mend it.
REASONS: tuple[tuple[str, str], ...] = ()

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
- The mIF pictures of this generator have not been compared by eye with real ones.

Real pixels: Lin et al. 2023, Nature Cancer, doi 10.1038/s43018-023-00576-1, distributed by
labsyspharm/minerva-story (MIT). None are in this repository.
"""
