"""A file without a place that comes back mirrored: it cannot be told for sure, so it is asked."""

from pathlib import Path

import tifffile


def test_much_that_changed_elsewhere_is_asked_about(tiny, run):
    done = run("correct", "export", "V", "--labels", "WF", "--at", "z:20", "--format", "tiff",
               "--out", "out", "-d", tiny.path)  # fmt: skip
    assert done.exit_code == 0, done.output
    file = Path("out", "V_labels.tif")
    voxels = tifffile.imread(file)
    label = ("dataset", "label", file, "--sample", "V", "--set", "COR", "--from-correction",
             "--dry-run", "-d", tiny.path)  # fmt: skip
    voxels[0, 0, 0] ^= 1
    tifffile.imwrite(file, voxels)
    done = run(*label)
    assert done.exit_code == 0, done.output
    assert "1 voxel changed outside of the places" in done.stderr
    assert "mirrored" not in done.stderr
    tifffile.imwrite(file, voxels[:, :, ::-1])
    done = run(*label)
    assert done.exit_code == 0, done.output
    assert "neither turned nor mirrored?" in " ".join(done.stderr.split())
