// The three cuts and the picture in space, drawn by NiiVue.

class Stage {
  constructor(section, onMove) {
    this.section = section;
    this.onMove = onMove;
    this.box = section.querySelector(".v-stage");
    this.notes = section.querySelector(".v-notes");
    this.notes.append(...CUTS.map((cut) => {
      const axes = `→ ${AXES[cut.across]}  ↓ ${AXES[cut.down]}`;
      const note = element("div", { className: "v-note", hidden: true }, element("b"),
        element("i", { textContent: axes }), element("span", { className: "v-bar" }));
      note.dataset.cut = cut.name;
      return note;
    }));
    this.view = "all";
    this.outlines = false;
    this.jobs = new Set();
    this.update = () => this.cuts.updateGLVolume();
    this.updateScan = () => this.cuts.refreshLayers(this.layers[0].image, 0);
    this.drawCuts = () => {}; // as after all jobs
    this.drawSpace = () => this.space.drawScene();
  }

  async attach() {
    const [flat, space] = this.section.querySelectorAll("canvas[role=img]");
    this.cuts = new niivue.Niivue({ ...OPTIONS, crosshairWidth: 0, sliceType: 0 });
    this.space = new niivue.Niivue({ ...OPTIONS, crosshairWidth: 0.6, sliceType: 4 });
    await this.cuts.attachToCanvas(flat);
    await this.space.attachToCanvas(space);
    this.cuts.addColormap("srseg-map", MAP_COLORS);
    this.cuts.onLocationChange = () => this.moved();
    // of its empty volume nothing is to be seen, and to look takes long without a graphics card
    this.space.drawImage3D = () => {};
    for (const nv of [this.cuts, this.space]) {
      const draw = nv.drawScene.bind(nv);
      nv.drawScene = () => {
        if (this.sample) draw();
        if (nv === this.cuts) this.annotate();
      };
    }
    this.resized = new ResizeObserver(() => this.cuts.drawScene());
    this.resized.observe(this.box);
  }

  stop() {
    this.sample = null; // nothing is drawn from now on
    this.jobs.clear();
    this.resized?.disconnect();
  }

  async show(sample, number) {
    const read = (key) => unpacked(this.section, `${number}-${key}`);
    this.sample = null;
    for (const nv of [this.cuts, this.space]) {
      nv.updateGLVolume = () => {}; // it goes through all voxels, and is due once all are there
      [...nv.meshes].forEach((m) => nv.removeMesh(m));
      [...nv.volumes].reverse().forEach((v) => nv.removeVolume(v));
    }
    const scan = { kind: "scan", voxels: new Uint8Array(await read(sample.scan.key)), ...sample.scan };
    this.layers = [scan];
    for (const [kind, list] of [["labels", sample.labels], ["map", sample.maps]]) {
      for (const layer of list) {
        this.layers.push({ kind, voxels: new Uint8Array(await read(layer.key)), ...layer });
      }
    }
    for (const layer of this.layers) {
      layer.on = layer.kind === "scan" || layer === this.layers[sample.labels.length];
      layer.opacity = { scan: 1, labels: 0.5, map: 0.6 }[layer.kind];
      layer.hidden = new Set();
      layer.image = await this.image(sample, layer);
      layer.image.opacity = this.opacity(layer);
      this.cuts.addVolume(layer.image);
    }
    await this.surfaces(sample, read);
    const [low, high] = sample.scan.window;
    Object.assign(scan.image, { cal_min: low, cal_max: high });
    for (const nv of [this.cuts, this.space]) {
      delete nv.updateGLVolume;
      nv.updateGLVolume();
    }
    this.sample = sample;
    this.arrange(this.view);
    this.go(sample.shape.map((n) => Math.floor(n / 2)));
  }

  async image(sample, layer) {
    if (layer.kind !== "map") {
      const made = await image(sample, layer.kind, layer.voxels, "gray");
      layer.voxels = made.img; // once in memory is enough
      if (layer.kind === "labels") this.colour(layer, made);
      return made;
    }
    // with type 1 the library makes a voxel as opaque as the square of its value, up to cal_min
    const roots = Uint8Array.from({ length: 256 }, (_, v) => Math.round(Math.sqrt(255 * v)));
    const made = await image(sample, layer.kind, layer.voxels.map((v) => roots[v]), "srseg-map");
    return Object.assign(made, { colormapType: 1, cal_min: 255, cal_max: 255 });
  }

