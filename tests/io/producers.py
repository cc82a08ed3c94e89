"""HDF5 files as programs really write them: shape, type, compression, attributes, metadata.

Each function writes one into a folder and tells what must be found in it. They follow the source of
the programs: httomo 2 (methods.py), Savu 4 (hdf5_utils.py), DAWN (NexusFileExecutionVisitor),
nabu 2026.1 (io/writer.py, pipeline/fullfield), tomocupy 1 (dataio/writer.py), the layouts of APS
2-BM for Data Exchange, the ilastik plugin of Fiji, volume-segmantics (base_data_utils.py), and the
NeXus definition NXtomoproc.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np


@dataclass
class Product:
    """A file, how it is read, and what must be found."""

    program: str
    where: str
    path: Path
    dataset: str
    voxels: np.ndarray
    follow_links: bool = False
    voxel_size: tuple[float, float, float] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None
    parts: tuple[Path, ...] = ()


def _unfilled(shape, chunks):
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk(chunks)
    settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return settings


def _put(file, values, units=None):
    """Write datasets of one text or number, in arrays of length 1 as areaDetector does."""
    for name, value in values.items():
        file[name] = np.array([value.encode()]) if isinstance(value, str) else np.array([value])
    for name, unit in (units or {}).items():
        file[name].attrs["units"] = unit


def httomo(folder, voxels):
    path = folder / "9-httomolibgpu-FBP3d_tomobar-FBP3d_tomobar.h5"
    voxels = voxels.astype(np.float32)
    with h5py.File(path, "w") as file:
        file["angles"] = np.linspace(0, np.pi, 1801, dtype=np.float32)
        file[path.name] = [0, 0]
        file["data_dims/detector_x_y"] = [voxels.shape[2], voxels.shape[0]]
        chunks = (2, *voxels.shape[1:])
        settings = _unfilled(voxels.shape, chunks)
        data = file.create_dataset("data", voxels.shape, "f4", dcpl=settings, **hdf5plugin.Blosc())
        data[...] = voxels
    return Product("httomo", "`/data`", path, "/data", voxels, metadata={"projections": 1801})


def savu(folder, voxels):
    """The master links to the file of the last plugin; Savu calls the vertical axis y."""
    voxels = voxels.astype(np.float32)
    (folder / "savu").mkdir()
    path, result = folder / "savu/24888_processed.nxs", "tomo_p6_astra_recon_gpu.h5"
    inner = "6-AstraReconGpu-tomo"
    with h5py.File(folder / "savu" / result, "w") as file:
        group = file.create_group(inner)
        group.attrs["NX_class"], group.attrs["signal"] = "NXdata", "data"
        settings = _unfilled(voxels.shape, (*voxels.shape[:2], 4))
        file.create_dataset(f"{inner}/data", voxels.shape, "f4", dcpl=settings)[...] = voxels
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        group = entry.create_group("final_result_tomo")
        group.attrs.update({"NX_class": "NXdata", "signal": "data"})
        group.attrs["axes"] = ["voxel_x", "voxel_y", "voxel_z"]
        for n, name in enumerate(group.attrs["axes"]):
            group.attrs[f"{name}_indices"] = n
            group[name] = np.arange(voxels.shape[n])
            group[name].attrs["units"] = "voxels"
        patterns = group.create_group("patterns/VOLUME_XZ")
        patterns["core_dims"], patterns["slice_dims"] = [0, 2], [1]
        group["data"] = h5py.ExternalLink(result, f"{inner}/data")
        raw = entry.create_group("input_data/tomo")
        raw["data"] = h5py.ExternalLink("/dls/i13/data/2014/raw/24888.nxs", "entry1/data/data")
        raw["image_key"] = np.zeros(111, int)
    return Product(
        "Savu", "`/entry/final_result_<name>/data`", path, f"/{inner}/data", voxels,
        follow_links=True, metadata={"axes": "xyz"}, file=folder / "savu" / result,
    )  # fmt: skip


def dawn(folder, voxels):
    path = folder / "processed.nxs"
    with h5py.File(path, "w") as file:
        file.create_group("processed").attrs["NX_class"] = np.bytes_("NXentry")
        result = file.create_group("processed/result")
        result.attrs.update({"NX_class": np.bytes_("NXdata"), "signal": np.bytes_("data")})
        result.attrs["axes"] = np.array([b"z", b"y", b"x"])
        data = result.create_dataset(
            "data", voxels.shape, voxels.dtype, chunks=(1, *voxels.shape[1:]),
            maxshape=(None, *voxels.shape[1:]), compression="gzip", shuffle=True,
        )  # fmt: skip
        data[...] = voxels
        for name, length in zip("zyx", voxels.shape, strict=True):
            result[name] = 0.00325 * np.arange(length)
            result[name].attrs["units"] = np.bytes_("mm")
        file["processed/process/0/name"] = "Rescale"
        file["entry/experiment_identifier"] = "mg9396-1"
        file["entry"].attrs["NX_class"] = np.bytes_("NXentry")
        file["entry/instrument/name"], file["entry/title"] = "i13-2", "Mg-5Gd screw"
        file["entry/instrument/source/name"] = "DLS"
    return Product(
        "DAWN", "`/processed/result/data`", path, "/processed/result/data", voxels,
        voxel_size=(3.25,) * 3,
        metadata={
            "title": "Mg-5Gd screw", "instrument": "i13-2", "source": "DLS", "proposal": "mg9396-1",
        },
    )  # fmt: skip


def nabu(folder, voxels):
    """A master whose virtual dataset takes the slices from files in a folder of the same name."""
    voxels = voxels.astype(np.float32)
    home, entry = folder / "nabu", "entry0000"
    (home / "screw_rec").mkdir(parents=True)
    step = -(-voxels.shape[0] // 3)
    names, starts = [], range(0, voxels.shape[0], step)
    for start in starts:
        names.append(f"screw_rec/screw_rec_{start:05d}.hdf5")
        with h5py.File(home / names[-1], "w") as file:
            _nabu_results(file, entry)["data"] = voxels[start : start + step]
    layout = h5py.VirtualLayout(voxels.shape, "f")
    for name, start in zip(names, starts, strict=True):
        part = voxels[start : start + step].shape
        source = h5py.VirtualSource(name, f"{entry}/reconstruction/results/data", part)
        layout[start : start + step] = source
    path = home / "screw_rec.hdf5"
    with h5py.File(path, "w") as file:
        _nabu_results(file, entry).create_virtual_dataset("data", layout)
        options = file.create_group(f"{entry}/reconstruction/configuration/processing_options")
        options["reconstruction/voxel_size_cm"] = np.array([6.5e-5] * 3)
        options["reconstruction/method"] = "FBP"
        options["reconstruction/sample_detector_dist"] = "None"
        options["read_chunk/binning"] = [1, 1]
        options["phase/energy_kev"], options["phase/distance_m"] = 34.5, 0.15
        options["phase/distance_cm"], options["phase/pixel_size_microns"] = 15.0, 0.65
    found = {
        "program": "nabu", "version": "2026.1.2", "energy_keV": 34.5, "distance_mm": 150.0,
    }  # fmt: skip
    return Product(
        "nabu (ESRF)", "`/<entry>/reconstruction/results/data`", path,
        f"/{entry}/reconstruction/results/data", voxels, follow_links=True,
        voxel_size=(0.65,) * 3, metadata=found, parts=tuple(home / name for name in names),
    )  # fmt: skip


def _nabu_results(file, entry):
    group = file.create_group(entry)
    group.attrs.update({"NX_class": "NXentry", "default": f"/{entry}/reconstruction/results"})
    process = group.create_group("reconstruction")
    process.attrs.update({"NX_class": "NXprocess", "default": "results"})
    process["program"], process["version"] = "nabu", "2026.1.2"
    process["date"], process["sequence_index"] = "2026-03-01T12:00:00", np.int32(0)
    process["configuration/nabu_config/dataset/binning"] = 1
    process["configuration/nabu_config/dataset/binning_z"] = 1
    results = process.create_group("results")
    results.attrs.update({"NX_class": "NXdata", "signal": "data"})
    return results


def _beamline_2bm(file):
    """What the acquisition at APS 2-BM writes, and tomocupy copies into its result."""
    file["implements"] = "exchange:measurement:process"
    measurement, units = "measurement/instrument", {}
    values = {
        f"{measurement}/instrument_name": "2-BM-B Fast micro-tomography system",
        f"{measurement}/source/beamline": "2-BM",
        f"{measurement}/source/source_name": "Advanced Photon Source",
        f"{measurement}/monochromator/energy_mode": "Mono",
        f"{measurement}/detector/manufacturer": "FLIR",
        f"{measurement}/detector/model": "Oryx ORX-10G-51S5M",
        f"{measurement}/detector/exposure_time": 0.1,
        f"{measurement}/detection_system/objective/camera_objective": "5x",
        f"{measurement}/detection_system/scintillator/scintillator_type": "LuAG",
        "measurement/sample/sample_name": "screw 7",
        "measurement/sample/experiment/proposal": "GUP-67890",
        "process/acquisition/rotation/num_angles": 1500,
    }
    for name, value, unit in [
        ("monochromator/energy", 25.0, "keV"),
        ("source/current", 102.0, "mA"),
        ("camera_motor_stack/setup/camera_distance", 80.0, "mm"),
        ("detector/pixel_size", 3.45, "microns"),
        ("detection_system/objective/resolution", 0.69, "microns"),
        ("detection_system/scintillator/scintillating_thickness", 25.0, "microns"),
    ]:
        values[f"{measurement}/{name}"], units[f"{measurement}/{name}"] = value, unit
    _put(file, values, units)
    return {
        "sample": "screw 7", "instrument": "2-BM", "source": "Advanced Photon Source",
        "proposal": "GUP-67890", "energy_keV": 25.0, "beam": "monochromatic", "distance_mm": 80.0,
        "camera": "FLIR Oryx ORX-10G-51S5M", "camera_pixel_um": 3.45, "image_pixel_um": 0.69,
        "optics": "5x", "scintillator": "LuAG, 25 µm", "projections": 1500,
    }  # fmt: skip


def tomocupy(folder, voxels):
    """With ``--save-format h5``: a master, and a folder of parts named by their absolute path."""
    voxels = voxels.astype(np.float32)
    path = folder / "tooth_rec/tooth_rec.h5"
    parts = path.with_name("tooth_rec_parts")
    parts.mkdir(parents=True)
    layout, step = h5py.VirtualLayout(voxels.shape, "f4"), 4
    for n, start in enumerate(range(0, voxels.shape[0], step)):
        block = voxels[start : start + step]
        with h5py.File(parts / f"p{n:04d}.h5", "w") as file:
            file.create_dataset("/exchange/data", data=block, chunks=(1, *block.shape[1:]))
        # reconstructed at the beamline, then copied here
        source = f"/local/data/tooth_rec/tooth_rec_parts/p{n:04d}.h5"
        layout[start : start + len(block)] = h5py.VirtualSource(
            source, "/exchange/data", block.shape, dtype="f4"
        )
    with h5py.File(path, "w") as file:
        data = file.create_virtual_dataset("/exchange/data", layout)
        _tomocupy_attributes(data)
        found = _beamline_2bm(file)
        file["process/tomocupy-1.0.3/reconstruction/binning"] = np.array([b"0"])
    found |= {"program": "tomocupy", "version": "1.0.3"}
    return Product(
        "tomocupy", "`/exchange/data` in parts", path, "/exchange/data", voxels, follow_links=True,
        metadata=found,
        parts=tuple(sorted(parts.iterdir())),
    )  # fmt: skip


def _tomocupy_attributes(data):
    data.attrs["command"] = "tomocupy recon --file-name tooth.h5"
    data.attrs.update({"axes": "z:y:x", "description": "ReconData", "units": "counts"})


def data_exchange(folder, voxels):
    """One file (tomocupy ``h5nolinks``, dxfile), with dimension scales in a unit."""
    path = folder / "exchange.h5"
    with h5py.File(path, "w") as file:
        file["exchange/data"] = voxels
        _tomocupy_attributes(file["exchange/data"])
        file["exchange/title"] = "tomography_reconstruction"
        for name, length in zip("zyx", voxels.shape, strict=True):
            file[f"exchange/{name}"] = 0.69e-4 * np.arange(length)
            file[f"exchange/{name}"].attrs["units"] = "cm"
        found = _beamline_2bm(file)
    found["title"] = "tomography_reconstruction"
    return Product(
        "Data Exchange", "`/exchange/data`", path, "/exchange/data", voxels,
        voxel_size=(0.69,) * 3, metadata=found,
    )  # fmt: skip


def ilastik(folder, voxels):
    """Fiji's ilastik plugin: five axes, gzip, voxel size in an attribute."""
    path = folder / "ilastik.h5"
    with h5py.File(path, "w") as file:
        shape = (1, *voxels.shape, 1)
        chunks = (1, *(min(n, 32) for n in voxels.shape), 1)
        file.create_dataset("data", data=voxels.reshape(shape), chunks=chunks, compression="gzip")
        file["data"].attrs["element_size_um"] = np.float32([5.0, 2.4, 2.4])
        tags = [{"key": key, "typeFlags": 2, "resolution": 0, "description": ""} for key in "tzyxc"]
        file["data"].attrs["axistags"] = json.dumps({"axes": tags})
    return Product("ilastik", "`/data`", path, "/data", voxels, voxel_size=(5.0, 2.4, 2.4))


