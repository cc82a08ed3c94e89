// Each viewer of a page starts when it comes near the window.

function keys(section, stage, controls) {
  const box = section.querySelector(".v-stage");
  let cut = CUTS[0], turned = 0;
  box.addEventListener("pointerdown", (event) => event.target.focus({ preventScroll: true }));
  box.addEventListener("pointermove", (event) => { cut = stage.cutAt(event) ?? cut; });
  section.querySelector(".v-cuts").addEventListener("wheel", (event) => {
    event.preventDefault();
    event.stopPropagation();
    if (!controls()) return;
    cut = stage.cutAt(event) ?? cut;
    if (event.ctrlKey) { stage.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15); return; }
    // a touchpad sends many small turns, a wheel few large ones
    turned += event.deltaMode ? 40 * event.deltaY : event.deltaY;
    const slices = Math.trunc(turned / 40);
    turned -= 40 * slices;
    if (slices) stage.step(cut.axis, Math.sign(slices) * Math.min(3, Math.abs(slices)));
  }, { capture: true, passive: false });
  const moves = {
    ArrowLeft: () => stage.step(cut.across, -1), ArrowRight: () => stage.step(cut.across, 1),
    ArrowUp: () => stage.step(cut.down, -1), ArrowDown: () => stage.step(cut.down, 1),
    PageUp: () => stage.step(cut.axis, -1), PageDown: () => stage.step(cut.axis, 1),
    o: () => controls().outlines.click(), r: () => reset(stage, controls()),
    v: () => {
      const names = VIEWS.map(([name]) => name);
      controls().view(names[(names.indexOf(stage.view) + 1) % names.length]);
    },
    "+": () => stage.zoom(1.25), "=": () => stage.zoom(1.25), "-": () => stage.zoom(0.8),
  };
  box.addEventListener("keydown", (event) => {
    if (!controls() || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = /^[1-9]$/.test(event.key) ? () => controls().ticks[event.key - 1]?.click() : moves[event.key];
    if (event.key !== "Tab") event.stopPropagation(); // the library has keys of its own
    if (!move) return;
    event.preventDefault();
    move();
  }, { capture: true });
}

function reset(stage, panel) {
  const [low, high] = stage.sample.scan.window;
  stage.zoom(0);
  Object.assign(panel.low, { value: low });
  Object.assign(panel.high, { value: high });
  panel.levels(low, high);
  stage.window(low, high);
  stage.go(stage.sample.shape.map((n) => Math.floor(n / 2)));
}

function frame(section) {
  const canvas = (name) => element("canvas", { ariaLabel: name, role: "img" });
  const body = element("div", { className: "v-body" },
    element("div", { className: "v-stage" },
      element("div", { className: "v-cuts" }, canvas("three orthogonal cuts")),
      element("canvas", { className: "v-lines", ariaHidden: "true" }),
      element("div", { className: "v-notes" }),
      element("div", { className: "v-space" }, canvas("surfaces in space"),
        element("b", { className: "v-caption" }))),
    element("div", { className: "v-panel" }));
  section.append(body);
  return body;
}

async function start(section) {
  const message = section.querySelector(".v-message");
  const samples = JSON.parse(section.querySelector(".v-index").textContent);
  const body = frame(section);
  let panel = null, current = null;
  const fail = (error) => {
    stage.stop();
    body.remove();
    panel = null;
    section.dataset.state = "failed";
    message.hidden = false;
    message.textContent = `The interactive viewer could not go on: ${error.message}. What it ` +
      "would show is in the pictures of this page.";
  };
  const stage = new Stage(section, (position) => panel?.tell(position));
  const choose = async (number) => {
    section.dataset.state = "loading";
    message.textContent = `Unpacking ${samples[number].name} …`;
    message.hidden = false;
    panel = null;
    await stage.show(samples[number], number);
    panel = new Panel(section, samples, stage, (chosen) => choose(chosen).catch(fail));
    panel.build(number);
    panel.tell(stage.position);
    current = number;
    message.hidden = true;
    section.dataset.state = "ready";
  };
  body.addEventListener("webglcontextlost", () => {
    fail(new Error("the graphics card gave up; reload the page"));
  }, { capture: true });
  try {
    await stage.attach();
    keys(section, stage, () => panel);
    await choose(0);
  } catch (error) {
    fail(error);
  }
  // Shows a slice of a sample, given in its own voxels; tells whether the sample is here.
  return async (name, axis, index) => {
    const number = samples.findIndex((sample) => sample.name === name);
    if (number < 0 || section.dataset.state === "failed") return false;
    if (number !== current) await choose(number).catch(fail);
    if (!panel) return false;
    const position = stage.position;
    position[AXES.indexOf(axis)] = Math.floor(index / samples[number].factor);
    stage.go(position);
    return true;
  };
}

function begin() {
  const sections = [...document.querySelectorAll(".srseg-viewer")];
  const canDraw = !!document.createElement("canvas").getContext("webgl2");
  if (!canDraw || typeof DecompressionStream === "undefined") {
    for (const section of sections) section.dataset.state = "failed"; // its message says why
    return;
  }
  const started = new Map();
  const begun = (section) => {
    if (!started.has(section)) started.set(section, start(section));
    return started.get(section);
  };
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) begun(target);
    }
  }, { rootMargin: "300px" });
  for (const section of sections) near.observe(section);
  // Elsewhere in the page: <a href="#…" data-viewer-sample="A" data-viewer-slice="z:120">
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-viewer-slice]");
    if (!link) return;
    const [axis, index] = link.dataset.viewerSlice.split(":");
    for (const section of sections) {
      const show = await begun(section);
      if (await show(link.dataset.viewerSample, axis, +index)) return;
    }
  });
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
else begin();
