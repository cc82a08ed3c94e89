"""What ``srseg quantify`` says and writes: tables, the study's files, figures, methods."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from srseg.cli._output import counted, note, say, say_json

if TYPE_CHECKING:
    from srseg.quantification import Comparison, Group, Measures, StudyStatistics

Row = dict[str, Any]

FORMATS = {"text": ".txt", "csv": ".csv", "tsv": ".tsv", "json": ".json", "markdown": ".md",
           "latex": ".tex"}  # fmt: skip
PAPER = ("degradation_rate", "bone_implant_contact", "bone_fraction_*")
"""The quantities of the paper's Table 3."""


def choose_format(name: str | None, out: Path | None) -> str:
    """Give the form of the table: what was asked for, else what the name of the file says."""
    if name is not None and name not in FORMATS:
        raise typer.BadParameter(
            f"{name!r} is not one of {', '.join(FORMATS)}", param_hint="--format"
        )
    if name is not None or out is None:
        return name or "text"
    found = [form for form, suffix in FORMATS.items() if out.suffix.lower() == suffix]
    if not found:
        raise typer.BadParameter(
            f"{out} does not say its form: end it in {', '.join(FORMATS.values())}, or give "
            "--format",
            param_hint="--out",
        )
    return found[0]


def refuse_files(files: list[Path], *, overwrite: bool) -> None:
    """Refuse files that could not be written, before anything is measured."""
    from srseg.errors import StorageError
    from srseg.storage import remove_abandoned

    places = [path.resolve() for path in files]
    for path, place in zip(files, places, strict=True):
        if places.count(place) > 1:
            raise StorageError(f"{path} is named for two files; the second would replace the first")
        if path.is_dir():
            raise StorageError(f"{path} is a folder; name a file")
        if path.exists() and not overwrite:
            remove_abandoned(path)
            raise StorageError(f"{path} exists already; name another file, or say --overwrite")
        if not path.absolute().parent.is_dir():
            raise StorageError(f"{path}: the folder {path.parent} does not exist; make it first")


def refuse_no_folder(path: Path) -> None:
    """Refuse a file where a folder is to be, before anything is measured."""
    from srseg.errors import StorageError

    if path.exists() and not path.is_dir():
        raise StorageError(f"{path} is a file; name a folder for the figures")


def study_files(path: Path) -> tuple[Path, Path, Path]:
    """Give the files of a study: all measures, the groups, the tests."""
    if path.suffix.lower() != ".csv":
        raise typer.BadParameter(
            f"{path} does not end in .csv, and a CSV file is written", param_hint="--study"
        )
    return path, path.with_name(f"{path.stem}_groups.csv"), path.with_name(f"{path.stem}_tests.csv")


def tell(row: Row) -> None:
    """Say at once what became of a label set."""
    if row["status"] in ("failed", "lacks"):
        tell_failure(row)
    else:
        done = {"done": "measured", "was there": "was measured before"}[row["status"]]
        note(f"{row['sample']}: {row['labels']} {done}")


def tell_failure(row: Row) -> None:
    """Say why there are no numbers of a label set."""
    if row["status"] == "failed":
        where = f"sample {row['sample']}, " if row["sample"] else ""
        note(f"srseg: {where}{row['labels']} failed: {row['reason']}")
    elif row["status"] == "lacks":
        note(f"sample {row['sample']} is left out: {row['reason']}")


def summary(rows: list[Row]) -> dict[str, Any]:
    """Count what became of all, as numbers and in words."""
    kinds = ("done", "was there", "lacks", "failed")
    counts = {kind: sum(row["status"] == kind for row in rows) for kind in kinds}
    text = f"{counts['done']} measured, {counts['was there']} were measured before"
    text += f", {counts['lacks']} not there" if counts["lacks"] else ""
    text += f", {counts['failed']} failed"
    failed = [
        f"{row['sample']} {row['labels']}".strip() for row in rows if row["status"] == "failed"
    ]
    return {"counts": counts, "summary": f"{text}{': ' if failed else ''}{', '.join(failed)}"}


def compared(
    records: "list[Measures]", against: str | None, names: list[str] | None
) -> "Comparison":
    """Put the label sets beside each other; with a reference, as the paper's Table 3."""
    from srseg.quantification import compare_measures

    everything = names is not None and "all" in names
    chosen = names or (PAPER if against else None)
    return compare_measures(records, reference=against, names=None if everything else chosen)


def rendered(form: str, table: "Comparison", records: "list[Measures]") -> str:
    """Give the table in a form of text."""
    from srseg.quantification import measures_to_tsv
    from srseg.reports import (
        comparison_to_csv,
        comparison_to_latex,
        comparison_to_markdown,
        comparison_to_text,
    )

    if form == "tsv":
        return measures_to_tsv(records)
    render = {
        "text": comparison_to_text, "csv": comparison_to_csv, "latex": comparison_to_latex,
        "markdown": comparison_to_markdown,
    }[form]  # fmt: skip
    return render(table)


