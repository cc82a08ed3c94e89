// What is drawn in which way, and what Python packed: voxels and surfaces, gzipped, as base64.

const CUTS = [
  { name: "rc", axis: 0, across: 2, down: 1, type: 0 },
  { name: "cp", axis: 1, across: 2, down: 0, type: 1 },
  { name: "pr", axis: 2, across: 1, down: 0, type: 2 },
];
const AXES = ["z", "y", "x"];
const OPTIONS = {
  logLevel: "error", loadingText: "", isOrientationTextVisible: false, sagittalNoseLeft: true,
  dragAndDropEnabled: false, isNearestInterpolation: true, crosshairWidthUnit: "percent",
  crosshairColor: [1, 1, 1, 0.55], backColor: [0.06, 0.06, 0.07, 1], meshThicknessOn2D: 0,
  clipPlaneHotKey: "", viewModeHotKey: "", cycleClipPlaneHotKey: "", show3Dcrosshair: true,
};
// yellow: none of the colours that classes are given by default
const MAP_COLORS = { R: [255, 255], G: [235, 235], B: [0, 0], A: [0, 255], I: [0, 255] };
const UNLABELLED = { name: "unlabelled", color: "#777777" };

async function unpacked(section, key) {
  const element = section.querySelector(`script.v-data[data-key="${key}"]`);
  const letters = atob(element.textContent);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

const rgb = (color) => [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));

// The library takes lengths for mm. The second and third axis count backwards: its pictures have
// their origin at the bottom, ours at the top.
function spacing(sample) {
  return sample.voxel.map((size) => (size * sample.factor) / 1000).reverse();
}

async function image(sample, name, voxels, colormap) {
  const shape = [...sample.shape].reverse();
  const [x, y, z] = spacing(sample);
  const affine = [x, 0, 0, 0, 0, -y, 0, 0, 0, 0, -z, 0, 0, 0, 0, 1];
  const file = niivue.NVImage.createNiftiArray(shape, [x, y, z], affine, 2, voxels);
  return niivue.NVImage.new(file.buffer, `${name}.nii`, colormap, 1, null, 0, 255);
}

// A surface in the format MZ3: a header, triangles, then corners (x, y, z).
function mesh(sample, corners, triangles) {
  const n = corners.length / 3;
  const buffer = new ArrayBuffer(16 + 4 * triangles.length + 12 * n);
  const header = new DataView(buffer);
  [0x5a4d, 3].forEach((value, i) => header.setUint16(2 * i, value, true));
  [triangles.length / 3, n, 0].forEach((value, i) => header.setUint32(4 + 4 * i, value, true));
  new Uint32Array(buffer, 16, triangles.length).set(triangles);
  const points = new Float32Array(buffer, 16 + 4 * triangles.length, 3 * n);
  const steps = spacing(sample);
  for (let i = 0; i < n; i++) {
    for (let axis = 0; axis < 3; axis++) {
      const share = corners[3 * i + 2 - axis] / 65535;
      const place = share * sample.shape[2 - axis] - 0.5;
      points[3 * i + axis] = (axis ? -1 : 1) * place * steps[axis];
    }
  }
  return buffer;
}

// A round length that fits into some µm, and how it is written.
function roundLength(longest) {
  const power = 10 ** Math.floor(Math.log10(longest));
  const length = [5, 2, 1].map((n) => n * power).find((n) => n <= longest);
  const text = length < 1000 ? `${+length.toPrecision(3)} µm` : `${+(length / 1000).toPrecision(3)} mm`;
  return [length, text];
}
