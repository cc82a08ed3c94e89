"""``srseg doctor``."""

from collections import Counter
from typing import TYPE_CHECKING

import typer

from srseg.cli._options import DatasetOption, JsonOption
from srseg.cli._output import say, say_json
from srseg.cli._root import PROBLEMS

if TYPE_CHECKING:
    from srseg.doctor import Finding

EXAMPLE = "Example: srseg doctor -d mgbone"

_SHOWN = {"ok": "ok", "better": "could be better", "broken": "broken"}


def doctor(dataset: DatasetOption = None, as_json: JsonOption = False) -> None:
    """Look at the machine, the installation and the dataset, and say what to do.

    Each line is ok, could be better, or broken: then something will not work, and the exit code is
    3. Nothing is changed.
    """
    from srseg.doctor import examine

    findings = examine(dataset)
    counts: Counter[str] = Counter(finding.state for finding in findings)
    if as_json:
        say_json(
            {
                "findings": [finding.to_dict() for finding in findings],
                "counts": {state: counts[state] for state in _SHOWN},
            }
        )
    else:
        _say(findings)
        found = [f"{counts[state]} {text}" for state, text in _SHOWN.items() if counts[state]]
        say(", ".join(found))
    if counts["broken"]:
        raise typer.Exit(PROBLEMS)


def _say(findings: "list[Finding]") -> None:
    states = max(map(len, _SHOWN.values()))
    topics = max(len(finding.topic) for finding in findings)
    for finding in findings:
        line = f"{_SHOWN[finding.state].ljust(states)}  {finding.topic.ljust(topics)}  "
        say(line + finding.text + (f" → {finding.remedy}" if finding.remedy else ""))
