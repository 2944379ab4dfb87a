/** The strip below the timeline: how much ran at once, and which part is shown above. */

import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { blend, look, onScheme, scheme } from "../palette.js";
import { whole } from "./view.js";

const BINS = 600;

/**
 * How many attempts ran at once in each part of the run, and whether one failed there.
 * @param {import("./rows.js").Rows} rows
 */
export function concurrency(rows) {
  const { run } = rows;
  const scale = BINS / run.length;
  const busy = new Float64Array(BINS + 1);
  const failed = new Uint8Array(BINS + 1);
  for (let i = 0; i < run.attemptCount; i++) {
    if (rows.rowOf[i] < 0) continue;
    const [from, to] = [rows.begin[i] * scale, rows.end[i] * scale];
    for (let bin = Math.floor(from); bin <= Math.min(BINS - 1, Math.floor(to)); bin++) {
      busy[bin] += Math.min(to, bin + 1) - Math.max(from, bin);
    }
    if (["failed", "lost", "timed out"].includes(run.outcome(i))) failed[Math.min(BINS - 1, Math.floor(to))] = 1;
  }
  return { busy, failed, most: busy.reduce((a, b) => Math.max(a, b), 0) };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {ReturnType<typeof concurrency>} levels
 * @param {import("./board.js").Board} board
 */
function draw(canvas, levels, board) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const context = canvas.getContext("2d");
  if (!context || width < 2) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const now = scheme();
  const left = board.gutter;
  const across = width - left;
  const x = (/** @type {number} */ bin) => left + ((bin / BINS) * across * board.length) / whole(board.length).t1;
  context.fillStyle = blend(look("succeeded")[now.name], now.back, 0.55);
  context.beginPath();
  context.moveTo(left, height);
  for (let bin = 0; bin < BINS; bin++) {
    const y = height - (levels.busy[bin] / Math.max(1e-9, levels.most)) * (height - 8);
    context.lineTo(x(bin), y);
    context.lineTo(x(bin + 1), y);
  }
  context.lineTo(x(BINS), height);
  context.fill();
  context.fillStyle = look("failed")[now.name];
  for (let bin = 0; bin < BINS; bin++) if (levels.failed[bin]) context.fillRect(x(bin) - 1, 0, 2.5, 5);
  drawWindow(context, board, left, across, height, now);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./board.js").Board} board
 * @param {number} left
 * @param {number} across
 * @param {number} height
 * @param {import("../palette.js").Scheme} now
 */
function drawWindow(context, board, left, across, height, now) {
  const x = (/** @type {number} */ time) => left + (time / whole(board.length).t1) * across;
  const [from, to] = [x(board.view.t0), Math.min(left + across, x(board.view.t1))];
  context.fillStyle = now.back;
  context.globalAlpha = 0.6;
  context.fillRect(left, 0, from - left, height);
  context.fillRect(to, 0, left + across - to, height);
  context.globalAlpha = 1;
  context.strokeStyle = now.muted;
  context.strokeRect(from + 0.5, 0.5, Math.max(3, to - from - 1), height - 1);
  context.fillStyle = now.muted;
  context.font = '11px system-ui, -apple-system, "Segoe UI", sans-serif';
  context.textBaseline = "middle";
  if (left > 100) context.fillText("running at once", 10, height / 2);
}

/**
 * @param {{levels: ReturnType<typeof concurrency>, board: import("./board.js").Board | null, viewed: {at: (() => void) | null}}} props
 */
export function Overview({ levels, board, viewed }) {
  const ref = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    const canvas = ref.current;
    if (!canvas || !board) return undefined;
    let frame = 0;
    const redraw = () => {
      if (!frame) frame = requestAnimationFrame(() => { frame = 0; draw(canvas, levels, board); });
    };
    viewed.at = redraw;
    const sizes = new ResizeObserver(redraw);
    sizes.observe(canvas);
    const forget = onScheme(redraw);
    redraw();
    return () => { viewed.at = null; sizes.disconnect(); forget(); cancelAnimationFrame(frame); };
  }, [board]);
  const move = (/** @type {PointerEvent} */ event) => {
    if (!board || !(event.buttons & 1) || !ref.current) return;
    ref.current.setPointerCapture(event.pointerId);
    const at = event.clientX - ref.current.getBoundingClientRect().left - board.gutter;
    const middle = (at / (board.width - board.gutter)) * whole(board.length).t1;
    const half = (board.view.t1 - board.view.t0) / 2;
    board.show({ ...board.view, t0: middle - half, t1: middle + half });
  };
  return html`<canvas class="overview" ref=${ref} aria-hidden="true" onPointerDown=${move} onPointerMove=${move} />`;
}
