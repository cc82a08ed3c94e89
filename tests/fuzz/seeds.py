"""What the fuzzer begins with: small files of every sort, made by srseg and by others."""

from __future__ import annotations

import gzip
import json
import tempfile
import zlib
from pathlib import Path

import numpy as np
from judge import pack

SHAPE = (3, 4, 5)
_AMIRA = """# AmiraMesh {order} 2.1

define Lattice 5 4 3

Parameters {{
    Materials {{
        Exterior {{ Id 5 }}
        Bone {{ Id 77, Color 0.9 0.5 0 }}
    }}
    Units {{ Coordinates "µm" }}
    Content "5x4x3 byte, uniform coordinates",
    BoundingBox 10 22 0 9.6 -5 2.2,
    CoordType "uniform"
}}

Lattice {{ byte Labels }} @1{coding}

# Data section follows
@1
"""
_STL = """solid a
facet normal 0 0 1
 outer loop
  vertex 0 0 0
  vertex 0 1 0
  vertex 1 0 0
 endloop
endfacet
endsolid a
"""
_TFM = """#Insight Transform File V1.0
#Transform 0
Transform: Euler3DTransform_double_3_3
Parameters: 0.1 0.2 0.3 1 2 3
FixedParameters: 0 0 0 0
"""
_TOML = """alloy = "Mg-5Gd"
energy = "38 keV"
exposure = "0.5 s"
implantation_days = 28
[extra]
batch = 7
note = "a"
"""
_CURVE = """iteration,loss,learning_rate,validation_loss,validation_iou
1,1.5,0.001,1.4,0.3
2,1.2,0.001,,
3,1.0,0.0005,0.9,0.6
"""
_INFO = """! PyHST_SLAVE VOLUME INFO FILE
NUM_X =  5
NUM_Y =  4
NUM_Z =  3
voxelSize =  2.4
BYTEORDER = LOWBYTEFIRST
"""
_DSEG = "index\tname\tabbreviation\tcolor\n0\tbackground\tBG\t#000000\n1\tbone\tB\t#ff0000\n"


def seeds(name):
    """Give the inputs that a reader is begun with."""
    with tempfile.TemporaryDirectory() as folder:
        return list(_MAKERS[name](Path(folder)))


def _volumes():
    from srseg import DEFAULT_LABELS, Volume

    rng = np.random.default_rng(0)
    grey = rng.integers(0, 60000, SHAPE, dtype=np.uint16)
    labels = rng.choice([0, 1, 2, 3, 255], SHAPE).astype(np.uint8)
    return [
        Volume.from_array(grey, 2.4),
        Volume.from_array(labels, 5.0, table=DEFAULT_LABELS),
        Volume.from_array(rng.random(SHAPE, np.float32), 5.0),
    ]


def _written(folder, suffix, count=3):
    from srseg.io import write_volume

    for n, volume in enumerate(_volumes()[:count]):
        write_volume(folder / f"{n}{suffix}", volume)
        yield (folder / f"{n}{suffix}").read_bytes()


