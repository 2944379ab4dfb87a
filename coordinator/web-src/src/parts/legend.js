/** What the colours and patterns of the timeline mean; drawn with the same pixels. */

import { useEffect, useRef } from "preact/hooks";
import { count } from "../format.js";
import { html } from "../html.js";
import { WORST_OUTCOMES } from "../model.js";
import { look, onScheme, scheme, tile } from "../palette.js";
import { Raster, inkOf, pixel } from "../timeline/raster.js";

const WIDTH = 22;
const HEIGHT = 13;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {string} name
 */
function draw(canvas, name) {
  const ratio = window.devicePixelRatio || 1;
  const now = scheme();
  const raster = new Raster(Math.round(WIDTH * ratio), Math.round(HEIGHT * ratio));
  canvas.width = raster.width;
  canvas.height = raster.height;
  raster.clear(pixel(now.band));
  const hatch = tile("up", ratio);
  if (name === "queued in the row" && hatch) {
    raster.mark(0, Math.round(3 * ratio), raster.width, Math.round(10 * ratio), hatch, pixel(now.queued));
  } else if (name === "transfer") {
    raster.bar(0, raster.width, raster.width, 0, raster.height, inkOf("succeeded", now, ratio, false));
  } else if (name === "critical path") {
    raster.fill(0, 0, raster.width, raster.height, pixel(look("succeeded")[now.name]));
    for (let i = 0; i < 2 * ratio; i++) raster.frame(i, i, raster.width - i, raster.height - i, pixel(now.path));
  } else {
    raster.bar(0, 0, raster.width, 0, raster.height, inkOf(name, now, ratio, false));
  }
  canvas.getContext("2d")?.putImageData(raster.image, 0, 0);
}

/** @param {{name: string}} props */
export function Swatch({ name }) {
  const ref = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    const canvas = ref.current;
    if (!canvas) return undefined;
    draw(canvas, name);
    return onScheme(() => draw(canvas, name));
  }, [name]);
  return html`<canvas class="swatch" ref=${ref} aria-hidden="true"></canvas>`;
}

/** @param {{run: import("../model.js").Run}} props */
export function Legend({ run }) {
  const counts = new Map();
  for (let i = 0; i < run.attemptCount; i++) counts.set(run.outcome(i), (counts.get(run.outcome(i)) ?? 0) + 1);
  const order = [...counts.keys()].sort((a, b) => WORST_OUTCOMES.indexOf(b) - WORST_OUTCOMES.indexOf(a));
  return html`<ul class="legend" aria-label="Meaning of colours and patterns">
    ${order.map((name) => html`<li key=${name}><${Swatch} name=${name} />${name} <span class="muted">${count(counts.get(name))}</span></li>`)}
    ${run.attemptCount > 0 && html`
      <li><${Swatch} name="queued in the row" />queued while the row was free</li>
      <li><${Swatch} name="transfer" />transfer of inputs</li>
      ${run.file.path.length > 0 && html`<li><${Swatch} name="critical path" />critical path</li>`}`}
  </ul>`;
}
