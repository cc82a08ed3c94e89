// The controls beside the cuts.

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const slider = (label, min, max, step, value, oninput) => element("input", {
  type: "range", min, max, step, value, title: label, ariaLabel: label,
  oninput() { oninput(+this.value); } });

const tick = (label, checked, onchange) => element("input", {
  type: "checkbox", checked, ariaLabel: label, onchange() { onchange(this.checked); } });

const HELP = "Wheel: next slice. Click or drag: position. Right drag: window and level. " +
  "Shift + drag: move; Ctrl + wheel or + and −: zoom. Keys: arrows move, Page Up and Page Down " +
  "change the slice of the cut under the pointer, 1–9 overlays, o outlines, v view, r reset.";
const VIEWS = [["all", "All"], ["rc", "rc"], ["cp", "cp"], ["pr", "pr"], ["3d", "3D"]];
// NiiVue's numbers for what a drag does
const DRAGS = [[8, "position"], [9, "window"], [3, "move"]];

class Panel {
  constructor(section, samples, stage, choose) {
    Object.assign(this, { section, samples, stage, choose });
    this.root = section.querySelector(".v-panel");
  }

  build(number) {
    const { stage } = this;
    const sample = this.samples[number];
    const blocks = [];
    if (this.samples.length > 1) {
      const options = this.samples.map((s, i) =>
        element("option", { value: i, textContent: s.name, selected: i === number }));
      const select = element("select", { className: "v-sample", ariaLabel: "Sample",
        onchange: () => this.choose(+select.value) }, ...options);
      blocks.push(element("label", {}, "Sample ", select));
    }
    this.views = VIEWS.map(([name, text]) => element("button", { type: "button", name,
      textContent: text, ariaPressed: name === stage.view, onclick: () => this.view(name) }));
    blocks.push(element("div", { className: "v-views", role: "group", ariaLabel: "View" }, ...this.views));
    blocks.push(this.slices(sample), this.overlays(), this.classes(), this.greys(sample));
    this.readout = element("table", { className: "v-readout" });
    blocks.push(this.readout);
    const size = (factor) => sample.voxel.map((v) => +(v * factor).toPrecision(4));
    const text = (sizes) => (new Set(sizes).size > 1 ? sizes.join(" × ") : sizes[0]);
    const shown = sample.factor === 1 ? `Shown in its own voxels of ${text(size(1))} µm.`
      : `Shown in voxels of ${text(size(sample.factor))} µm, each of ${sample.factor}³ voxels of ` +
        `${text(size(1))} µm: mean grey value, most frequent class.`;
    blocks.push(element("p", { className: "v-size", textContent: shown }));
    blocks.push(element("p", { className: "v-help", textContent: HELP }));
    this.root.replaceChildren(...blocks);
    this.drag(DRAGS[0][0]);
  }

  slices(sample) {
    this.places = AXES.map((axis, i) => slider(`slice along ${axis}`, 0, sample.shape[i] - 1, 1, 0,
      (value) => { const p = this.stage.position; p[i] = value; this.stage.go(p); }));
    this.numbers = AXES.map(() => element("output"));
    const rows = AXES.map((axis, i) => element("div", { className: "v-row" },
      element("span", { textContent: `${CUTS[i].name} · ${axis}` }), this.places[i], this.numbers[i]));
    return element("fieldset", { className: "v-slices" }, element("legend", { textContent: "Slices" }), ...rows);
  }

  overlays() {
    const { stage } = this;
    this.ticks = [];
    const rows = stage.layers.slice(1).map((layer, i) => {
      const box = tick(`show ${layer.name}`, layer.on, (on) => { layer.on = on; stage.refresh(); });
      this.ticks.push(box);
      return element("div", { className: "v-row" },
        element("label", {}, box, element("kbd", { textContent: i < 9 ? i + 1 : "" }), ` ${layer.name}`),
        slider(`opacity of ${layer.name}`, 0, 1, 0.05, layer.opacity,
          (value) => { layer.opacity = value; stage.refresh(); }));
    });
    this.outlines = tick("outlines only", stage.outlines, (on) => stage.outline(on));
    const outlines = element("label", {}, this.outlines, element("kbd", { textContent: "o" }), " outlines only");
    const legend = element("legend", { textContent: "Overlays" });
    const field = element("fieldset", { className: "v-overlays" }, legend, ...rows);
    if (stage.layers.some((l) => l.kind === "labels")) field.append(outlines);
    field.hidden = !rows.length;
    return field;
  }

