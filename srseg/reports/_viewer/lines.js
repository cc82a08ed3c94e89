// Lines over the cuts: the crosshair with a gap in its middle, and the borders of classes.

// How places in a cut, in voxels from the first centre, become pixels of the window.
function placed(tile, cut, sample, scale) {
  const [left, top, width, height] = tile.leftTopWidthHeight.map((v) => v / scale);
  const steps = spacing(sample).reverse();
  const across = ((cut.across === 2 ? 1 : -1) * steps[cut.across] * width) / tile.fovMM[0];
  const down = (steps[cut.down] * height) / tile.fovMM[1];
  return {
    rectangle: [left, top, width, height],
    x: (u) => left - (tile.leftTopMM[0] * width) / tile.fovMM[0] + u * across,
    y: (v) => top + height + (tile.leftTopMM[1] * height) / tile.fovMM[1] + v * down,
    pixel: Math.abs(across),
  };
}

function crosshair(pen, place, u, v) {
  const [left, top, width, height] = place.rectangle;
  const [x, y] = [place.x(u), place.y(v)].map((p) => Math.round(p) + 0.5);
  const gap = Math.max(8, place.pixel);
  pen.lineWidth = 1;
  pen.strokeStyle = "rgba(255, 255, 255, 0.6)";
  pen.beginPath();
  for (const [a, b, c, d] of [[left, y, x - gap, y], [x + gap, y, left + width, y],
    [x, top, x, y - gap], [x, y + gap, x, top + height]]) {
    if (a <= c && b <= d) { pen.moveTo(a, b); pen.lineTo(c, d); }
  }
  pen.stroke();
}

// The edges between pixels of different classes, in the colour of the later class of the table.
function borders(pen, place, cut, position, sample, layer) {
  const strides = [sample.shape[1] * sample.shape[2], sample.shape[2], 1];
  const start = position[cut.axis] * strides[cut.axis];
  const [right, below] = [strides[cut.across], strides[cut.down]];
  const [columns, rows] = [sample.shape[cut.across], sample.shape[cut.down]];
  const seen = layer.classes.map((c, i) => (i > 0 && !layer.hidden.has(c.name) ? i : 0));
  seen.push(0); // unlabelled
  const paths = layer.classes.map(() => new Path2D());
  for (let v = 0; v < rows; v++) {
    for (let u = 0; u < columns; u++) {
      const at = start + v * below + u * right;
      const here = seen[layer.voxels[at]];
      const next = u + 1 < columns ? seen[layer.voxels[at + right]] : here;
      const under = v + 1 < rows ? seen[layer.voxels[at + below]] : here;
      if (next !== here) {
        const x = place.x(u + 0.5), path = paths[Math.max(here, next)];
        path.moveTo(x, place.y(v - 0.5));
        path.lineTo(x, place.y(v + 0.5));
      }
      if (under !== here) {
        const y = place.y(v + 0.5), path = paths[Math.max(here, under)];
        path.moveTo(place.x(u - 0.5), y);
        path.lineTo(place.x(u + 0.5), y);
      }
    }
  }
  pen.lineWidth = 1.5;
  paths.forEach((path, i) => {
    pen.strokeStyle = layer.classes[i].color;
    pen.stroke(path);
  });
}

function drawLines(canvas, stage) {
  const { sample, layers, position, outlines } = stage;
  const scale = stage.cuts.uiData.dpr;
  const box = stage.cuts.canvas;
  if (canvas.width !== box.width || canvas.height !== box.height) {
    Object.assign(canvas, { width: box.width, height: box.height });
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  for (const tile of stage.tiles) {
    const cut = CUTS.find((c) => c.type === tile.axCorSag);
    const place = placed(tile, cut, sample, scale);
    pen.save();
    pen.beginPath();
    pen.rect(...place.rectangle);
    pen.clip();
    for (const layer of layers) {
      if (outlines && layer.kind === "labels" && layer.on) {
        borders(pen, place, cut, position, sample, layer);
      }
    }
    crosshair(pen, place, position[cut.across], position[cut.down]);
    pen.restore();
  }
}
