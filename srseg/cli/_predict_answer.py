"""What ``srseg predict`` says of each scan, and of all."""

from typing import Any

from srseg.cli._output import note, say

Row = dict[str, Any]


def tell(row: Row) -> None:
    """Say at once what became of a scan."""
    if row["status"] == "failed":
        tell_failure(row)
        return
    if row["status"] == "planned":
        going_on = ", going on with what was done before" if row["goes_on"] else ""
        say(f"{row['scan']}: to do{going_on}, {row['labels']}")
        for line in row["lines"]:
            say(f"  {line}")
        return
    others = [row[key] for key in ("probabilities", "entropy", "margin", "file") if key in row]
    say(f"{row['scan']}: {row['status']}, {', '.join([row['labels'], *others])}")
    for name, share in row.get("shares", {}).items():
        say(f"  {name}: {100 * share:.2f} % of the voxels")


def tell_failure(row: Row) -> None:
    """Say why a sample failed, at once and once."""
    if row["status"] == "failed":
        note(f"srseg: sample {row['scan']} failed: {row['reason']}")


def summary(rows: list[Row]) -> dict[str, Any]:
    """Count what became of all, as numbers and in words."""
    plans = [row["plan"] for row in rows if row["status"] == "planned"]
    kinds = ("planned" if plans else "done", "was there", "failed")
    counts = {kind: sum(row["status"] == kind for row in rows) for kind in kinds}
    if plans:
        from srseg.inference import duration

        seconds = sum(plan["seconds"] for plan in plans)
        text = f"{len(plans)} to do, about {duration(seconds)}"
    else:
        text = f"{counts['done']} done"
    text += f", {counts['was there']} were there, {counts['failed']} failed"
    failed = [row["scan"] for row in rows if row["status"] == "failed"]
    if failed:
        text += f": {', '.join(failed)}"
    return {"counts": counts, "summary": text}
