"""The page as a whole: what goes into it, and how large it may become."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from srseg.dataset import measured_facts
from srseg.errors import ParameterError, SRSegError, StorageError
from srseg.progress import task
from srseg.quantification import Measures
from srseg.reports._methods import methods_text
from srseg.reports._page._agreement import (
    agreement_table,
    labelled_shares,
    sample_table,
    trained_on,
)
from srseg.reports._page._choice import choose_label_sets, choose_truth
from srseg.reports._page._facts import sample_rows
from srseg.reports._page._models import find_models, model_part
from srseg.reports._page._next import correct_next
from srseg.reports._page._numbers import implant_numbers
from srseg.reports._page._parts import Table
from srseg.reports._page._policy import policy
from srseg.reports._page._sample_part import STEPS, sample_part
from srseg.reports._page._versions import versions
from srseg.reports._viewer import ViewerSample, shown_grid, viewer_head, viewer_html
from srseg.storage import remove_abandoned, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from srseg.dataset import Dataset, DatasetSample
    from srseg.reports._page._sample_part import SamplePart
    from srseg.volumes import Grid

MAX_SIZE = 50_000_000
"""The most bytes of a page."""
_LEAST_VIEWER = 200_000  # bytes below which a viewer shows next to nothing
_SPARE = 20_000


@dataclass(frozen=True)
class Report:
    """A page that was written.

    Parameters
    ----------
    path : Path
        The file.
    size : int
        Its size in bytes.
    samples : tuple of str
        The samples on it.
    label_sets : tuple of str
        The label sets and predictions on it.
    against : str or None
        The label set that the others were compared with.
    notes : tuple of str
        What is not on it, and why.
    """

    path: Path
    size: int
    samples: tuple[str, ...]
    label_sets: tuple[str, ...]
    against: str | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data for JSON.

        Returns
        -------
        dict
            Values by the name of the parameter; the path is called ``report``.
        """
        return {
            "report": str(self.path),
            "size": self.size,
            "samples": list(self.samples),
            "label_sets": list(self.label_sets),
            "against": self.against,
            "notes": list(self.notes),
        }


def write_report(
    dataset: Dataset,
    path: Path | str,
    *,
    labels: Sequence[str] = (),
    against: str | None = None,
    title: str | None = None,
    models: Iterable[Path | str] = (),
    max_size: int = MAX_SIZE,
    overwrite: bool = False,
) -> Report:
    """Write one self-contained HTML page about a sample or a study.

    It opens from disk without a network: pictures, tables, the viewer of the three orthogonal cuts
    and its data are all inside. What cannot be shown, such as a scan that is away, is said there,
    and all else is shown.

    Parameters
    ----------
    dataset : Dataset
        The samples: a dataset, or a view of some of its samples.
    path : path
        The file to write.
    labels : sequence of str, default=()
        Label sets and predictions to show (``"WF"``, ``"srseg-wf/soft9"``, or ``"srseg-wf"`` for
        all of that model); all that there are where it is empty.
    against : str, optional
        The label set that counts as true; HQ, where a sample has it, if it is None.
    title : str, optional
        The title; the dataset's, or the sample's where there is one.
    models : iterable of path, default=()
        Model files whose training is shown; those that lie in the dataset folder, beside it or in
        the current folder and made the predictions are found.
    max_size : int, default=50_000_000
        The most bytes that the page may have; the viewer shows coarser voxels to fit.
    overwrite : bool, default=False
        Whether an existing file may be replaced.

    Returns
    -------
    Report
        Where the page is, and what is missing on it.

    Raises
    ------
    UnknownNameError
        If no sample has one of the label sets.
    ParameterError
        If there is no sample, or the page does not fit into `max_size` even without the viewer.
    StorageError
        If the file exists and may not be replaced, or cannot be written.

    Examples
    --------
    >>> from srseg import Dataset
    >>> write_report(Dataset("mgbone"), "report.html", against="HQ")  # doctest: +SKIP
    """
    path = Path(path)
    if path.exists() and not overwrite:
        # said before all is looked at, which may take long
        remove_abandoned(path)
        raise StorageError(f"{path} exists already; name another file, or let it be replaced")
    trained = [model_part(Path(model)) for model in models]
    samples = list(dataset)
    if not samples:
        raise ParameterError(f"{dataset.path} has no samples here, so there is nothing to report")
    shown = choose_label_sets(samples, labels, against)
    against = choose_truth(samples, against)
    table = dataset.table
    work = sum(s.scan_grid.n_voxels * (STEPS + len(shown[s.name])) for s in samples)
    with task("looking at samples", work) as progress:
        parts = [sample_part(s, shown[s.name], against, table, progress) for s in samples]
    notes = [f"{part.name}: {note}" for part in parts for note in part.notes]
    records = _records(samples, shown, notes)
    scores = {
        name: [part.scores[name] for part in parts if name in part.scores]
        for name in dict.fromkeys(name for part in parts for name in part.scores)
    }
    numbers = implant_numbers([r for r in records if len(r)], against)
    methods = methods_text(records, statistics=numbers.tests is not None) if records else ""
    trained = trained or _models_of(records, [dataset.path, dataset.path.parent, Path()])
    heads, rows = sample_rows(samples)
    context = {
        "title": title or (f"Sample {samples[0].name}" if len(samples) == 1 else dataset.title),
        "study": dataset.title,
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "parts": parts,
        "samples": Table(heads, rows, words=range(len(heads))),
        "classes": table.classes,
        "against": against,
        "agreement": agreement_table(
            scores, table, against, trained_on(records), labelled_shares(parts)
        )
        if scores and against
        else None,
        "by_sample": sample_table(scores, table) if scores and len(samples) > 1 else None,
        "numbers": numbers,
        "unmeasured": [_named(r) for r in records if not len(r)],
        "methods": [p for p in methods.split("\n\n") if p.strip()],
        "models": trained,
        "next": _next(dataset, shown, _viewed_grids(parts), notes),
        "versions": versions(),
        "notes": notes,
    }
    text = _page(context, parts, max_size)
    write_text(path, text, overwrite=overwrite)
    names = dict.fromkeys(name for sets in shown.values() for name in sets)
    return Report(
        path, len(text.encode()), tuple(part.name for part in parts), tuple(names), against,
        tuple(notes),
    )  # fmt: skip


