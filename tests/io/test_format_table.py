"""The tables of docs/formats.md: made here, by reading and writing every layout and format.

``SRSEG_WRITE_DOCS=1 pytest tests/io/test_format_table.py`` writes them anew.
"""

import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import tifffile

from srseg import DEFAULT_LABELS, Volume
from srseg.errors import SRSegError
from srseg.io import FORMATS, Reading, describe, open_volume, write_volume

zarr = pytest.importorskip("zarr")

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
RNG = np.random.default_rng(8)
VOXELS = RNG.integers(0, 200, (9, 8, 7), dtype=np.uint16)
LABELS = RNG.choice([*DEFAULT_LABELS.values, 255], (9, 8, 7)).astype(np.uint8)
MM = 0.0024


def hold(name, header, rows):
    """Compare a table with the one on the page, or write it there."""
    lines = [header, ["---"] * len(header), *rows]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    text = PAGE.read_text("utf-8")
    place = re.compile(
        rf"(<!-- {name}: made by the tests -->\n\n)(.*?)(\n*<!-- end of {name} -->)", re.DOTALL
    )
    if os.environ.get("SRSEG_WRITE_DOCS"):
        PAGE.write_text(place.sub(lambda m: f"{m[1]}{table}\n\n{m[3].strip()}", text), "utf-8")
        return
    made = place.search(text)
    assert made is not None
    assert made[2] == table, "docs/formats.md is out of date: run with SRSEG_WRITE_DOCS=1"


def said(size):
    if size is None:
        return "not said"
    z, y, x = (f"{v:g}" for v in size)
    return f"{z} µm" if z == y == x else f"{z}, {y}, {x} µm"


def found(metadata):
    words = {
        "instrument": "beamline", "source": "facility", "energy_keV": "energy", "version": "",
        "distance_mm": "distance", "exposure_ms": "exposure", "camera_pixel_um": "",
        "camera_bits": "", "image_pixel_um": "", "axes": "order of axes", "provenance": "",
    }  # fmt: skip
    return ", ".join(sorted({words.get(k, k) for k in metadata} - {""})) or "–"


def same(volume, voxels):
    """Whether all voxels and a box of them are what they must be."""
    box = (slice(2, 9), slice(3, 5), slice(0, 6))
    equal = np.array_equal(volume.read(), voxels) and np.array_equal(volume.read(box), voxels[box])
    return "exact" if equal and volume.dtype == voxels.dtype.newbyteorder("=") else "WRONG"


def again(volume, voxels, folder, suffix):
    """Write a volume and read it back."""
    folder.mkdir(exist_ok=True)
    path = folder / f"again{suffix}"
    write_volume(path, volume)
    back = open_volume(path)
    kept = back.grid == volume.grid and same(back, voxels) == "exact"
    return f"{'exact' if kept else 'WRONG'} (`{suffix}`)"


def scan_row(program, where, path, voxels, reading, suffix, folder):
    info = describe(path, reading)
    volume = open_volume(path, reading, voxel_size=None if info.voxel_size else 2.4)
    return [
        program, where, same(volume, voxels), said(info.voxel_size), found(info.metadata),
        again(volume, voxels, folder, suffix),
    ]  # fmt: skip


HEADER = ["written by", "where", "read", "voxel size", "metadata found", "written and read again"]


def test_layouts_of_hdf5(tmp_path, producers):
    rows = []
    for name, make in producers.PRODUCERS.items():
        folder = tmp_path / name
        folder.mkdir()
        product = make(folder, VOXELS)
        reading = Reading(follow_links=product.follow_links)
        where = product.where + (", `--follow-links`" if product.follow_links else "")
        rows.append(
            scan_row(product.program, where, product.path, product.voxels, reading, ".h5", folder)
        )
    write_volume(tmp_path / "own.h5", Volume.from_array(VOXELS, 2.4))
    rows.append(
        scan_row(
            "srseg",
            "`/entry/data/data`",
            tmp_path / "own.h5",
            VOXELS,
            Reading(),
            ".h5",
            tmp_path / "own",
        )
    )
    with h5py.File(tmp_path / "any.h5", "w") as file:
        file["some/where"] = VOXELS.astype(">u2")
    rows.append(
        scan_row(
            "any program", "the only volume, or `--path`", tmp_path / "any.h5", VOXELS, Reading(),
            ".h5", tmp_path / "any",
        )
    )  # fmt: skip
    hold("layouts of HDF5", HEADER, rows)