def _hdf5(folder):
    import h5py
    import hdf5plugin

    from srseg.io import write_prediction

    yield from _written(folder, ".h5")
    voxels = _volumes()[0].read()
    with h5py.File(folder / "plain.h5", "w") as file:
        file["a/volume"] = voxels
        file["soft"] = h5py.SoftLink("/a/volume")
        file["outside"] = h5py.ExternalLink("other.h5", "/data")
        file["a"].attrs["voxel_size"] = 2.4
    with h5py.File(folder / "packed.h5", "w", libver="latest") as file:
        file.create_dataset("data", data=voxels, chunks=(2, 2, 2), compression="gzip", shuffle=True)
        file["data"].attrs["element_size_um"] = [2.4, 2.4, 2.4]
    for n, filters in enumerate((
        hdf5plugin.Bitshuffle(cname="lz4"), hdf5plugin.LZ4(), hdf5plugin.Zstd(),
        hdf5plugin.Blosc(), {"compression": "lzf"}, {"scaleoffset": 0},
    )):  # fmt: skip
        with h5py.File(folder / f"packed-{n}.h5", "w") as file:
            file.create_dataset("data", data=voxels, chunks=SHAPE, **filters)
            file.attrs["default"] = "data"
    with h5py.File(folder / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout(SHAPE, np.uint16)
        layout[:2] = h5py.VirtualSource("plain.h5", "a/volume", SHAPE)[:2]
        file.create_virtual_dataset("data", layout)
    labels = _volumes()[1]
    write_prediction(
        folder / "soft.h5", labels, provenance={"a": 1},
        probabilities=lambda a, b: np.full((4, b - a, *SHAPE[1:]), 0.25, np.float32),
    )  # fmt: skip
    for path in sorted(folder.glob("[psv]*.h5")):
        yield path.read_bytes()


def _tiff(folder):
    import tifffile

    yield from _written(folder, ".tif", 2)
    yield from _written(folder, ".ome.tif", 1)
    voxels = _volumes()[0].read()
    for n, more in enumerate((
        {"imagej": True, "metadata": {"axes": "ZYX", "spacing": 2.4, "unit": "um"}},
        {"compression": "zlib", "predictor": True},
        {"tile": (16, 16), "bigtiff": True},
        {"byteorder": ">", "resolution": (4000, 4000), "resolutionunit": "CENTIMETER"},
    )):  # fmt: skip
        tifffile.imwrite(folder / f"t{n}.tif", voxels, photometric="minisblack", **more)
        yield (folder / f"t{n}.tif").read_bytes()


def _slices(folder):
    import tifffile

    voxels = _volumes()[0].read()
    for n in range(3):
        tifffile.imwrite(folder / f"s{n}.tif", voxels[n])
    yield pack({f"a_{n:03}.tif": (folder / f"s{n}.tif").read_bytes() for n in range(3)})
    yield pack({f"{n}.tif": (folder / f"s{n}.tif").read_bytes() for n in (1, 2)})


def _itk(suffix):
    def make(folder):
        import SimpleITK as sitk  # noqa: N813

        yield from _written(folder, suffix)
        image = sitk.GetImageFromArray(_volumes()[0].read())
        image.SetSpacing((0.0024,) * 3)
        for packed in (False, True):
            sitk.WriteImage(image, folder / f"i{packed}{suffix}", packed)
            yield (folder / f"i{packed}{suffix}").read_bytes()

    return make


def _itk_transform(suffix):
    def make(folder):
        import SimpleITK as sitk  # noqa: N813

        euler, affine = sitk.Euler3DTransform(), sitk.AffineTransform(3)
        euler.SetRotation(0.1, 0.2, 0.3)
        both = sitk.CompositeTransform([euler, sitk.TranslationTransform(3, (1, 2, 3))])
        for n, transform in enumerate((euler, affine, both)):
            try:
                sitk.WriteTransform(transform, folder / f"{n}{suffix}")
            except RuntimeError:  # Matlab files hold one transform
                continue
            yield (folder / f"{n}{suffix}").read_bytes()

    return make


def _amira(_folder):
    voxels = bytes([5, 77, 77, 5] * 15)
    yield _AMIRA.format(order="BINARY-LITTLE-ENDIAN", coding="").encode() + voxels
    runs = bytes([127 & 60, 77])
    head = _AMIRA.format(order="BINARY-LITTLE-ENDIAN", coding=f"(HxByteRLE,{len(runs)})")
    yield head.encode() + runs
    coded = zlib.compress(voxels)
    head = _AMIRA.format(order="BINARY-LITTLE-ENDIAN", coding=f"(HxZip,{len(coded)})")
    yield head.encode() + coded
    yield _AMIRA.format(order="ASCII", coding="").encode() + b"5 77 " * 30


def _zarr(folder):
    from srseg.io import write_volume

    for n, volume in enumerate(_volumes()[:2]):
        path = folder / f"{n}.ome.zarr"
        write_volume(path, volume)
        yield _packed(path)
    import zarr

    root = zarr.open_group(folder / "old.zarr", mode="w", zarr_format=2)
    root.create_array("0", data=_volumes()[0].read(), chunks=(2, 2, 2), compressors=None)
    scale = {"type": "scale", "scale": [2.4, 2.4, 2.4]}
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]
    root.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes,
         "datasets": [{"path": "0", "coordinateTransformations": [scale]}]}
    ]  # fmt: skip
    yield _packed(folder / "old.zarr")


def _raw(_folder):
    voxels = _volumes()[0].read()
    yield pack({"scan.vol": voxels.astype("<f4").tobytes(), "scan.vol.info": _INFO.encode()})
    xml = (
        '<?xml version="1.0"?><tomodb2><reconstruction><listSubVolume><subVolume>'
        "<SIZEX>5</SIZEX><SIZEY>4</SIZEY><SIZEZ>3</SIZEZ><voxelSize>2.4</voxelSize>"
        "<BYTE_ORDER>LOWBYTEFIRST</BYTE_ORDER></subVolume></listSubVolume></reconstruction></tomodb2>"
    )
    yield pack({"scan.vol": voxels.astype("<f4").tobytes(), "scan.vol.xml": xml.encode()})
    yield pack({"scan.vol": voxels.tobytes()})


def _stl(folder):
    import trimesh

    yield _STL.encode()
    trimesh.creation.box((1, 2, 3)).export(folder / "box.stl")
    yield (folder / "box.stl").read_bytes()
    yield trimesh.creation.box((1, 2, 3)).export(file_type="stl_ascii").encode()


def _study(folder):
    from srseg import Dataset, Volume
    from srseg.io import write_volume

    grey, labels, _ = _volumes()
    write_volume(folder / "scan.mha", grey)
    write_volume(folder / "labels.mha", Volume(labels.read(), grey.grid, table=labels.table))
    made = Dataset.create(folder / "study")
    metadata = {"alloy": "Ti", "energy_kev": 38.0, "extra": {"batch": 7}}
    made.add_sample(folder / "scan.mha", name="A", subject="01", copy=True, metadata=metadata)
    for _ in range(2):
        made.add_labels(folder / "labels.mha", sample="A", label_set="WF")
    return made.path


