"""Packages that srseg needs, those of its extras, and plugins."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, entry_points, metadata, version
from typing import TYPE_CHECKING

from srseg.doctor._finding import BUSY, REINSTALL, Finding, one_line
from srseg.doctor._probe import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.requirements import Requirement

_FOR_DEVELOPERS = ("dev", "docs", "test")
_USE = {
    "distributed": "predicting and searching on a cluster",
    "mesh": "the implant before implantation as an STL mesh",
    "omezarr": "OME-Zarr files",
    "openvino": "faster prediction on CPUs",
}
_MODULES = {"scikit-image": "skimage", "scikit-learn": "sklearn", "simpleitk": "SimpleITK"}
# torch is tried by itself; with those that are built on it
_TRIED_WITH_TORCH = ("torch", "accelerate", "segmentation-models-pytorch", "safetensors")
_GROUPS = ("srseg.backbones", "srseg.segmenters", "srseg.formats", "srseg.viewers")


def packages() -> list[Finding]:
    """Tell whether all that srseg needs is there, in versions that will do, and can be imported."""
    needed = [r for r in _requirements() if r.marker is None or r.marker.evaluate({"extra": ""})]
    unfit = {r: text for r in needed if (text := _unfit(r))}
    there = [r for r in needed if r not in unfit]
    versions = {r.name: version(r.name) for r in there}
    modules = [_module(r.name) for r in there if r.name.lower() not in _TRIED_WITH_TORCH]
    answer = ask("_import_probe", *modules)
    broken = not_imported(answer)
    facts = {"versions": versions}
    if unfit or broken:
        text = "; ".join([*unfit.values(), *broken])
        return [Finding("packages", "broken", text, REINSTALL if broken else _get(unfit), facts)]
    if answer.late:
        return [Finding("packages", "better", answer.trouble, BUSY, facts)]
    text = f"all {len(needed)} that srseg needs are there and fit"
    return [Finding("packages", "ok", text, facts=facts)]


def not_imported(answer: Answer) -> list[str]:
    """Say which imports failed, and which one ended the process."""
    wrong = [
        f"{line['ends']} cannot be imported ({one_line(line['error'])})"
        for line in answer.lines
        if line.get("error")
    ]
    if answer.trouble and not answer.late:
        begun = [line["begins"] for line in answer.lines if "begins" in line]
        last = begun[-1] if begun else "Python"
        wrong.append(f"{last} cannot be imported ({one_line(answer.trouble)})")
    return wrong


def extras() -> list[Finding]:
    """Tell for each extra whether it is installed, and how to get it."""
    offered = metadata("srseg").get_all("Provides-Extra") or []
    findings = []
    for extra in sorted(set(offered) - set(_FOR_DEVELOPERS)):
        wanted = [
            r
            for r in _requirements()
            if r.marker is not None
            and r.marker.evaluate({"extra": extra})
            and not r.marker.evaluate({"extra": ""})
        ]
        findings.append(_extra(extra, wanted))
    return findings


def _extra(extra: str, wanted: list[Requirement]) -> Finding:
    topic, install = f"extra {extra}", f"pip install 'srseg[{extra}]'"
    use = f" ({_USE[extra]})" if extra in _USE else ""
    versions = {r.name: _version(r.name) for r in wanted}
    facts = {"versions": versions}
    if not any(versions.values()):
        return Finding(topic, "ok", f"not installed{use}", install, facts)
    unfit = [text for r in wanted if (text := _unfit(r))]
    if unfit:
        return Finding(topic, "better", f"{'; '.join(unfit)}{use}", install, facts)
    text = ", ".join(f"{name} {found}" for name, found in versions.items())
    return Finding(topic, "ok", f"{text}{use}", facts=facts)


def plugins() -> list[Finding]:
    """Tell which plugins are installed, and which of them cannot be loaded."""
    points = [(group, point) for group in _GROUPS for point in entry_points(group=group)]
    names = [f"{point.name} ({group.removeprefix('srseg.')})" for group, point in points]
    facts = {"plugins": names}
    if not points:
        return [Finding("plugins", "ok", "none installed", facts=facts)]
    wrong = not_imported(ask("_import_probe", *sorted({point.module for _, point in points})))
    if wrong:
        remedy = "install that package again, or remove it"
        return [Finding("plugins", "broken", "; ".join(wrong), remedy, facts)]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        text = f"{', '.join(names)}; several packages name {', '.join(twice)}"
        remedy = "remove all but one; srseg plugins list says which one is used"
        return [Finding("plugins", "better", text, remedy, facts)]
    return [Finding("plugins", "ok", ", ".join(names), facts=facts)]


def _get(wanted: Iterable[Requirement]) -> str:
    return " ".join(["pip install", *(f"'{r.name}{r.specifier}'" for r in wanted)])


def _requirements() -> list[Requirement]:
    from packaging.requirements import Requirement

    return [Requirement(text) for text in metadata("srseg").get_all("Requires-Dist") or []]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _unfit(wanted: Requirement) -> str:
    """Say what is wrong with a package, empty where nothing is."""
    found = _version(wanted.name)
    if found is None:
        return f"{wanted.name} is not installed"
    if not wanted.specifier.contains(found, prereleases=True):
        return f"{wanted.name} {found} is installed, {wanted.specifier} is needed"
    return ""


def _module(name: str) -> str:
    return _MODULES.get(name.lower(), name.replace("-", "_"))