def document(
    table: "Comparison | None", records: "list[Measures]", rows: list[Row], more: dict[str, Any]
) -> dict[str, Any]:
    """Give everything as one JSON document; without a table where nothing could be measured."""
    from srseg.quantification import measures_to_json
    from srseg.reports import comparison_to_json

    return {
        **more,
        "measures": [measures_to_json(record) for record in records],
        "comparison": None if table is None else comparison_to_json(table),
        **({"label_sets": rows, **summary(rows)} if rows else {}),
    }


def answer(
    form: str,
    out: Path | None,
    table: "Comparison | None",
    records: "list[Measures]",
    rows: list[Row],
    more: dict[str, Any],
) -> None:
    """Write the table to the file, or to stdout; without one, JSON says what failed."""
    from srseg.storage import write_json, write_text

    if form == "json":
        data = document(table, records, rows, more)
        if out is None:
            say_json(data)
        else:
            write_json(out, data, overwrite=True)
    elif table is None:
        return
    elif out is None:
        say(rendered(form, table, records).rstrip("\n"))
    else:
        write_text(out, rendered(form, table, records), overwrite=True)
    if out is not None:
        note(f"the table: {out}")


def note_what_is_unknown(records: "list[Measures]") -> None:
    """Say each note on numbers once, with the numbers and the label sets that it holds for."""
    places: dict[tuple[str, str], dict[str, None]] = {}
    for record in records:
        where = " ".join(str(record.facts.get(k, "")) for k in ("sample", "label_set")).strip()
        for one in record:
            if one.note:
                places.setdefault((one.note, one.title), {})[where] = None
    titles: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (text, title), found in places.items():
        titles.setdefault((text, tuple(found)), []).append(title)
    for (text, where_all), of in titles.items():
        note(f"{', '.join(where_all)}: {'; '.join(of)}: {text}")


def write_study(files: tuple[Path, Path, Path], records: "list[Measures]") -> "StudyStatistics":
    """Write all measures, the groups and the tests; say what was left out, and what was tested."""
    from srseg.quantification import study_statistics, study_to_csv
    from srseg.storage import write_text

    statistics = study_statistics(records)
    texts = (study_to_csv(records), statistics.groups_to_csv(), statistics.tests_to_csv())
    for path, text in zip(files, texts, strict=True):
        write_text(path, text, overwrite=True)
    for text in statistics.left_out:
        note(f"left out of the groups: {text}")
    made = [test for test in statistics.tests if test.made]
    reasons = dict.fromkeys(
        f"{test.within}: {test.note}" for test in statistics.tests if not test.made
    )
    for reason in reasons:
        note(f"{reason}")
    if not statistics.tests:
        note("no tests: there is one group only, or none")
    small = sum(test.p_holm < 0.05 for test in made)
    note(f"{counted(len(made), 'test')}, {small} with a corrected p below 0.05; all measures: "
         f"{files[0]}, groups: {files[1]}, tests: {files[2]}")  # fmt: skip
    return statistics


def write_methods(path: Path | None, records: "list[Measures]", *, statistics: bool) -> None:
    """Write the methods section to the file, or to stdout."""
    from srseg.reports import methods_text
    from srseg.storage import write_text

    text = methods_text(records, statistics=statistics)
    if path is None:
        say(f"\n{text}".rstrip("\n"))
    else:
        write_text(path, text, overwrite=True)
        note(f"the methods section: {path}")


def draw(
    folder: Path, records: "list[Measures]", statistics: "StudyStatistics | None"
) -> list[Path]:
    """Draw BV/TV against distance, and each measure of a study by group."""
    from srseg.errors import ParameterError, StorageError
    from srseg.reports import group_figure, profile_figure, save_figure

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make the folder {folder} for the figures: {error.strerror}; name another"
        ) from None
    written = []
    try:
        profile = profile_figure(records)
    except ParameterError as error:
        note(f"no figure of BV/TV: {error}")
    else:
        written.append(folder / "bone_fraction_profile.png")
        save_figure(profile, written[-1])
    for groups in _families(statistics.groups if statistics else ()):
        label_set = groups[0].label_set.replace("/", "-")
        written.append(folder / f"{groups[0].measure}_{label_set}.png")
        save_figure(group_figure(groups, f"{groups[0].label_set} labels"), written[-1])
    note(f"{counted(len(written), 'figure')} in {folder}")
    return written


def _families(groups: "tuple[Group, ...]") -> "list[list[Group]]":
    found: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        found.setdefault((group.label_set, group.measure), []).append(group)
    return list(found.values())
