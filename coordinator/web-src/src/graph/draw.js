/** Draws the graph of families. */

import { count } from "../format.js";
import { blend, look } from "../palette.js";

const FONT = 'system-ui, -apple-system, "Segoe UI", sans-serif';
const READ_FROM = 0.42;
const MOST_EDGES = 4000;

/**
 * @typedef {object} GraphScene
 * @property {import("./places.js").Places} places
 * @property {Nodes} nodes
 * @property {{x: number, y: number, zoom: number}} view
 * @property {number} width
 * @property {number} height
 * @property {number} ratio
 * @property {import("../palette.js").Scheme} scheme
 * @property {Float32Array | null} matched  by family: the part of its tasks that the filter lets through
 * @property {number} selected
 * @property {number} hovered
 *
 * @typedef {object} Nodes
 * @property {string[]} names
 * @property {Int32Array} counts
 * @property {[string, number][][]} states
 * @property {[number, number][]} edges  from a family to one that needs it
 */

/**
 * @param {import("../model.js").Run} run
 * @returns {Nodes}
 */
export function nodesOf(run) {
  const names = [];
  const states = [];
  const counts = new Int32Array(run.familyCount);
  /** @type {[number, number][]} */
  const edges = [];
  for (let family = 0; family < run.familyCount; family++) {
    const tasks = run.familyTasks(family);
    names.push(run.familyName(family));
    counts[family] = tasks.length;
    states.push(run.stateCounts(tasks));
    for (const need of run.file.families.needs[family] ?? []) edges.push([need, family]);
  }
  return { names, counts, states, edges };
}

/** What a state is called on a node. */
const SHORT = /** @type {Record<string, string>} */ ({ completed: "done" });

/**
 * "9,120 done, 3 failed".
 * @param {[string, number][]} states
 */