def test_filters_of_hdf5(tmp_path, producers):
    rows = []
    for n, (name, options) in enumerate(producers.FILTERS.items()):
        path = tmp_path / f"{n}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("data", data=VOXELS, chunks=(4, 4, 4), **options)
        rows.append([name, same(open_volume(path, voxel_size=5), VOXELS)])
    hold("filters of HDF5", ["compression", "read"], rows)


def _image(spacing=True):
    image = sitk.GetImageFromArray(VOXELS)
    if spacing:
        image.SetSpacing((MM,) * 3)
    return image


def _stack(path):
    tifffile.imwrite(path, VOXELS, photometric="minisblack")


def _imagej(path):
    tifffile.imwrite(
        path, VOXELS, imagej=True, resolution=(1 / 2.4, 1 / 2.4),
        metadata={"axes": "ZYX", "spacing": 2.4, "unit": "micron"},
    )  # fmt: skip


def _ome(path):
    sizes = {f"PhysicalSize{a}": 2.4 for a in "XYZ"}
    tifffile.imwrite(path, VOXELS, metadata={"axes": "ZYX", **sizes})


def _big(path):
    tifffile.imwrite(
        path, VOXELS, bigtiff=True, byteorder=">", compression="zlib", photometric="minisblack"
    )


def _slices(path):
    path.mkdir()
    for z, page in enumerate(VOXELS):
        tifffile.imwrite(path / f"recon_{z + 98}.tif", page)


def _itk(path):
    sitk.WriteImage(_image(), path)


def _packed(path):
    sitk.WriteImage(_image(), path, useCompression=True)


def _bare(path):
    path.write_bytes(VOXELS.astype(">u2").tobytes())


def _pyhst(path):
    path.write_bytes(VOXELS.astype("<f4").tobytes())
    path.with_name(f"{path.name}.info").write_text(
        "! PyHST_SLAVE VOLUME INFO FILE\nNUM_X = 7\nNUM_Y = 8\nNUM_Z = 9\nvoxelSize = 2.4\n"
        "BYTEORDER = LOWBYTEFIRST\n"
    )


def _amira(path):
    z, y, x = (2.4 * (n - 1) for n in VOXELS.shape)
    path.write_bytes(
        b"# AmiraMesh BINARY-LITTLE-ENDIAN 2.1\n\ndefine Lattice 7 8 9\n\nParameters {\n"
        b'    Units {\n        Coordinates "\xc2\xb5m"\n    }\n'
        + f"    BoundingBox 0 {x} 0 {y} 0 {z},\n".encode()
        + b'    CoordType "uniform"\n}\n\nLattice { ushort Data } @1\n\n@1\n'
        + VOXELS.astype("<u2").tobytes()
    )


def _zarr(path, version):
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    array = group.create_array("0", shape=VOXELS.shape, dtype=VOXELS.dtype, chunks=(4, 4, 4))
    array[...] = VOXELS
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    scale = [{"type": "scale", "scale": [2.4] * 3}]
    level = {"path": "0", "coordinateTransformations": scale}
    image = {"version": version, "axes": axes, "datasets": [level]}
    said = {"multiscales": [image]}
    group.attrs.update(said if version == "0.4" else {"ome": {"version": version, **said}})


def _zarr4(path):
    _zarr(path, "0.4")


def _zarr5(path):
    _zarr(path, "0.5")


