"""A paragraph for the methods section of a paper, from what was recorded."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from srseg.quantification import Measures

__all__ = ["methods_text"]

_STATISTICS = (
    "The subject was the unit of the statistics: samples of one subject were averaged. Two groups "
    "were compared with the exact Mann-Whitney U test, more than two with the Kruskal-Wallis test; "
    "p-values of the tests of one measure were corrected after Holm. Groups of fewer than three "
    "subjects were not tested."
)
_LEFT_OPEN = {
    "neighbourhood": "{:g} neighbours of a voxel",
    "crack_width_um": "cracks up to {:g} µm wide",
    "sigma_um": "a standard deviation of {:g} µm",
}
_NOT_SAID = ("random_state", "voxel_size", "clip", "labels")
_PAPER = (
    "The method of segmentation is that of Baltruschat et al. 2021 (Sci. Rep. 11, "
    "https://doi.org/10.1038/s41598-021-03542-y)."
)


def methods_text(records: Iterable[Measures], *, statistics: bool = False) -> str:
    """Say in plain English how numbers were made: imaging, segmentation, definitions, software.

    Parameters
    ----------
    records : iterable of Measures
        With the facts that ``srseg quantify`` records: ``sample``, ``label_set``, ``revision``,
        ``voxel_size_um``, ``scan_voxel_size_um``, ``metadata``, ``labels`` (who made them, whether
        by hand) and ``provenance`` (of a prediction: model, planes, voting, versions). Those
        without numbers say how labels were made.
    statistics : bool, default=False
        Whether groups were compared, as `srseg.quantification.study_statistics` does.

    Returns
    -------
    str
        Paragraphs with a blank line between them; the last says what was not recorded, where
        something was not.

    Raises
    ------
    ParameterError
        If there is no record.
    """
    records = list(records)
    if not records:
        raise ParameterError("nothing was measured, so there are no methods to write down")
    missing: dict[str, None] = {}
    paragraphs = [_imaging(records, missing)]
    by_set: dict[str, list[Measures]] = {}
    for record in records:
        by_set.setdefault(str(record.facts.get("label_set", "")), []).append(record)
    paragraphs += [_labels(name, found, missing) for name, found in by_set.items()]
    paragraphs.append(_measures(records))
    paragraphs += dict.fromkeys(
        _intervals(r.facts["intervals"]) for r in records if r.facts.get("intervals")
    )
    if statistics:
        paragraphs.append(_STATISTICS)
    software = ", ".join(sorted({str(r.facts.get("software", "srseg")) for r in records}))
    closing = f"The numbers were computed with {software}." if any(map(len, records)) else ""
    predicted = any(_is_papers(r.facts.get("provenance") or {}) for r in records)
    paragraphs.append(f"{closing} {_PAPER}".strip() if predicted else closing)
    if missing:
        paragraphs.append(f"[Not recorded, to be added by hand: {'; '.join(missing)}.]")
    return "\n\n".join(p for p in paragraphs if p) + "\n"


def _is_papers(made: Mapping[str, Any]) -> bool:
    """Tell whether slices were labelled, as the paper does."""
    return bool(made) and (made.get("segmenter") is None or bool(made.get("planes")))


def _imaging(records: Sequence[Measures], missing: dict[str, None]) -> str:
    scans = {str(r.facts.get("sample", "")): r.facts for r in records}
    settings: Counter[str] = Counter()
    for name, facts in scans.items():
        metadata = facts.get("metadata", {})
        if not metadata.get("beamline") and not metadata.get("facility"):
            missing[f"where sample {name} was imaged" if name else "where it was imaged"] = None
        settings[_setting(metadata, facts.get("scan_voxel_size_um"))] += 1
    said = [f"{_counted(n, 'sample')}{setting}" for setting, n in settings.most_common() if setting]
    text = f"Imaging: {'; '.join(said)}." if said else ""
    alloys = Counter(
        str(f["metadata"]["alloy"]) for f in scans.values() if f.get("metadata", {}).get("alloy")
    )
    if alloys:
        text += f" Implants were of {_list([f'{a} (n = {n})' for a, n in sorted(alloys.items())])}."
    days = sorted({d for f in scans.values() if (d := _days(f))})
    if days:
        who = "They" if alloys else "Implants"
        text += f" {who} were explanted after {_list([f'{d:g}' for d in days])} days."
    return text.strip()


def _days(facts: Mapping[str, Any]) -> float | None:
    """Give the days that the rate was computed with, which an option may have said."""
    days: float | None = facts.get("request", {}).get("days")
    if days is None:
        days = facts.get("metadata", {}).get("implantation_days")
    return days


def _setting(metadata: Mapping[str, Any], voxel_size: Sequence[float] | None) -> str:
    where = " of ".join(str(metadata[k]) for k in ("beamline", "facility") if metadata.get(k))
    parts = [f" imaged at {where}"] if where else []
    if metadata.get("energy_kev") or metadata.get("beam"):
        energy = f"{metadata['energy_kev']:g} keV" if metadata.get("energy_kev") else ""
        beam = f"{metadata['beam']} beam" if metadata.get("beam") else ""
        parts.append(f" with {_article(beam)} of {energy}" if beam and energy
                     else f" at {energy}" if energy else f" with {_article(beam)}")  # fmt: skip
    phrases = {
        "distance_mm": " {:g} mm from sample to detector", "projections": " {:g} projections",
        "exposure_ms": " of {:g} ms exposure", "optics": " optics {}", "camera": " camera {}",
        "scintillator": " scintillator {}",
    }  # fmt: skip
    parts += [f",{phrases[k].format(metadata[k])}" for k in phrases if metadata.get(k)]
    if voxel_size:
        parts.append(f", voxel size {_size(voxel_size)}")
    program = " ".join(
        str(metadata[k])
        for k in ("reconstruction_program", "reconstruction_version")
        if metadata.get(k)
    )
    return "".join(parts) + (f", reconstructed with {program}" if program else "")


def _labels(name: str, found: Sequence[Measures], missing: dict[str, None]) -> str:
    sizes = sorted({_size(r.facts["voxel_size_um"]) for r in found if "voxel_size_um" in r.facts})
    n = len({r.facts.get("sample") for r in found})
    begin = f"Labels “{name}” ({_counted(n, 'sample')}, voxel size {_list(sizes)})"
    made = {_prediction(r.facts["provenance"]) for r in found if r.facts.get("provenance")}
    if made:
        return "\n".join(f"{begin} {text}" for text in sorted(made))
    texts: Counter[str] = Counter()
    for record in found:
        labels = record.facts.get("labels", {})
        manual = labels.get("manual")
        if manual is None:
            missing[f"how the labels “{name}” were made"] = None
        how = "drawn or corrected by hand" if manual else "made by a program, not by hand"
        texts["" if manual is None else how] += 1
    said = [f"{how}{f' ({n})' if len(texts) > 1 else ''}" for how, n in texts.items() if how]
    notes = sorted({str(r.facts.get("labels", {}).get("note") or "") for r in found} - {""})
    revisions = sorted({int(r.facts["revision"]) for r in found if r.facts.get("revision")})
    text = f"{begin} were {_list(said)}" if said else begin
    if revisions:
        text += f"{',' if said else ':'} revision {_list([str(v) for v in revisions])}"
    return f"{text}{''.join(f'; {note}' for note in notes)}."


def _prediction(made: Mapping[str, Any]) -> str:
    size, clip = made.get("voxel_size_um"), made.get("clip_percentiles")
    before = [f"resampled to {size:g} µm voxels"] if size else []
    if clip:
        before.append(f"clipped to their {clip[0]:g} and {clip[1]:g} percentiles")
        before.append("scaled to [0, 1]")
    what, how = _network(made) if made.get("segmenter") is None else _segmenter(made)
    versions = [f"srseg {made['version']}"] if made.get("version") else ["srseg"]
    versions += [f"torch {made['torch']}"] if made.get("torch") else []
    model = f"model file {made.get('model', '')}"
    if made.get("model_sha256"):
        model += f", SHA-256 {str(made['model_sha256'])[:12]}…"
    n_trained = len(made.get("training_samples", []))
    if n_trained:
        model += f", trained on {n_trained} sample{'s' * (n_trained > 1)}"
    precision = f", {made['precision']}" if made.get("precision") else ""
    grey = f"grey values were {_list(before)}; " if before else ""
    return (
        f"were predicted: {grey}{what} labelled {how} ({model}; {', '.join(versions)}{precision})."
    )


def _network(made: Mapping[str, Any]) -> tuple[str, str]:
    """Say which network labelled slices, and how they were fused."""
    network = str(made.get("backbone", "network"))
    network = "2D U-Net" if network == "unet" else network
    sizes = {"width": "width c₀ = {}", "depth": "depth d = {}"}
    shape = [sizes[k].format(made[k]) for k in sizes if made.get(k) is not None]
    return f"a {network}{f' ({_list(shape)})' if shape else ''}", _planes(made)


def _segmenter(made: Mapping[str, Any]) -> tuple[str, str]:
    """Say which segmenter of a plugin labelled what, and how it was set."""
    said = [str(made["package"])] if made.get("package") else []
    settings = made.get("settings") or {}
    # where chance begins decides nothing that a reader could judge
    said += [f"{name} = {_value(value)}" for name, value in settings.items()
             if name not in _NOT_SAID and value is not None]  # fmt: skip
    inside = f" ({', '.join(said)})" if said else ""
    how = _planes(made) if made.get("planes") else "the volume as a whole, block by block"
    return f"the segmenter “{made['segmenter']}”{inside}", how


def _value(value: Any) -> str:
    """Give a parameter as a model file keeps it: one of several is a list, with its kind."""
    if isinstance(value, dict):
        if "segmenter" in value:
            return f"“{value['segmenter']}”"
        return " ".join(_value(inner) for inner in value.values())
    return "/".join(map(_value, value)) if isinstance(value, list) else str(value)


def _planes(made: Mapping[str, Any]) -> str:
    planes = [str(plane) for plane in made.get("planes", [])]
    along = (
        f"along the plane {planes[0]}" if len(planes) == 1
        else f"along {len(planes)} planes ({', '.join(planes)})"
    )  # fmt: skip
    fused = {
        "soft": "the probabilities of the classes were averaged over the planes (soft voting)",
        "hard": "the label of a voxel is that of most planes (majority voting)",
    }.get(str(made.get("voting")), "")
    return f"slices {along}" + (f"; {fused}" if len(planes) > 1 and fused else "")


def _measures(records: Sequence[Measures]) -> str:
    """Give the definition of each measure once; distances that differ in a number share it."""
    if not any(map(len, records)):
        return ""
    said: dict[str, list[str]] = {}
    settings: dict[str, dict[str, None]] = {}
    for record in records:
        for one in record:
            definition = one.definition.rstrip(".")
            numbers = re.fullmatch(r"(.+_)([0-9.]+um)", one.name)
            same = definition
            if numbers:
                distance = numbers[2].removesuffix("um")
                same = re.sub(rf"(?<![\d.]){re.escape(distance)}(?= ?µm)", "{}", definition)
            titles = said.setdefault(same, [])
            titled = f"{one.title} [{one.unit}]" if one.unit else one.title
            if titled not in titles:
                titles.append(titled)
            settings.setdefault(same, {}).update(
                (text.format(one.settings[key]), None)
                for key, text in _LEFT_OPEN.items()
                if key in one.settings
            )
    parts = []
    for definition, titles in said.items():
        distances = [m[1] for t in titles if (m := re.search(r"([\d.]+) µm", t))]
        shown = definition.replace("{}", _list(distances)) if "{}" in definition else definition
        with_ = f" (with {_list(list(settings[definition]))})" if settings[definition] else ""
        parts.append(f"{_list(titles)}: {shown}{with_}.")
    sources = sorted({str(r.facts["initial_implant"]) for r in records
                      if r.facts.get("initial_implant")})  # fmt: skip
    implant = (
        f" The implant before implantation is known from: {_list(sources)}." if sources else ""
    )
    return f"Definitions. {' '.join(parts)}{implant}"


def _intervals(said: Mapping[str, Any]) -> str:
    samples, models = (len(said.get(key, ())) for key in ("samples", "models"))
    return (
        f"Intervals of the numbers are meant to hold those of the {said.get('reference', '')} "
        f"labels in {said['level']:.0%} of all cases. They were calibrated on "
        f"{_counted(samples, 'sample')} ({_counted(models, 'model')}, each on samples that it was "
        "not trained on): a bias, and how far the predictions of single planes differ, scaled by "
        "conformal prediction."
    )


def _size(voxel_size: Sequence[float]) -> str:
    texts = [f"{v:g}" for v in voxel_size]
    return f"{texts[0] if len(set(texts)) == 1 else ' x '.join(texts)} µm"


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _article(noun: str) -> str:
    return f"a {noun}"


def _list(items: Sequence[str]) -> str:
    """Give words for reading: ``a, b and c``."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