def _packed(folder, leave=(".lock",)):
    return pack(
        {
            str(p.relative_to(folder)): p.read_bytes()
            for p in sorted(folder.rglob("*"))
            if p.is_file() and not p.name.endswith(leave)
        }
    )


def _dataset(folder):
    yield _packed(_study(folder))


def _sheet(folder):
    from srseg import Dataset
    from srseg.dataset import export_metadata

    study = _study(folder)
    export_metadata(Dataset(study), folder / "sheet.csv")
    sheet = (folder / "sheet.csv").read_bytes()
    kept = {
        f"study/{p.relative_to(study)}": p.read_bytes()
        for p in sorted(study.rglob("*"))
        if p.suffix in (".json", ".tsv") and "derivatives" not in p.parts
    }
    yield pack({**kept, "sheet.csv": sheet})
    yield pack({**kept, "sheet.csv": sheet.replace(b",", b";").replace(b"38.0", b"38,0")})
    yield pack({**kept, "sheet.csv": b"sample,alloy,energy [keV]\nA,Mg,40\n"})


def _correction(folder):
    grid = _volumes()[0].grid.to_dict()
    from srseg.corrections import Suggestion

    suggestion = Suggestion.of_slice("z", 1, SHAPE, expected=9.0, share=0.5).to_dict()
    yield json.dumps(
        {"srseg_correction": 1, "identifier": "a1", "sample": "A", "label_set": "WF", "revision": 1,
         "stamp": {"size": 1}, "grid": grid, "form": "slices", "suggestions": [suggestion],
         "pieces": [{"labels": "a.nrrd", "scan": "b.nrrd", "box": [[0, 1], [0, 4], [0, 5]]}]}
    ).encode()  # fmt: skip


def _network(**parameters):
    from srseg import VolumeSegmenter

    return VolumeSegmenter(
        **{"width": 2, "depth": 1, "input_size": 16, "max_iter": 1, "batch_size": 1,
           "validation": None, "precision": "fp32", "random_state": 0, "labels": None,
           **parameters}
    )  # fmt: skip


def _pair():
    labels = np.zeros((16, 18, 17), np.uint8)
    labels[4:12, 4:12, 4:12] = 2
    labels[6:9, 6:9, 6:9] = 1
    noise = np.random.default_rng(0).normal(0, 0.1, labels.shape)
    return [(labels + noise).astype(np.float32)], [labels]


def _model(name):
    def make(folder):
        from models import parts

        yield pack(parts(_fitted(name, folder)))

    return make


def _fitted(name, folder):
    from srseg.estimators import create_segmenter, segmenter_class

    path = folder / f"{name}.srseg"
    if name == "unet":
        segmenter = _network()
    else:
        segmenter = create_segmenter(name, **segmenter_class(name).test_parameters())
    segmenter.fit(*_pair()).save(path)
    return path


def _safetensors(folder):
    yield _fitted("unet", folder).read_bytes()


def _checkpoint(folder):
    import torch

    from srseg.training import Checkpoint

    Checkpoint(folder / "a.checkpoint", {}).write(
        {"history": {"n_iter": 3}}, {"w": torch.zeros(3, 2), "n": torch.tensor(7)}
    )
    yield (folder / "a.checkpoint").read_bytes()


def _text(*texts):
    return lambda _folder: [t if isinstance(t, bytes) else t.encode() for t in texts]


_RIGID = {"rotation": [1, 0, 0, 0, 1, 0, 0, 0, 1], "translation_um": [1, 2, 3]}

_MAKERS = {
    "hdf5": _hdf5,
    "tiff": _tiff,
    "slices": _slices,
    "nrrd": _itk(".nrrd"),
    "seg-nrrd": lambda folder: list(_written(folder, ".seg.nrrd"))[1:2],
    "mha": _itk(".mha"),
    "nifti": _itk(".nii"),
    "nifti-gz": lambda folder: [gzip.compress(b, 1, mtime=0) for b in _itk(".nii")(folder)],
    "amira": _amira,
    "ome-zarr": _zarr,
    "raw": _raw,
    "transform": _text(_TFM),
    "transform-mat": _itk_transform(".mat"),
    "transform-h5": _itk_transform(".h5"),
    "transform-json": _text(json.dumps(_RIGID)),
    "stl": _stl,
    "toml": _text(_TOML),
    "dseg": _text(_DSEG),
    "curve": _text(_CURVE),
    "dataset": _dataset,
    "sheet": _sheet,
    "correction": _correction,
    "safetensors": _safetensors,
    "checkpoint": _checkpoint,
}
for _name in ("unet", "threshold", "watershed", "random-forest", "random-walker", "cracks", "vnet",
              "nnunet"):  # fmt: skip
    _MAKERS[f"model-{_name}"] = _model(_name)