def volume_segmantics(folder, voxels):
    path = folder / "vol_2024_segmented.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("/data", data=voxels.astype(np.uint8), chunks=True, compression="gzip")
    return Product("volume-segmantics", "`/data`", path, "/data", voxels.astype(np.uint8))


def nxtomoproc(folder, voxels):
    """The NeXus definition of a reconstruction, with what an instrument of it can say."""
    path = folder / "nxtomoproc.nxs"
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "scan"
        entry = file.create_group("scan")
        entry.attrs.update({"NX_class": "NXentry", "default": "volume"})
        entry["definition"], entry["title"] = "NXtomoproc", "Mg-10Gd, 8 weeks"
        entry["experiment_identifier"] = "20190013"
        entry["program_name"] = "GDA 8.36.0"  # of the measurement, not the reconstruction
        groups = {
            "sample": "NXsample", "instrument": "NXinstrument", "instrument/ring": "NXsource",
            "instrument/dcm": "NXmonochromator", "instrument/cam": "NXdetector",
            "reconstruction": "NXprocess", "volume": "NXdata",
        }  # fmt: skip
        for name, nx_class in groups.items():
            entry.create_group(name).attrs["NX_class"] = nx_class
        for name, value, unit in [
            ("sample/name", "S7", None),
            ("instrument/name", "P05", None),
            ("instrument/ring/name", "PETRA III", None),
            ("instrument/ring/energy", 6.08, "GeV"),  # of the electrons
            ("instrument/dcm/energy", 38000.0, "eV"),
            ("instrument/cam/description", "KIT CMV20000", None),
            ("instrument/cam/x_pixel_size", 6.4e-6, "m"),
            ("instrument/cam/distance", 0.05, "m"),
            ("instrument/cam/bit_depth_readout", 12, None),
            ("instrument/cam/magnification", 5.0, None),
            ("instrument/cam/count_time", 0.5, "s"),
            ("reconstruction/program", "tomopy", None),
            ("reconstruction/version", "1.15.2", None),
            ("reconstruction/parameters/raw_file", "raw.nxs", None),
        ]:
            entry[name] = value
            if unit:
                entry[name].attrs["units"] = unit
        volume = entry["volume"]
        volume.attrs.update({"signal": "data", "axes": ["z", "y", "x"]})
        volume.create_dataset(
            "data", data=voxels, chunks=tuple(min(n, 64) for n in voxels.shape),
            **hdf5plugin.Bitshuffle(),
        )  # fmt: skip
        for name, length, step in zip("zyx", voxels.shape, (2.4, 1.2, 1.2), strict=True):
            volume[name] = step * np.arange(length) - 7
            volume[name].attrs["units"] = "µm"
    return Product(
        "NXtomoproc", "NeXus `default` and `signal`", path, "/scan/volume/data", voxels,
        voxel_size=(2.4, 1.2, 1.2),
        metadata={
            "title": "Mg-10Gd, 8 weeks", "sample": "S7", "instrument": "P05",
            "source": "PETRA III", "proposal": "20190013", "energy_keV": 38.0,
            "distance_mm": 50.0, "camera": "KIT CMV20000", "camera_pixel_um": 6.4,
            "camera_bits": 12, "optics": "5x", "exposure_ms": 500.0, "program": "tomopy",
            "version": "1.15.2",
        },
    )  # fmt: skip


PRODUCERS = {
    make.__name__: make
    for make in (
        nxtomoproc, httomo, volume_segmantics, ilastik, savu, dawn, nabu, data_exchange, tomocupy,
    )
}  # fmt: skip

FILTERS = {
    "gzip": {"compression": "gzip", "compression_opts": 1},
    "gzip, shuffle, fletcher32": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "scale-offset": {"scaleoffset": 0},
    "lzf": {"compression": "lzf"},
    "Blosc (lz4)": hdf5plugin.Blosc(cname="lz4"),
    "Blosc (zstd, bitshuffle)": hdf5plugin.Blosc(cname="zstd", shuffle=hdf5plugin.Blosc.BITSHUFFLE),
    "Blosc2": hdf5plugin.Blosc2(),
    "LZ4": hdf5plugin.LZ4(),
    "bitshuffle": hdf5plugin.Bitshuffle(cname="none"),
    "bitshuffle (lz4)": hdf5plugin.Bitshuffle(cname="lz4"),
    "bitshuffle (zstd)": hdf5plugin.Bitshuffle(cname="zstd"),
    "Zstandard": hdf5plugin.Zstd(),
    "bzip2": hdf5plugin.BZip2(),
}
