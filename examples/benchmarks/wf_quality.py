"""How much better than its teacher? ML against WF and against the ceiling, at three WF qualities.

The demo's study is run with poor, middling and good WF labels, and once with a network of the same
size, trained for the same time on the exact truth: the ceiling. Prints a table in Markdown; takes
four times as long as ``srseg demo``::

    python examples/benchmarks/wf_quality.py
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

from srseg.demo import Study, run_demo

CLASSES = ("bone", "degradation_layer", "residual_material", "mean")
QUALITIES = (0.25, 0.5, 0.75)


def main() -> None:
    """Run the studies and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--max-iter", type=int, default=Study.max_iter)
    parser.add_argument("--seed", type=int, default=0, help="seed of phantoms and training")
    options = parser.parse_args()
    study = Study(max_iter=options.max_iter, seed=options.seed)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for quality in QUALITIES:
            result = run_demo(
                Path(folder) / f"q{quality}", study=dataclasses.replace(study, wf_quality=quality)
            ).to_dict()
            for key, name in (("wf", "WF labels"), ("single", "ML, 1 plane"),
                              ("soft3", "ML, 3 planes"), ("soft9", "ML, 9 planes")):  # fmt: skip
                rows.append((f"{quality}", name, result["iou"][key], result["seconds"]))
        ceiling = run_demo(
            Path(folder) / "ceiling", study=dataclasses.replace(study, target="HQ")
        ).to_dict()
    for key, name in (("single", "1 plane"), ("soft3", "3 planes"), ("soft9", "9 planes")):
        rows.append(("truth", f"ceiling, {name}", ceiling["iou"][key], ceiling["seconds"]))
    print("| WF quality | labels | bone | DL | RM | mean | seconds |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for quality, name, iou, seconds in rows:
        cells = " | ".join(f"{100 * iou[c]:.2f}" for c in CLASSES)
        print(f"| {quality} | {name} | {cells} | {seconds:.0f} |")


if __name__ == "__main__":
    main()