  async surfaces(sample, read) {
    // an empty volume gives the picture in space its size, and the crosshair
    const coarse = { ...sample, shape: [2, 2, 2], factor: 1,
      voxel: sample.voxel.map((v, i) => (v * sample.factor * sample.shape[i]) / 2) };
    const empty = await image(coarse, "empty", new Uint8Array(8), "gray");
    // the same outer faces as the cuts: half a small voxel from the first centre
    const [x, y, z] = spacing(sample), [cx, cy, cz] = spacing(coarse);
    empty.hdr.affine = [[cx, 0, 0, (cx - x) / 2], [0, -cy, 0, (y - cy) / 2],
      [0, 0, -cz, (z - cz) / 2], [0, 0, 0, 1]];
    empty.calculateRAS();
    this.space.addVolume(empty);
    this.meshes = [];
    for (const layer of this.layers.filter((l) => l.kind === "labels")) {
      for (const [position, known] of Object.entries(layer.surfaces)) {
        const corners = new Uint16Array(await read(known.corners));
        const triangles = new Uint32Array(await read(known.triangles));
        const color = new Uint8Array([...rgb(layer.classes[position].color), 255]);
        const buffer = mesh(sample, corners, triangles);
        const made = await niivue.NVMesh.readMesh(buffer, "surface.mz3", this.space.gl, 1, color);
        this.meshes.push({ layer, position: +position, made });
        this.space.addMesh(made);
      }
    }
    const sets = this.layers.filter((l) => l.kind === "labels" && Object.keys(l.surfaces).length);
    this.solid = sets.at(-1) ?? null;
    this.solidClasses = new Set();
    for (const layer of sets) {
      for (const [position, known] of Object.entries(layer.surfaces)) {
        if (known.shown) this.solidClasses.add(layer.classes[position].name);
      }
    }
    this.space.setRenderAzimuthElevation(120, 15);
    this.showSolid();
  }

  showSolid() {
    for (const { layer, position, made } of this.meshes) {
      made.visible = layer === this.solid && this.solidClasses.has(layer.classes[position].name);
    }
    const caption = this.solid ? `surface of ${this.solid.name}` : "no labels to show in space";
    this.section.querySelector(".v-caption").textContent = caption;
    this.space.drawScene();
  }

  colour(layer, picture = layer.image) {
    const classes = [...layer.classes, UNLABELLED];
    const map = { R: [], G: [], B: [], A: [], I: [], labels: classes.map((c) => c.name) };
    classes.forEach((entry, i) => {
      const [r, g, b] = rgb(entry.color);
      const alpha = i === 0 || layer.hidden.has(entry.name) ? 0 : 255;
      [r, g, b, alpha, i].forEach((value, k) => map["RGBAI"[k]].push(value));
    });
    picture.setColormapLabel(map);
  }

  // Colours go through all voxels, and pictures take their time: at most once for each frame.
  soon(job) {
    if (!this.jobs.size) {
      requestAnimationFrame(() => {
        const jobs = [...this.jobs];
        this.jobs.clear();
        if (!this.sample) return;
        for (const each of jobs) each();
        if (jobs.some((each) => each !== this.drawSpace)) this.cuts.drawScene();
      });
    }
    this.jobs.add(job);
  }

  refresh() {
    for (const layer of this.layers) layer.image.opacity = this.opacity(layer);
    this.soon(this.update);
  }

  window(low, high) {
    Object.assign(this.layers[0].image, { cal_min: low, cal_max: Math.max(high, low + 1) });
    this.soon(this.updateScan);
  }

  outline(wanted) {
    this.outlines = wanted;
    this.refresh();
  }

  opacity(layer) {
    return layer.on && !(this.outlines && layer.kind === "labels") ? layer.opacity : 0;
  }

