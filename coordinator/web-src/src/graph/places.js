/** Where the nodes of the graph are, in CSS pixels at zoom 1. */

const COLUMN = 300;
const LINE = 72;
const CARD = { width: 212, height: 52 };
const DOT = { width: 9, height: 9 };
const DOT_STEP = 13;
const BLOCK_GAP = 44;
/** More families than this are dots: nobody reads thousands of cards. */
const MOST_CARDS = 1500;

/**
 * @typedef {object} Places
 * @property {boolean} dots
 * @property {Float64Array} x  left border
 * @property {Float64Array} y  top border
 * @property {{width: number, height: number}} size  of a node
 * @property {number} width
 * @property {number} height
 */

/**
 * @param {import("../model.js").Run} run
 * @returns {Places}
 */
export function placesOf(run) {
  const { layout, families } = run.file;
  return run.familyCount > MOST_CARDS ? dots(families.level) : cards(layout.x, layout.y);
}

/**
 * @param {number[]} columns
 * @param {number[]} lines
 * @returns {Places}
 */
function cards(columns, lines) {
  const least = lines.reduce((a, b) => Math.min(a, b), 0);
  const x = Float64Array.from(columns, (column) => column * COLUMN);
  const y = Float64Array.from(lines, (line) => (line - least) * LINE);
  return { dots: false, x, y, size: CARD, ...extent(x, y, CARD) };
}

/**
 * Each level is a block of dots; so many levels that they would be a thin line continue below.
 * @param {number[]} levels
 * @returns {Places}
 */
function dots(levels) {
  const last = levels.reduce((a, b) => Math.max(a, b), 0);
  const sizes = new Int32Array(last + 1);
  for (const level of levels) sizes[level]++;
  const high = blockHeight(sizes);
  const blocks = blockPlaces(sizes, high);
  const next = new Int32Array(last + 1);
  const x = new Float64Array(levels.length);
  const y = new Float64Array(levels.length);
  levels.forEach((level, family) => {
    const at = next[level]++;
    x[family] = blocks.left[level] + Math.floor(at / high) * DOT_STEP;
    y[family] = blocks.top[level] + (at % high) * DOT_STEP;
  });
  return { dots: true, x, y, size: DOT, ...extent(x, y, DOT) };
}

/**
 * The corners of the blocks: beside each other, in lines about twice as long as all lines are high.
 * @param {Int32Array} sizes
 * @param {number} high
 */
function blockPlaces(sizes, high) {
  const wide = Array.from(sizes, (size) => Math.max(1, Math.ceil(size / high)) * DOT_STEP);
  const gap = Math.min(BLOCK_GAP, highest(wide) / 2);
  const tall = Array.from(sizes, (size) => Math.min(high, size) * DOT_STEP);
  const area = wide.reduce((sum, width, level) => sum + (width + gap) * (tall[level] + gap), 0);
  const most = Math.max(Math.sqrt(2.4 * area), 1.2 * highest(tall));
  const [left, top] = [new Float64Array(sizes.length), new Float64Array(sizes.length)];
  let [x, y, first] = [0, 0, 0];
  const finish = (/** @type {number} */ end) => {
    const line = highest(tall.slice(first, end));
    for (let level = first; level < end; level++) top[level] = y + (line - tall[level]) / 2;
    [x, y, first] = [0, y + line + gap, end];
  };
  for (let level = 0; level < sizes.length; level++) {
    if (x > 0 && x + wide[level] > most) finish(level);
    left[level] = x;
    x += wide[level] + gap;
  }
  finish(sizes.length);
  return { left, top };
}

/** @param {number[]} values */
const highest = (values) => values.reduce((a, b) => Math.max(a, b), 0);

/**
 * The least height of blocks, in dots, at which all together are at most twice as wide as high.
 * @param {Int32Array} sizes
 */
function blockHeight(sizes) {
  for (let high = 12; ; high = Math.ceil(high * 1.15)) {
    const columns = sizes.reduce((sum, size) => sum + Math.max(1, Math.ceil(size / high)), 0);
    const wide = columns * DOT_STEP + sizes.length * BLOCK_GAP;
    if (wide <= 2 * high * DOT_STEP || columns === sizes.length) return high;
  }
}

/**
 * @param {Float64Array} x
 * @param {Float64Array} y
 * @param {{width: number, height: number}} size
 */
function extent(x, y, size) {
  return {
    width: x.reduce((a, b) => Math.max(a, b), 0) + size.width,
    height: y.reduce((a, b) => Math.max(a, b), 0) + size.height,
  };
}

/**
 * The node at a point, or -1.
 * @param {Places} places
 * @param {number} x
 * @param {number} y
 */
export function nodeAt(places, x, y) {
  const { size } = places;
  for (let node = 0; node < places.x.length; node++) {
    const [dx, dy] = [x - places.x[node], y - places.y[node]];
    if (dx >= 0 && dy >= 0 && dx <= size.width && dy <= size.height) return node;
  }
  return -1;
}

/**
 * The node that one comes to from another one by an arrow key, or -1.
 * @param {Places} places
 * @param {number} from
 * @param {"ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown"} key
 */
export function neighbour(places, from, key) {
  const sideways = key === "ArrowLeft" || key === "ArrowRight";
  const sign = key === "ArrowLeft" || key === "ArrowUp" ? -1 : 1;
  let best = -1;
  let least = Infinity;
  for (let node = 0; node < places.x.length; node++) {
    const dx = places.x[node] - places.x[from];
    const dy = places.y[node] - places.y[from];
    const [ahead, aside] = sideways ? [dx * sign, Math.abs(dy)] : [dy * sign, Math.abs(dx)];
    if (ahead <= 0.5) continue;
    const far = ahead + aside * (sideways ? 0.6 : 4);
    if (far < least) [best, least] = [node, far];
  }
  return best;
}