BARE = Reading(shape=VOXELS.shape, dtype=">u2")
SCANS = [
    ("tifffile", "a TIFF stack", "scan.tif", _stack, Reading(), ".tif"),
    ("ImageJ, Fiji", "a TIFF stack", "fiji.tif", _imagej, Reading(), ".tif"),
    ("tifffile, Bio-Formats", "an OME-TIFF", "scan.ome.tif", _ome, Reading(), ".ome.tif"),
    ("tifffile", "a BigTIFF, deflate, big-endian", "scan.btf", _big, Reading(), ".tif"),
    ("most reconstructions", "a folder of TIFF slices", "slices", _slices, Reading(), ".tif"),
    ("SimpleITK", "`.mha`", "scan.mha", _itk, Reading(), ".mha"),
    ("SimpleITK", "`.mha`, compressed", "packed.mha", _packed, Reading(), ".mha"),
    ("SimpleITK", "`.mhd` with `.raw`", "scan.mhd", _itk, Reading(), ".mha"),
    ("SimpleITK, 3D Slicer", "`.nrrd`", "scan.nrrd", _itk, Reading(), ".nrrd"),
    ("SimpleITK, 3D Slicer", "`.nrrd`, compressed", "packed.nrrd", _packed, Reading(), ".nrrd"),
    ("SimpleITK", "`.nhdr` with `.raw`", "scan.nhdr", _itk, Reading(), ".nrrd"),
    ("SimpleITK", "`.nii`", "scan.nii", _itk, Reading(), ".nii"),
    ("SimpleITK", "`.nii.gz`", "scan.nii.gz", _packed, Reading(), ".nii.gz"),
    ("any program", "`.raw` with `--shape`, `--dtype`", "scan.raw", _bare, BARE, ".h5"),
    ("PyHST, nabu", "`.vol` with `.vol.info`", "scan.vol", _pyhst, Reading(), ".h5"),
    ("Amira, Avizo", "`.am`", "scan.am", _amira, Reading(), ".h5"),
    ("OME-Zarr 0.4", "`.ome.zarr`", "four.ome.zarr", _zarr4, Reading(), ".ome.zarr"),
    ("OME-Zarr 0.5", "`.ome.zarr`", "five.ome.zarr", _zarr5, Reading(), ".ome.zarr"),
]


def test_other_formats(tmp_path):
    rows, tried = [], {"HDF5"}
    for n, (program, where, name, make, reading, suffix) in enumerate(SCANS):
        folder = tmp_path / str(n)
        folder.mkdir()
        make(folder / name)
        tried.add(describe(folder / name, reading).format)
        voxels = VOXELS.astype(np.float32) if make is _pyhst else VOXELS
        rows.append(scan_row(program, where, folder / name, voxels, reading, suffix, folder))
    hold("other formats", HEADER, rows)
    assert tried == set(FORMATS.names())


def _slicer(path):
    image = sitk.GetImageFromArray(LABELS)
    image.SetSpacing((MM,) * 3)
    classes = [*((c.value, c.name) for c in DEFAULT_LABELS if c.value), (255, "unlabelled")]
    for n, (value, name) in enumerate(classes):
        for key, text in (("ID", f"S{n}"), ("Name", name), ("LabelValue", str(value))):
            image.SetMetaData(f"Segment{n}_{key}", text)
        image.SetMetaData(f"Segment{n}_Color", "0.5 0.25 1")
    sitk.WriteImage(image, path, useCompression=True)


def _materials(path):
    z, y, x = (2.4 * (n - 1) for n in LABELS.shape)
    names = "".join(f"        {c.name.replace(' ', '_')} {{\n        }}\n" for c in DEFAULT_LABELS)
    path.write_bytes(
        b"# AmiraMesh BINARY-LITTLE-ENDIAN 2.1\n\ndefine Lattice 7 8 9\n\nParameters {\n"
        + f"    Materials {{\n{names}    }}\n".encode()
        + b'    Units {\n        Coordinates "mm"\n    }\n'
        + f"    BoundingBox 0 {x / 1000} 0 {y / 1000} 0 {z / 1000},\n".encode()
        + b'    CoordType "uniform"\n}\n\nLattice { byte Labels } @1\n\n@1\n'
        + np.where(LABELS == 255, 0, LABELS).astype(np.uint8).tobytes()
    )


