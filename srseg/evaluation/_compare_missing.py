"""Why an implant number is not there: for what a table shows as a dash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.estimators import SamplePart
from srseg.evaluation._compare_numbers import implant_facts, measure_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from srseg.evaluation._compare_study import CompareStudy
    from srseg.evaluation._compare_table import ComparedMethod
    from srseg.volumes import Sample

TITLES = ("DR", "BIC", "BV/TV")


def notes_on_numbers(study: CompareStudy, methods: Sequence[ComparedMethod]) -> list[str]:
    """Say of which samples and methods implant numbers are missing, and why.

    Parameters
    ----------
    study : CompareStudy
        What was compared.
    methods : sequence of ComparedMethod
        What was found.

    Returns
    -------
    list of str
        A sentence for each number and reason.
    """
    said: dict[tuple[str, str], dict[str, None]] = {}
    for name, title in zip(measure_names(study.distance), TITLES, strict=True):
        for sample in study.tests:
            found = [
                (method.name, pair)
                for method in methods
                for pair in method.measures
                if pair["sample"] == sample.name
            ]
            if not found:
                continue
            why = _why_not(sample, name, [pair["truth"] for _, pair in found])
            if why:
                said.setdefault((title, why), {})[sample.name] = None
                continue
            lost = [method for method, pair in found if pair["prediction"].get(name) is None]
            if lost:
                why = (
                    f"{', '.join(dict.fromkeys(lost))} found no implant there, or nothing around it"
                )
                said.setdefault((title, why), {})[sample.name] = None
    return [f"No {title} of {', '.join(names)}: {why}." for (title, why), names in said.items()]


def _why_not(sample: Sample, name: str, truths: Sequence[Mapping[str, Any]]) -> str:
    """Say why nothing can be compared with the truth of a sample; empty where it can."""
    if not any(truths):
        return "the classes are not those of an implant"
    value = truths[0].get(name)
    if value == 0:
        return "it is 0 in the truth"
    if value is not None:
        return ""
    if name != measure_names(0)[0]:
        return "the truth has none, as where there is no implant"
    if isinstance(sample, SamplePart):
        return "these are parts of a scan, and only of a whole implant the initial volume is known"
    lacking = [key for key, known in implant_facts(sample).items() if known is None]
    if lacking:
        return f"the metadata lack {', '.join(lacking)} (srseg dataset metadata)"
    return "the truth has no rate, as of an implant of 0 days"
