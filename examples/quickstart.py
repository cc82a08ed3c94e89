"""From arrays to labels and their IoU in a few lines, on synthetic scans.

Trains a small network for some seconds on the flawed labels (WF) of three synthetic explants, then
labels a fourth one along nine planes and compares with its exact truth. (A real training does
thousands of iterations on wider slices; ``srseg demo`` shows what that gives.) Your own arrays go
in the same way: grey values and labels of shape (z, y, x), a pair for each scan.

Run it: ``python examples/quickstart.py``
"""

from sklearn.frozen import FrozenEstimator

from srseg import DEFAULT_LABELS, MultiAxisEnsemble, VolumeSegmenter
from srseg.metrics import confusion, iou, mean_iou
from srseg.phantoms import make_phantom

VOXEL_SIZE = 20.0  # µm

phantoms = [make_phantom(seed, (64, 64, 64), voxel_size=VOXEL_SIZE) for seed in range(4)]
scans = [phantom.scan.read() for phantom in phantoms]
workflow = [phantom.wf.read() for phantom in phantoms]
truth = phantoms[3].truth.read()

segmenter = VolumeSegmenter(
    width=8,
    depth=3,
    input_size=64,
    voxel_size=VOXEL_SIZE,
    max_iter=250,
    learning_rate=5e-3,
    labels=DEFAULT_LABELS,
    random_state=0,
)
segmenter.fit(scans[:3], workflow[:3])

ensemble = MultiAxisEnsemble(FrozenEstimator(segmenter), planes=9, voting="soft")
ensemble.fit(scans[:3], workflow[:3])  # frozen: nothing is trained again

print("IoU x 100 of the scan that was not trained on")
for name, labels in {
    "WF labels": workflow[3],
    "1 plane": segmenter.predict(scans[3]),
    "9 planes": ensemble.predict(scans[3]),
}.items():
    counts = confusion(truth, labels, len(DEFAULT_LABELS))
    _, *classes = 100 * iou(counts)
    figures = (
        f"{c.abbreviation} {v:5.1f}"
        for c, v in zip(DEFAULT_LABELS.foreground, classes, strict=True)
    )
    print(f"{name:10}", *figures, f"mean {100 * mean_iou(counts):5.1f}", sep="  ")
