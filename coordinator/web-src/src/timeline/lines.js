/** The lines of the timeline: axis, workers, critical path, and what is chosen. */

import { tickStep, tickText } from "../format.js";

/** The height of the axis, in CSS pixels. */
export const AXIS = 26;

/**
 * The left and right border of the run of an attempt on the canvas, inside of what is seen.
 * @param {import("./draw.js").Scene} scene
 * @param {number} attempt
 */
export function extent({ rows, view, width, gutter }, attempt) {
  const scale = (width - gutter) / (view.t1 - view.t0);
  const left = gutter + (rows.start[attempt] - view.t0) * scale;
  const right = gutter + (rows.end[attempt] - view.t0) * scale;
  return [Math.max(gutter, left), Math.min(width, right)];
}

/**
 * How many ms are between two marks of the axis.
 * @param {number} scale  CSS pixels per ms
 */
export const axisStep = (scale) => tickStep(86 / scale);

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./draw.js").Scene} scene
 */
export function drawAxis(context, { view, width, gutter, scheme }) {
  const scale = (width - gutter) / (view.t1 - view.t0);
  const step = axisStep(scale);
  context.textAlign = "left";
  for (let n = Math.ceil(view.t0 / step); n * step <= view.t1; n++) {
    const x = Math.round(gutter + (n * step - view.t0) * scale);
    context.fillStyle = scheme.line;
    context.fillRect(x, AXIS - 8, 1, 8);
    context.fillStyle = scheme.muted;
    if (x < width - 40) context.fillText(tickText(n * step, step), x + 5, AXIS / 2);
  }
  context.fillStyle = scheme.line;
  context.fillRect(0, AXIS - 1, width, 1);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./draw.js").Scene} scene
 */
export function drawWorkers(context, { rows, layout, view, height, gutter, scheme, width }) {
  context.save();
  context.beginPath();
  context.rect(0, AXIS, width, height - AXIS);
  context.clip();
  let free = AXIS - 4;
  for (let worker = 0; worker < rows.run.file.workers.id.length; worker++) {
    const first = rows.firstOfWorker[worker];
    const high = (rows.firstOfWorker[worker + 1] - first) * layout.lane;
    const top = AXIS + layout.tops[first] - view.top;
    const bottom = top + high;
    if (bottom < AXIS || top > height) continue;
    context.fillStyle = scheme.line;
    context.fillRect(0, Math.round(bottom + 3), width, 1);
    // The name stays in sight while any row of its worker is.
    const y = Math.max(top + Math.min(9, layout.lane / 2), AXIS + 10);
    if (y < free || y > bottom + 6) continue;
    context.fillStyle = scheme.ink;
    fillShort(context, rows.run.worker(worker), 10, y, gutter - 18);
    free = y + 14;
    if (rows.run.host(worker) && high >= 28 && y + 15 < bottom) {
      context.fillStyle = scheme.muted;
      fillShort(context, rows.run.host(worker), 10, y + 15, gutter - 18);
      free += 15;
    }
  }
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {number} room
 */
function fillShort(context, text, x, y, room) {
  let shown = text;
  if (context.measureText(shown).width > room) {
    let letters = shown.length;
    // Both ends tell workers apart; what is in the middle does not.
    while (letters > 4 && context.measureText(shown).width > room) {
      letters--;
      const half = letters >> 1;
      shown = `${text.slice(0, letters - half)}…${text.slice(text.length - half)}`;
    }
  }
  context.fillText(shown, x, y);
}

/**
 * The critical path: an outline around its attempts, or a line below those that are too narrow for
 * one, and a dashed line from each to the next.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./draw.js").Scene} scene
 */
export function drawPath(context, scene) {
  const { rows, layout, view, path, scheme } = scene;
  context.strokeStyle = context.fillStyle = scheme.path;
  context.lineWidth = 2;
  let before = -1;
  for (const attempt of path.attempts) {
    const near = rows.begin[attempt] >= view.t0 && (before < 0 || rows.end[before] <= view.t1);
    if (rows.end[attempt] >= view.t0 && rows.begin[attempt] <= view.t1) outline(context, scene, attempt, before);
    if (near && before >= 0) drawLink(context, box(scene, before), box(scene, attempt), layout.lane, scheme);
    before = attempt;
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./draw.js").Scene} scene
 * @param {number} attempt
 * @param {number} before
 */
function outline(context, scene, attempt, before) {
  const [left, right, y] = box(scene, attempt);
  const { lane } = scene.layout;
  if (right - left > 7 && lane > 7) {
    context.strokeRect(left + 1, y + 1, right - left - 2, lane - 3);
    return;
  }
  // Of thousands in one pixel, the first is enough.
  const [last, , row] = before < 0 ? [-1, -1, -1] : box(scene, before);
  if (Math.round(last) === Math.round(left) && row === y && right - left < 1) return;
  context.fillRect(left, y + lane - 3, Math.max(2, right - left), 2);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {[number, number, number]} from
 * @param {[number, number, number]} to
 * @param {number} lane
 * @param {import("../palette.js").Scheme} scheme
 */
function drawLink(context, from, to, lane, scheme) {
  const [, right, y0] = from;
  const [left, , y1] = to;
  if (Math.abs(y0 - y1) < 1 && left - right < 3) return;
  context.save();
  context.lineWidth = 1;
  context.globalAlpha = 0.65;
  context.strokeStyle = scheme.path;
  context.setLineDash([3, 2]);
  context.beginPath();
  context.moveTo(right, y0 + lane / 2);
  context.lineTo(left, y1 + lane / 2);
  context.stroke();
  context.restore();
}

/**
 * The place of an attempt on the canvas, also out of sight: left, right and top.
 * @param {import("./draw.js").Scene} scene
 * @param {number} attempt
 * @returns {[number, number, number]}
 */
function box({ rows, layout, view, width, gutter }, attempt) {
  const scale = (width - gutter) / (view.t1 - view.t0);
  const x = (/** @type {number} */ time) => gutter + (time - view.t0) * scale;
  // A canvas draws wrong what is millions of pixels away.
  const near = (/** @type {number} */ value) => Math.max(-4000, Math.min(width + 4000, value));
  const top = AXIS + layout.tops[rows.rowOf[attempt]] - view.top;
  return [near(x(rows.begin[attempt])), near(x(rows.end[attempt])), top];
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./draw.js").Scene} scene
 */
export function drawChosen(context, scene) {
  const { rows, layout, selected, hovered, scheme, view, width, gutter } = scene;
  for (const [attempt, line] of /** @type {[number, number][]} */ ([[hovered, 1.5], [selected, 3]])) {
    if (attempt < 0 || rows.rowOf[attempt] < 0) continue;
    const [left, right, y] = box(scene, attempt);
    context.strokeStyle = scheme.select;
    context.fillStyle = scheme.select;
    context.lineWidth = line;
    context.strokeRect(left - 1, y - 1, Math.max(3, right - left) + 1, layout.lane + 1);
    const queued = rows.run.file.attempts.queued_at[attempt];
    if (attempt !== selected || queued === null) continue;
    const from = gutter + ((queued - view.t0) * (width - gutter)) / (view.t1 - view.t0);
    context.fillRect(Math.max(gutter, from), y + layout.lane / 2 - 1, Math.max(0, left - Math.max(gutter, from)), 2);
  }
}

/**
 * At the right border: which part of the rows is shown, if not all are.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./draw.js").Scene} scene
 */
export function drawSlider(context, { layout, view, width, height, scheme }) {
  const room = height - AXIS;
  if (layout.total <= room) return;
  const long = Math.max(24, (room * room) / layout.total);
  const top = AXIS + (view.top / (layout.total - room)) * (room - long);
  context.fillStyle = scheme.muted;
  context.globalAlpha = 0.7;
  context.beginPath();
  context.roundRect(width - 8, top + 2, 5, long - 4, 2.5);
  context.fill();
  context.globalAlpha = 1;
}