  // The column and row of each cut are as large as the sample, so that all have one scale.
  arrange(view) {
    this.view = view;
    const [z, y, x] = this.sample.shape.map((n, i) => n * this.sample.voxel[i]);
    const least = 0.25 * Math.max(x, y, z);
    const [width, side, depth, height] = [x, y, z, y].map((v) => Math.max(v, least));
    const columns = width / (width + side), rows = height / (height + depth);
    const quarters = {
      rc: [0, 0, columns, rows], solid: [columns, 0, 1 - columns, rows],
      cp: [0, rows, columns, 1 - rows], pr: [columns, rows, 1 - columns, 1 - rows],
    };
    const shown = CUTS.filter((cut) => view === "all" || view === cut.name);
    const place = (name) => (view === "all" ? quarters[name] : [0, 0, 1, 1]);
    const one = CUTS.find((cut) => cut.name === view);
    const extent = [z, y, x];
    const ratio = one ? extent[one.across] / Math.max(extent[one.down], least)
      : view === "all" ? (width + side) / (height + depth) : 1;
    this.box.style.setProperty("--ratio", Math.min(3, Math.max(0.5, ratio)));
    const space = this.section.querySelector(".v-space");
    space.hidden = view !== "all" && view !== "3d";
    const [left, top, w, h] = view === "3d" ? [0, 0, 1, 1] : quarters.solid;
    const percent = { left, top, width: w, height: h };
    for (const key in percent) space.style[key] = `${100 * percent[key]}%`;
    this.cuts.setCustomLayout(
      shown.map((cut) => ({ sliceType: cut.type, position: place(cut.name) }))
    );
    this.cuts.resizeListener();
    if (!space.hidden) this.space.resizeListener();
  }

  // Position (z, y, x) in shown voxels, from the crosshair.
  get position() {
    const mm = this.cuts.frac2mm(this.cuts.scene.crosshairPos);
    return spacing(this.sample).map((step, axis) => Math.round(((axis ? -1 : 1) * mm[axis]) / step))
      .reverse().map((i, axis) => Math.min(this.sample.shape[axis] - 1, Math.max(0, i)));
  }

  go(position) {
    const [x, y, z] = spacing(this.sample);
    const [k, j, i] = position.map((v, a) => Math.min(this.sample.shape[a] - 1, Math.max(0, v)));
    this.cuts.scene.crosshairPos = this.cuts.mm2frac([i * x, -j * y, -k * z]);
    this.soon(this.drawCuts);
    this.moved();
  }

  step(axis, by) {
    const position = this.position;
    position[axis] += by;
    this.go(position);
  }

  moved() {
    if (!this.sample) return;
    this.space.scene.crosshairPos = this.cuts.scene.crosshairPos;
    this.soon(this.drawSpace);
    this.onMove(this.position);
  }

  zoom(by) {
    const pan = this.cuts.scene.pan2Dxyzmm;
    const zoom = by ? Math.min(20, Math.max(0.5, pan[3] * by)) : 1;
    const mm = this.cuts.frac2mm(this.cuts.scene.crosshairPos);
    for (let i = 0; i < 3; i++) pan[i] = by ? pan[i] + (pan[3] - zoom) * mm[i] : 0;
    pan[3] = zoom;
    this.cuts.drawScene();
  }

  cutAt(event) {
    const at = this.cuts.canvas.getBoundingClientRect();
    const scale = this.cuts.uiData.dpr;
    const tile = this.cuts.tileIndex((event.clientX - at.left) * scale, (event.clientY - at.top) * scale);
    return CUTS.find((cut) => cut.type === this.cuts.screenSlices[tile]?.axCorSag);
  }

  get tiles() {
    if (this.view === "3d") return [];
    return this.cuts.screenSlices.filter((tile) => tile.axCorSag < 3);
  }

  // Over the canvas: lines, and the name, slice number and scale bar of each cut.
  annotate() {
    if (!this.sample) return;
    const scale = this.cuts.uiData.dpr;
    const position = this.position;
    drawLines(this.section.querySelector(".v-lines"), this);
    for (const cut of CUTS) {
      const tile = this.tiles.find((t) => t.axCorSag === cut.type);
      const note = this.notes.querySelector(`[data-cut=${cut.name}]`);
      note.hidden = !tile;
      if (!tile) continue;
      const [left, top, width, height] = tile.leftTopWidthHeight.map((v) => v / scale);
      Object.assign(note.style, {
        left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
      const pixels = width / Math.abs(tile.fovMM[0]) / 1000; // for a µm
      const [length, text] = roundLength(width / 3.5 / pixels);
      const [name, axes, bar] = note.children;
      axes.hidden = width < 130; // it would lie over the name
      name.textContent = `${cut.name} · ${AXES[cut.axis]} ${position[cut.axis] * this.sample.factor}`;
      bar.textContent = text;
      bar.style.width = `${length * pixels}px`;
    }
  }
}
