/**
 * Colours and patterns of outcomes and states, for both schemes.
 *
 * Each outcome differs from the others by its colour and by its pattern, so that it is told without
 * colours, too. The hues follow the set of Okabe and Ito, which all kinds of colour vision tell apart.
 */

/** @typedef {"solid" | "up" | "down" | "cross" | "bars" | "lines" | "dots" | "check"} Pattern */
/** @typedef {{light: string, dark: string, pattern: Pattern}} Look */

/** @type {Record<string, Look>} */
const LOOKS = {
  blue: { light: "#4a86b8", dark: "#5b9bd0", pattern: "solid" },
  red: { light: "#d1480f", dark: "#f0703a", pattern: "up" },
  purple: { light: "#a34a88", dark: "#d283b9", pattern: "cross" },
  yellow: { light: "#c98a00", dark: "#e8b339", pattern: "bars" },
  gray: { light: "#8a919b", dark: "#7d8590", pattern: "lines" },
  teal: { light: "#2f8f83", dark: "#4fb8a9", pattern: "check" },
  sky: { light: "#6fb3dd", dark: "#8ecbf0", pattern: "dots" },
  pale: { light: "#a9c6dd", dark: "#47698a", pattern: "down" },
  faint: { light: "#c9ced6", dark: "#4a515b", pattern: "down" },
};

/** @type {Record<string, Look>} */
const BY_NAME = {
  succeeded: LOOKS.blue, completed: LOOKS.blue,
  failed: LOOKS.red,
  lost: LOOKS.purple, held: LOOKS.purple,
  "timed out": LOOKS.yellow, blocked: LOOKS.yellow,
  cancelled: LOOKS.gray,
  "handed back": LOOKS.teal, retrying: LOOKS.teal,
  running: LOOKS.sky,
  reused: LOOKS.pale, queued: LOOKS.pale, ready: LOOKS.pale,
};

/**
 * The look of an outcome or a state; what is not known looks faint.
 * @param {string} name
 * @returns {Look}
 */
export const look = (name) => BY_NAME[name] ?? LOOKS.faint;

/** What the canvases need besides the looks; the style sheet has the same colours. */
const SCHEMES = {
  light: {
    back: "#ffffff", band: "#f5f6f8", ink: "#1b1f24", muted: "#5a626d", line: "#dde1e6",
    path: "#1b1f24", select: "#0a58ca", queued: "#c3c9d1", node: "#ffffff",
  },
  dark: {
    back: "#14171b", band: "#1b1f24", ink: "#e8eaed", muted: "#9ba3ae", line: "#2e343c",
    path: "#f4f6f8", select: "#7db4ff", queued: "#4b535e", node: "#1d2127",
  },
};

/** @typedef {typeof SCHEMES.light & {name: "light" | "dark"}} Scheme */

const DARK = window.matchMedia("(prefers-color-scheme: dark)");

/** @returns {Scheme} */
export const scheme = () => (DARK.matches ? { ...SCHEMES.dark, name: "dark" } : { ...SCHEMES.light, name: "light" });

/**
 * Call back whenever the reader's scheme changes; returns how to stop that.
 * @param {() => void} changed
 */
export function onScheme(changed) {
  DARK.addEventListener("change", changed);
  return () => DARK.removeEventListener("change", changed);
}

/**
 * The three parts of "#rrggbb".
 * @param {string} color
 */
export const channels = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

/**
 * `part` of one colour over another one.
 * @param {string} color
 * @param {string} below
 * @param {number} part
 */
export function blend(color, below, part) {
  const [over, under] = [channels(color), channels(below)];
  const mixed = over.map((value, i) => Math.round(value * part + under[i] * (1 - part)));
  return `#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * The colours of a name on a bar, which can be read on each other.
 * @param {string} name
 * @param {Scheme} scheme
 */
export function plateOf(name, scheme) {
  const plate = scheme.name === "light" ? blend(look(name).light, "#000000", 0.82) : look(name).dark;
  const [r, g, b] = channels(plate);
  return { plate, text: 0.3 * r + 0.59 * g + 0.11 * b > 135 ? "#0b0e12" : "#ffffff" };
}

const PATTERN_SIZE = 8;

/** @type {Record<Pattern, (x: number, y: number) => boolean>} */
const INKED = {
  solid: () => false,
  up: (x, y) => (x + y) % 8 < 3,
  down: (x, y) => (x - y + 16) % 8 < 2,
  cross: (x, y) => (x + y) % 8 < 2 || (x - y + 16) % 8 < 2,
  bars: (x) => x % 4 < 2,
  lines: (_, y) => y % 4 < 1,
  dots: (x, y) => x % 4 < 2 && y % 4 < 2,
  check: (x, y) => (x % 8 < 4) !== (y % 8 < 4),
};

/** A pattern as a square of 0 and 1, `size` pixels wide. */
/** @typedef {{size: number, ink: Uint8Array}} Tile */

/**
 * The tile of a pattern for screens with `ratio` device pixels per CSS pixel.
 * @param {Pattern} pattern
 * @param {number} ratio
 * @returns {Tile | null}
 */
export function tile(pattern, ratio) {
  if (pattern === "solid") return null;
  const grain = Math.max(1, Math.round(ratio));
  const size = PATTERN_SIZE * grain;
  const ink = new Uint8Array(size * size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      ink[y * size + x] = INKED[pattern](Math.floor(x / grain), Math.floor(y / grain)) ? 1 : 0;
    }
  }
  return { size, ink };
}
