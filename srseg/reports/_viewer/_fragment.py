"""The viewer as HTML."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from srseg.errors import ParameterError
from srseg.reports._viewer._grid import part, shown_grid
from srseg.reports._viewer._pack import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.reports._viewer._pack import Packed
    from srseg.reports._viewer._sample import ViewerSample

_SCRIPTS = ("data.js", "lines.js", "stage.js", "panel.js", "start.js")
_FRAME = 4096  # bytes of the fragment beside the data

_SECTION = """<section class="srseg-viewer" aria-label="Interactive viewer">
<p class="v-message" role="status">The interactive viewer needs a browser that runs scripts and \
has WebGL 2. What it would show is in the pictures of this page.</p>
<script type="application/json" class="v-index">{index}</script>
{data}
</section>
"""


def viewer_html(samples: Sequence[ViewerSample], *, budget: int) -> str:
    """Give the viewer of some samples as a part of a page; the page's head needs `viewer_head`.

    Volumes are read block by block and shown in voxels as fine as the budget allows: grey values
    and maps are averaged, of labels the most frequent class is taken.

    Parameters
    ----------
    samples : sequence of ViewerSample
        At least one.
    budget : int
        The most bytes of text. Small samples leave what they do not need to the larger ones.

    Returns
    -------
    str
        A ``<section>``.

    Raises
    ------
    ParameterError
        If there is no sample, or the samples do not fit into the budget.
    LabelError
        If a label set holds a value that its table lacks.
    GridError
        If volumes of a sample do not overlap in space.
    """
    entries = [entry for sample in samples for entry in _entries(sample)]
    if not entries:
        raise ParameterError("a viewer needs at least one sample")
    left = budget - _FRAME
    packed: dict[int, Packed] = {}
    sizes = [shown_grid(entry).n_voxels for entry in entries]
    for number in sorted(range(len(entries)), key=sizes.__getitem__):
        packed[number] = pack(entries[number], left // (len(entries) - len(packed)))
        left -= packed[number].size
    ordered = [packed[number] for number in range(len(entries))]
    index = json.dumps([entry.index for entry in ordered], separators=(",", ":"))
    data = "\n".join(
        f'<script type="text/plain" class="v-data" data-key="{number}-{key}">{text}</script>'
        for number, entry in enumerate(ordered)
        for key, text in entry.data.items()
    )
    # no name can end the script
    return _SECTION.format(index=index.replace("<", "\\u003c"), data=data)


@cache
def viewer_head() -> str:
    """Give the scripts and styles of the viewer, needed once in a page.

    Returns
    -------
    str
        ``<style>`` and ``<script>`` elements: NiiVue, which draws, with its licence, and the
        controls.
    """
    here = resources.files(__package__)
    licence = (here / "niivue" / "LICENSE").read_text("utf-8")
    library = (here / "niivue" / "niivue.umd.js").read_text("utf-8")
    script = "\n".join((here / name).read_text("utf-8") for name in _SCRIPTS)
    style = (here / "viewer.css").read_text("utf-8")
    return (
        f"<style>\n{style}</style>\n"
        f"<script>\n/*\n{licence}*/\n{library}\n</script>\n"
        f'<script>\n(() => {{\n"use strict";\n{script}\n}})();\n</script>\n'
    )


def _entries(sample: ViewerSample) -> list[ViewerSample]:
    """Give a sample, and each of its boxes as one of its own."""
    parts = [part(sample, f"{sample.name}: {name}", box) for name, box in sample.boxes.items()]
    return [sample, *parts]
