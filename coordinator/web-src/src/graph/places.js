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
 * Each level is a block of dots, about as wide as high if it is large.
 * @param {number[]} levels
 * @returns {Places}
 */
function dots(levels) {
  const last = levels.reduce((a, b) => Math.max(a, b), 0);
  const sizes = new Int32Array(last + 1);
  for (const level of levels) sizes[level]++;
  const high = blockHeight(sizes);
  const left = new Float64Array(last + 2);
  for (let level = 0; level <= last; level++) {
    left[level + 1] = left[level] + Math.max(1, Math.ceil(sizes[level] / high)) * DOT_STEP + BLOCK_GAP;
  }
  const next = new Int32Array(last + 1);
  const x = new Float64Array(levels.length);
  const y = new Float64Array(levels.length);
  levels.forEach((level, family) => {
    const at = next[level]++;
    const rows = Math.min(high, sizes[level]);
    x[family] = left[level] + Math.floor(at / high) * DOT_STEP;
    y[family] = ((high - rows) / 2 + (at % high)) * DOT_STEP;
  });
  return { dots: true, x, y, size: DOT, ...extent(x, y, DOT) };
}

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
