"""The methods section says what was recorded, and names what was not."""

from dataclasses import replace

import pytest

from srseg.errors import ParameterError
from srseg.quantification import Measure, Measures
from srseg.reports import methods_text

CONTACT = Measure(
    "bone_implant_contact", "bone-implant contact", 60.0, "%",
    "Share of the boundary voxels of the implant that touch bone.",
)  # fmt: skip
PROVENANCE = {
    "version": "0.9", "torch": "2.13", "model": "wf.srseg", "model_sha256": "0123456789abcdef" * 4,
    "backbone": "unet", "width": 64, "depth": 5, "voxel_size_um": 5.0,
    "clip_percentiles": [0.5, 99.9], "planes": ["rc", "cp", "pr"], "voting": "soft",
    "precision": "fp32", "training_samples": ["T1", "T2"],
}  # fmt: skip


def bone(distance):
    return Measure(
        f"bone_fraction_{distance}um", f"BV/TV within {distance} µm", 40.0, "%",
        f"Share of bone in the voxels within {distance} µm of the implant.",
    )  # fmt: skip


def record(sample="A", label_set="WF", entries=(CONTACT,), **facts):
    metadata = {
        "beamline": "P05", "facility": "PETRA III", "energy_kev": 38.0, "beam": "monochromatic",
        "alloy": "Mg-5Gd", "implantation_days": 56.0,
    }  # fmt: skip
    return Measures(
        entries,
        {
            "sample": sample, "label_set": label_set, "voxel_size_um": [5.0] * 3,
            "scan_voxel_size_um": [2.4] * 3, "software": "srseg 1.0", "metadata": metadata,
            "labels": {"manual": None, "note": ""}, "revision": 1, **facts,
        },
    )  # fmt: skip


def test_imaging_is_that_of_the_metadata():
    text = methods_text([record("A"), record("B"), record("A", "HQ")])
    assert (
        "2 samples imaged at P05 of PETRA III with a monochromatic beam of 38 keV, voxel size "
        "2.4 µm." in text
    )
    assert "Implants were of Mg-5Gd (n = 2). They were explanted after 56 days." in text


def test_two_beamlines_are_told_apart():
    other = record("B", metadata={"beamline": "I13-2", "beam": "pink", "alloy": "Mg-10Gd"})
    text = methods_text([record("A"), other])
    assert "1 sample imaged at P05" in text
    assert "1 sample imaged at I13-2 with a pink beam" in text
    assert "Mg-10Gd (n = 1) and Mg-5Gd (n = 1)" in text


def test_how_a_model_labelled():
    text = methods_text([record(label_set="srseg-wf/soft3", provenance=PROVENANCE)])
    for said in (
        "Labels “srseg-wf/soft3” (1 sample, voxel size 5 µm) were predicted",
        "resampled to 5 µm voxels, clipped to their 0.5 and 99.9 percentiles and scaled to [0, 1]",
        "a 2D U-Net (width c₀ = 64 and depth d = 5) labelled slices along 3 planes (rc, cp, pr)",
        "averaged over the planes (soft voting)",
        "model file wf.srseg, SHA-256 0123456789ab…, trained on 2 samples;",
        "; srseg 0.9, torch 2.13, fp32",
        "10.1038/s41598-021-03542-y",
    ):
        assert said in text
    majority = {**PROVENANCE, "voting": "hard"}
    assert "majority voting" in methods_text([record(provenance=majority)])
    one = {**PROVENANCE, "planes": ["rc"]}
    assert "along the plane rc (model" in methods_text([record(provenance=one)])


def test_how_people_labelled():
    by_hand = {"manual": True, "note": "corrected in Avizo"}
    text = methods_text([record(label_set="HQ", labels=by_hand, revision=3)])
    assert (
        "Labels “HQ” (1 sample, voxel size 5 µm) were drawn or corrected by hand, revision 3; "
        "corrected in Avizo." in text
    )
    assert "Baltruschat" not in text


def test_a_definition_stands_once_for_all_its_distances():
    text = methods_text([record(entries=(CONTACT, bone(50), bone(500))), record("B")])
    assert text.count("boundary voxels of the implant that touch bone") == 1
    assert (
        "BV/TV within 50 µm [%] and BV/TV within 500 µm [%]: Share of bone in the voxels within "
        "50 and 500 µm of the implant." in text
    )


def test_what_a_definition_leaves_open_is_said():
    settings = {"voxel_size_um": [5.0] * 3, "neighbourhood": 26}
    contact = replace(CONTACT, settings=settings)
    text = methods_text([record(entries=(contact,)), record("B", entries=(contact,))])
    assert "voxels of the implant that touch bone (with 26 neighbours of a voxel)." in text
    layer = replace(CONTACT, settings={"crack_width_um": 50.0, "points": 9})
    text = methods_text([record(entries=(layer,))])
    assert "touch bone (with cracks up to 50 µm wide)." in text


def test_the_days_are_those_of_the_rate():
    text = methods_text([record(request={"days": 28.0})])
    assert "They were explanted after 28 days." in text
    text = methods_text([record(request={"days": 28.0}, metadata={})])
    assert "Implants were explanted after 28 days." in text
    assert "explanted" not in methods_text([record(request={"days": 0.0})])


def test_what_was_not_recorded_is_named():
    text = methods_text([record(metadata={}), record("B", labels={"manual": False})])
    assert "[Not recorded, to be added by hand: where sample A was imaged; " in text
    assert "how the labels “WF” were made" in text
    assert "None" not in text
    assert "[Not recorded" not in methods_text([record(labels={"manual": True})])


def test_statistics_are_said_where_they_were_made():
    assert "Mann-Whitney" in methods_text([record()], statistics=True)
    assert "Mann-Whitney" not in methods_text([record()])
    with pytest.raises(ParameterError, match="nothing was measured"):
        methods_text([])


def test_what_intervals_mean():
    said = {
        "level": 0.9, "reference": "HQ", "samples": {f"S{i}": "a" for i in range(12)},
        "models": {"a": "…", "b": "…"},
    }  # fmt: skip
    text = methods_text([record(intervals=said), record("B", intervals=said)])
    wanted = "meant to hold those of the HQ labels in 90% of all cases. They were calibrated on 12 "
    assert text.count(wanted + "samples (2 models") == 1


def test_how_a_segmenter_of_a_plugin_labelled():
    made = {
        **{k: v for k, v in PROVENANCE.items() if k not in ("backbone", "width", "depth")},
        "segmenter": "forest", "package": "toys 1.2", "planes": [], "voting": None,
        "settings": {"trees": 50, "sizes": {"tuple": [1, 2]}, "random_state": 0, "depth": None},
    }  # fmt: skip
    text = methods_text([record(label_set="srseg-forest/volume", provenance=made)])
    assert (
        "the segmenter “forest” (toys 1.2, trees = 50, sizes = 1/2) labelled the volume as a "
        "whole, block by block (model file wf.srseg" in text
    )
    assert "Baltruschat" not in text
    made |= {"planes": ["rc", "cp", "pr"], "voting": "soft"}
    text = methods_text([record(label_set="srseg-forest/soft3", provenance=made)])
    assert "labelled slices along 3 planes (rc, cp, pr); the probabilities" in text