export function statesText(states) {
  const calm = states.filter(([name]) => name === "completed" || name === "reused");
  const others = states.filter(([name]) => name !== "completed" && name !== "reused");
  return [...calm, ...others].map(([name, n]) => `${count(n)} ${SHORT[name] ?? name}`).join(", ");
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {GraphScene} scene
 */
export function drawGraph(context, scene) {
  const { width, height, ratio, view, scheme, places } = scene;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = scheme.back;
  context.fillRect(0, 0, width, height);
  context.setTransform(ratio * view.zoom, 0, 0, ratio * view.zoom, view.x * ratio, view.y * ratio);
  drawEdges(context, scene);
  const { x, y, size } = places;
  const [left, top] = [-view.x / view.zoom, -view.y / view.zoom];
  const [right, bottom] = [left + width / view.zoom, top + height / view.zoom];
  for (let node = 0; node < x.length; node++) {
    if (x[node] > right || x[node] + size.width < left) continue;
    if (y[node] > bottom || y[node] + size.height < top) continue;
    if (places.dots) drawDot(context, scene, node);
    else drawCard(context, scene, node);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {GraphScene} scene
 */
function drawEdges(context, scene) {
  const { nodes, scheme, selected, hovered, view, places } = scene;
  const all = nodes.edges.length <= MOST_EDGES && !places.dots;
  const chosen = (/** @type {[number, number]} */ [a, b]) =>
    [selected, hovered].some((node) => node >= 0 && (a === node || b === node));
  if (all) {
    context.strokeStyle = blend(scheme.muted, scheme.back, 0.45);
    context.lineWidth = Math.max(1.2, 0.8 / view.zoom);
    context.beginPath();
    for (const edge of nodes.edges) trace(context, scene, edge);
    context.stroke();
  }
  if (selected < 0 && hovered < 0) return;
  context.strokeStyle = scheme.select;
  context.lineWidth = Math.max(2, 1.2 / view.zoom);
  context.beginPath();
  for (const edge of nodes.edges) if (chosen(edge)) trace(context, scene, edge);
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {GraphScene} scene
 * @param {[number, number]} edge
 */
function trace(context, { places, view, width, height }, [from, to]) {
  const { x, y, size } = places;
  const [x0, y0] = [x[from] + size.width, y[from] + size.height / 2];
  const [x1, y1] = [x[to], y[to] + size.height / 2];
  const out = (/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ shift, /** @type {number} */ room) =>
    Math.max(a, b) * view.zoom + shift < 0 || Math.min(a, b) * view.zoom + shift > room;
  if (out(x0, x1, view.x, width) || out(y0, y1, view.y, height)) return;
  const bend = Math.max(18, (x1 - x0) / 2);
  context.moveTo(x0, y0);
  context.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
}

/**
 * How strongly a node is drawn: those without a task that the filter lets through are pale.
 * @param {GraphScene} scene
 * @param {number} node
 */
const strength = ({ matched }, node) => (matched && matched[node] === 0 ? 0.25 : 1);

/**
 * @param {CanvasRenderingContext2D} context
 * @param {GraphScene} scene
 * @param {number} node
 */
function drawDot(context, scene, node) {
  const { places, nodes, scheme, view, selected, hovered } = scene;
  const least = 1.5 / view.zoom;
  const side = Math.max(least, places.size.width);
  const [worst] = nodes.states[node][0] ?? ["waiting"];
  context.globalAlpha = strength(scene, node);
  context.fillStyle = look(worst)[scheme.name];
  context.fillRect(places.x[node], places.y[node], side, side);
  if (nodes.counts[node] > 1 && view.zoom > 0.5) {
    context.fillStyle = scheme.back;
    context.fillRect(places.x[node] + 3, places.y[node] + 3, side - 6, side - 6);
  }
  context.globalAlpha = 1;
  if (node !== selected && node !== hovered) return;
  context.strokeStyle = scheme.select;
  context.lineWidth = 2 / Math.min(1, view.zoom);
  context.strokeRect(places.x[node] - 2, places.y[node] - 2, side + 4, side + 4);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {GraphScene} scene
 * @param {number} node
 */
function drawCard(context, scene, node) {
  const { places, nodes, scheme, view, selected, hovered } = scene;
  const { width, height } = places.size;
  const [x, y] = [places.x[node], places.y[node]];
  context.globalAlpha = strength(scene, node);
  // A family of several is a small stack.
  if (nodes.counts[node] > 1) outline(context, scheme, x + 4, y + 4, width, height);
  outline(context, scheme, x, y, width, height);
  if (node === selected || node === hovered) {
    context.strokeStyle = scheme.select;
    context.lineWidth = 2.5 / Math.min(1, view.zoom);
    context.stroke();
  }
  drawShares(context, scene, node, x, y + height - 6, width);
  if (view.zoom >= READ_FROM) drawWords(context, scene, node, x, y, width);
  context.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("../palette.js").Scheme} scheme
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 */
function outline(context, scheme, x, y, width, height) {
  context.beginPath();
  context.roundRect(x, y, width, height, 6);
  context.fillStyle = scheme.node;
  context.fill();
  context.strokeStyle = blend(scheme.muted, scheme.back, 0.6);
  context.lineWidth = 1;
  context.stroke();
}

/**
 * The states of its tasks as parts of a line; nothing that is there is too small to be seen.
 * @param {CanvasRenderingContext2D} context
 * @param {GraphScene} scene
 * @param {number} node
 * @param {number} x
 * @param {number} y
 * @param {number} width
 */
function drawShares(context, { nodes, scheme }, node, x, y, width) {
  const states = nodes.states[node];
  const room = width - 16;
  const least = Math.min(5, room / states.length);
  const wide = states.map(([, n]) => Math.max(least, (n / nodes.counts[node]) * room));
  const scale = room / wide.reduce((a, b) => a + b, 0);
  let at = x + 8;
  states.forEach(([name], i) => {
    context.fillStyle = look(name)[scheme.name];
    context.fillRect(at, y - 3, wide[i] * scale, 4);
    at += wide[i] * scale;
  });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {GraphScene} scene
 * @param {number} node
 * @param {number} x
 * @param {number} y
 * @param {number} width
 */
function drawWords(context, { nodes, scheme }, node, x, y, width) {
  const times = nodes.counts[node] > 1 ? `× ${count(nodes.counts[node])}` : "";
  context.textBaseline = "middle";
  context.font = `600 13px ${FONT}`;
  context.fillStyle = scheme.ink;
  const taken = times ? context.measureText(times).width + 8 : 0;
  fitted(context, nodes.names[node], x + 9, y + 14, width - 18 - taken);
  if (times) {
    context.textAlign = "right";
    context.fillStyle = scheme.muted;
    context.fillText(times, x + width - 9, y + 14);
    context.textAlign = "left";
  }
  context.font = `12px ${FONT}`;
  context.fillStyle = scheme.muted;
  const [only] = nodes.states[node];
  const words = nodes.counts[node] === 1 && only ? only[0] : statesText(nodes.states[node]);
  fitted(context, words, x + 9, y + 31, width - 18);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {number} room
 */
function fitted(context, text, x, y, room) {
  const width = context.measureText(text).width;
  const letters = Math.max(1, Math.floor((text.length * room) / width) - 1);
  context.fillText(width <= room ? text : `${text.slice(0, letters)}…`, x, y);
}