def test_labels(tmp_path):
    rows = []
    for suffix in (".h5", ".tif", ".ome.tif", ".mha", ".nrrd", ".seg.nrrd", ".nii.gz", ".ome.zarr"):
        path = tmp_path / f"labels{suffix}"
        write_volume(path, Volume.from_array(LABELS, 2.4, table=DEFAULT_LABELS))
        rows.append(["srseg", f"`{suffix}`", *_labels_of(path, LABELS)])
    plain = np.where(LABELS == 255, 0, LABELS).astype(np.uint8)
    for program, name, make, voxels in (
        ("3D Slicer", "slicer.seg.nrrd", _slicer, LABELS),
        ("Amira, Avizo", "avizo.Labels.am", _materials, plain),
    ):
        make(tmp_path / name)
        rows.append([program, f"`{name[name.index('.') :]}`", *_labels_of(tmp_path / name, voxels)])
    hold("labels", ["written by", "as", "read", "names", "colours"], rows)


def _labels_of(path, voxels):
    volume = open_volume(path, labels=True)
    names = [c.name for c in DEFAULT_LABELS]
    if volume.table is None:
        return same(volume, voxels), "–", "–"
    theirs = [c.name.replace("_", " ") for c in volume.table if c.value in DEFAULT_LABELS.values]
    by_value = {c.value: c.color for c in volume.table}
    colors = all(by_value[c.value] == c.color for c in DEFAULT_LABELS)
    own = "kept" if colors else "its own"
    return same(volume, voxels), "kept" if theirs == names else f"WRONG: {theirs}", own


REAL = [
    ("nexus/k11-18014.nxs", "Diamond K11, a raw scan in linked files", Reading()),
    ("nexus/k11-18014.nxs", "the same with `--follow-links`", Reading(follow_links=True)),
    (
        "nexus/k11-18014.nxs",
        "its frames with `--follow-links --path`",
        Reading("entry/imaging/data", follow_links=True),
    ),
    ("nexus/k11-18014/k11-18014-imaging.h5", "the file it links to", Reading()),
    ("nexus/k11-18014/k11-18014-pcompPanda.h5", "positions of the same scan", Reading()),
    ("nexus/savu_24888.nxs", "Diamond I13, NXtomo, its data link broken", Reading()),
    (
        "nexus/savu_24888.nxs",
        "the broken link itself",
        Reading("entry1/tomo_entry/data/data", follow_links=True),
    ),
    ("nexus/dataexchange_tooth.h5", "APS, projections as Data Exchange", Reading()),
    ("bone_uct/lhdl_trabecular_200.tif", "human bone, a TIFF stack", Reading()),
    ("bone_uct/goat_jaw_implant_slice.tif", "implant in bone, one slice", Reading()),
    ("trabecular_masks/trabmask_10_07131.tif", "bone labels, a TIFF stack", Reading()),
]


def test_real_files(shared, tmp_path):
    rows = []
    for name, what, reading in REAL:
        path = shared / name
        cells = [f"`{path.name}`", what]
        try:
            info = describe(path, reading)
        except SRSegError as error:
            text = (
                str(error).replace(str(path.parent.resolve()), "…").replace(str(path.parent), "…")
            )
            rows.append([*cells, "refused", re.sub(r"[|\n]", " ", text.replace("…/", ""))])
            continue
        volume = open_volume(path, reading, voxel_size=None if info.voxel_size else 19.5)
        voxels = tifffile.imread(path)
        shape = "×".join(map(str, info.shape))
        back = again(volume, voxels, tmp_path / path.stem, ".h5")
        text = f"{shape} {info.dtype}, voxel size {said(info.voxel_size)}; read again: {back}"
        rows.append([*cells, same(volume, voxels), text])
    hold("real files", ["file", "what it is", "read", "what is said of it"], rows)