def _page(context: dict[str, Any], parts: Sequence[SamplePart], max_size: int) -> str:
    """Fill the page in: all but the viewer first, which gets what is left of the size."""
    notes: list[str] = context["notes"]
    bare = len(_rendered(context, "", "").encode())
    if bare > max_size:
        raise ParameterError(
            f"the page has {bare / 1e6:.1f} MB without the viewer, and {max_size / 1e6:.1f} MB are "
            "allowed; allow more, or put fewer samples or label sets on a page"
        )
    with_scan = [part for part in parts if part.scan is not None]
    budget = max_size - bare - len(viewer_head().encode()) - _SPARE
    viewer, head = "", ""
    if with_scan and budget < _LEAST_VIEWER:
        notes.append("The viewer: the page would become too large; allow more")
    elif with_scan:
        try:
            viewer = viewer_html([_viewed(p) for p in with_scan], budget=budget)
            head = viewer_head()
        except SRSegError as error:
            notes.append(f"The viewer: {error}")
    return _rendered(context, viewer, head)


def _viewed(part: SamplePart) -> ViewerSample:
    assert part.scan is not None  # noqa: S101 - only such are asked for
    return ViewerSample(part.name, part.scan, part.labels, part.maps)


def _rendered(context: Mapping[str, Any], viewer: str, head: str) -> str:
    made = {"viewer": Markup(viewer), "viewer_head": Markup(head)}  # noqa: S704 - made by us
    environment = Environment(
        loader=PackageLoader("srseg.reports._page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(context, **made, policy=policy(head))


def _records(
    samples: Sequence[DatasetSample], shown: Mapping[str, Sequence[str]], notes: list[str]
) -> list[Measures]:
    """Give what is kept of each label set; without numbers where it was not measured."""
    records = []
    for sample in samples:
        for name in shown[sample.name]:
            try:
                facts = measured_facts(sample, name)
                kept = sample.measures(name)
            except SRSegError as error:
                notes.append(f"{sample.name}: numbers of {name}: {error}")
                continue
            size = list(sample.labels_info(name)["Grid"]["voxel_size_um"])
            bare = Measures((), {**facts, "voxel_size_um": size})
            records.append(bare if kept is None else kept)
    return records


def _named(record: Measures) -> str:
    return f"{record.facts['sample']} {record.facts['label_set']}"


def _models_of(records: Sequence[Measures], folders: Sequence[Path]) -> list[Any]:
    made = [r.facts["provenance"] for r in records if r.facts.get("provenance")]
    return [model_part(path) for path in find_models(made, folders)]


def _viewed_grids(parts: Sequence[SamplePart]) -> dict[str, Grid]:
    """Give the grid that the viewer shows each sample on."""
    return {p.name: shown_grid(_viewed(p)) for p in parts if p.scan is not None}


def _next(
    dataset: Dataset,
    shown: Mapping[str, Sequence[str]],
    viewed: Mapping[str, Grid],
    notes: list[str],
) -> list[Any]:
    """Say where to correct each prediction that was saved with its disagreement."""
    saved: dict[str, list[str]] = {}
    for sample in dataset:
        for name in shown[sample.name]:
            if "margin" in sample.labels_info(name).get("Saved", {}):
                saved.setdefault(name, []).append(sample.name)
    found = []
    for prediction, names in saved.items():
        try:
            found.append(correct_next(dataset.select(name=names), prediction, viewed))
        except SRSegError as error:
            notes.append(f"Where to correct {prediction}: {error}")
    return found