  classes() {
    const { stage } = this;
    const sets = stage.layers.filter((l) => l.kind === "labels");
    const known = new Map(sets.flatMap((l) => l.classes.slice(1)).map((c) => [c.name, c.color]));
    // unlabelled voxels have the number after that of the last class
    if (sets.some((l) => l.voxels.includes(l.classes.length))) {
      known.set(UNLABELLED.name, UNLABELLED.color);
    }
    const solid = new Set(stage.meshes.map((m) => m.layer.classes[m.position].name));
    const rows = [...known].map(([name, color]) => {
      const cuts = tick(`${name} in the cuts`, true, (on) => {
        for (const layer of sets) {
          layer.hidden[on ? "delete" : "add"](name);
          stage.colour(layer);
        }
        stage.refresh();
      });
      const space = tick(`${name} in 3D`, stage.solidClasses.has(name), (on) => {
        stage.solidClasses[on ? "add" : "delete"](name);
        stage.showSolid();
      });
      const swatch = element("span", { className: "v-swatch" });
      swatch.style.background = color;
      return element("tr", {}, element("td", {}, swatch, ` ${name}`), element("td", {}, cuts),
        element("td", {}, ...(solid.has(name) ? [space] : [])));
    });
    const head = element("tr", {}, ...["Class", "cuts", "3D"].map((t) => element("th", { textContent: t })));
    const table = element("table", { className: "v-classes" }, head, ...rows);
    const solids = sets.filter((l) => stage.meshes.some((m) => m.layer === l));
    const choice = element("select", { ariaLabel: "Label set in 3D", className: "v-solid",
      onchange() { stage.solid = solids[+this.value]; stage.showSolid(); } },
    ...solids.map((l, i) => element("option", { value: i, textContent: l.name, selected: l === stage.solid })));
    const block = element("div", { hidden: !sets.length }, table);
    if (solids.length > 1) block.append(element("label", {}, "In 3D: ", choice));
    return block;
  }

  greys(sample) {
    const { stage } = this;
    const [low, high] = sample.scan.window;
    const changed = () => {
      stage.window(+this.low.value, +this.high.value);
      this.levels(+this.low.value, +this.high.value);
    };
    this.low = slider("darkest grey value", 0, 254, 1, low, changed);
    this.high = slider("brightest grey value", 1, 255, 1, high, changed);
    this.level = element("output", { className: "v-level" });
    stage.cuts.onIntensityChange = (volume) => {
      this.low.value = volume.cal_min;
      this.high.value = volume.cal_max;
      this.levels(volume.cal_min, volume.cal_max);
    };
    this.drags = DRAGS.map(([mode, text]) => element("button", { type: "button",
      textContent: text, onclick: () => this.drag(mode) }));
    const rows = [["dark", this.low], ["bright", this.high]].map(([text, input]) =>
      element("div", { className: "v-row" }, element("span", { textContent: text }), input));
    const field = element("fieldset", { className: "v-greys" },
      element("legend", { textContent: "Grey values" }), ...rows, this.level,
      element("div", { className: "v-views", role: "group", ariaLabel: "What a drag does" },
        element("span", { textContent: "Drag: " }), ...this.drags));
    this.levels(low, high);
    return field;
  }

  grey(value) {
    const { low, step } = this.stage.layers[0];
    return String(+(low + step * value).toPrecision(4));
  }

  // The outermost grey values also stand for what lies beyond, the first for what is no number.
  greyOf(value) {
    const { beyond, gaps } = this.stage.layers[0];
    const sign = value === 0 && beyond[0] ? "≤ " : value === 255 && beyond[1] ? "≥ " : "";
    return `${sign}${this.grey(value)}${value === 0 && gaps ? ", or none" : ""}`;
  }

  levels(low, high) {
    this.level.textContent = `${this.grey(low)} to ${this.grey(high)}`;
  }

  drag(mode) {
    this.drags.forEach((b, i) => { b.ariaPressed = DRAGS[i][0] === mode; });
    const { opts } = this.stage.cuts;
    opts.mouseEventConfig = { leftButton: { primary: mode, withShift: 3, withCtrl: 9 }, rightButton: 9, centerButton: 3 };
    opts.touchEventConfig = { singleTouch: mode, doubleTouch: 3 };
  }

  view(name) {
    this.stage.arrange(name);
    this.views.forEach((b) => { b.ariaPressed = b.name === name; });
  }

  // Where the crosshair is, and what is there: classes by their names.
  tell(position) {
    const { sample, layers } = this.stage;
    const { factor, shape } = sample;
    position.forEach((value, i) => {
      this.places[i].value = value;
      this.numbers[i].textContent = value * factor;
    });
    const middle = position.map((v, i) => Math.min(v * factor + (factor - 1) / 2, sample.full[i] - 1));
    const place = sample.origin.map((o, i) =>
      Math.round(o + middle.reduce((sum, v, a) => sum + v * sample.steps[a][i], 0)));
    const at = (position[0] * shape[1] + position[1]) * shape[2] + position[2];
    const rows = [["voxel z, y, x", position.map((v) => v * factor).join(", ")],
      ["position z, y, x", `${place.join(", ")} µm`]];
    for (const layer of layers) {
      const value = layer.voxels[at];
      const text = { scan: () => this.greyOf(value), map: () => (value / 255).toFixed(2),
        labels: () => (layer.classes[value] ?? UNLABELLED).name }[layer.kind]();
      rows.push([layer.kind === "scan" ? "grey value" : layer.name, text]);
    }
    this.readout.replaceChildren(...rows.map(([name, text]) => element("tr", {},
      element("th", { scope: "row", textContent: name }), element("td", { textContent: text }))));
    this.section.dataset.position = position.join(",");
  }
}
