r"""Degradation rate, BIC and BV/TV from WF labels, a network that learned from such, and the truth.

On the held-out samples of the study in ``bone_study.py``: implants simulated in masks of real
trabecular bone, two of them imaged at the beamline that was trained on and two at another. The
network sees WF-like labels of other bones alone::

    python examples/benchmarks/implant_numbers.py MASKS

MASKS is a folder of masks of trabecular bone. Prints the table in Markdown, and how far off WF and
network are in the mean over the samples.
"""

import argparse
from pathlib import Path

import numpy as np
from bone_study import make_study
from sklearn.frozen import FrozenEstimator

from srseg import MultiAxisEnsemble, VolumeSegmenter
from srseg.quantification import Measures, compare_measures, implant_from_metadata, measure
from srseg.reports import comparison_to_markdown

NUMBERS = ("degradation_rate", "bone_implant_contact", "bone_fraction_200um")


def main() -> None:
    """Train, predict, measure, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("masks", type=Path)
    parser.add_argument("--quality", type=float, default=0.5, help="of the WF labels, 0 to 1")
    parser.add_argument("--size", type=int, default=128, help="edge of the samples, in voxels")
    parser.add_argument("--training", type=int, default=12, help="number of training samples")
    parser.add_argument("--iterations", type=int, default=1600)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--planes", type=int, choices=(1, 3, 9), default=9)
    parser.add_argument("--clean-labels", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    study = make_study(
        options.masks, size=options.size, n_training=options.training, quality=options.quality
    )
    segmenter = VolumeSegmenter(
        width=options.width, depth=options.depth, input_size=options.size,
        max_iter=options.iterations, validation=None, random_state=options.seed,
        clean_labels=options.clean_labels,
    ).fit(study.training)  # fmt: skip
    ensemble = MultiAxisEnsemble(FrozenEstimator(segmenter), planes=options.planes).fit(None)
    records = []
    for sample in study.held_out:
        sets = {
            "WF": sample.labels("WF"),
            "ML": ensemble.predict(sample),
            "HQ": sample.labels("HQ"),
        }
        for label_set, labels in sets.items():
            found = measure(
                labels,
                implant=implant_from_metadata(sample.metadata),
                days=float(sample.metadata["implantation_days"]),
                distances=(200.0,),
            )
            said = {**found.facts, "sample": sample.name, "label_set": label_set}
            records.append(Measures(found.entries, said))
    table = compare_measures(records, reference="HQ", names=NUMBERS)
    print(comparison_to_markdown(table))
    print("\n| mean of the relative differences, without their signs | WF | ML |")
    print("| --- | ---: | ---: |")
    for name in NUMBERS:
        rows = [row for row in table.rows if row.measure == name]
        means = [
            np.mean([abs(row.values[s] / row.values["HQ"] - 1) for row in rows])
            for s in ("WF", "ML")
        ]
        print(f"| {rows[0].title} | {means[0]:.1%} | {means[1]:.1%} |")


if __name__ == "__main__":
    main()
