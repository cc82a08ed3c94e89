"""Out of the dataset, painted on, and back: only what was painted differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from srseg_napari import get_reader, write_labels
from typer.testing import CliRunner

from srseg import Dataset
from srseg.cli import app
from srseg.corrections import Suggestion, export_correction

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("form", ["napari", "slicer", "tiff"])
@pytest.mark.parametrize("around", [None, 3], ids=["whole", "around"])
def test_painted_voxels_come_back(
    dataset: Dataset, tmp_path: Path, form: str, around: int | None
) -> None:
    place = Suggestion.of_slice("z", 30, (70, 44, 42), expected=9.0, share=0.5)
    file = export_correction(
        dataset, "A", "WF", [place], tmp_path / "out", form=form, around=around
    )
    reader = get_reader(str(file))
    assert reader is not None
    [(voxels, settings)] = [layer[:2] for layer in reader(str(file)) if layer[2] == "labels"]
    painted = 30 if around is None else around
    before = np.array(voxels[painted])
    voxels[painted, 5:9, 5:9] = np.where(before[5:9, 5:9] == 1, 2, 1)
    [written] = write_labels(settings["metadata"]["srseg"]["of"]["file"], voxels, settings)
    words = ["dataset", "label", written, "--sample", "A", "--set", "fixed", "--from-correction"]
    result = CliRunner().invoke(app, [*words, "-d", str(dataset.path)])
    assert result.exit_code == 0, result.output
    found = Dataset(dataset.path)["A"].labels("fixed").read()
    expected = before.copy()
    expected[5:9, 5:9] = np.where(before[5:9, 5:9] == 1, 2, 1)
    np.testing.assert_array_equal(found[30], expected)
    assert (np.delete(found, 30, axis=0) == 255).all()
