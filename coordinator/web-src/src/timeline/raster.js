/**
 * Bars as pixels.
 *
 * The bars of 10,000 attempts have to be drawn within a frame. Each bar is a few runs of pixels in
 * one array, which costs the same whatever their number of colours and patterns; a canvas that is
 * asked for each of them takes many times as long.
 */

import { blend, channels, look, tile } from "../palette.js";

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** @param {string} color */
export function pixel(color) {
  const [r, g, b] = channels(color);
  return LITTLE_ENDIAN
    ? ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0
    : ((r << 24) | (g << 16) | (b << 8) | 255) >>> 0;
}

/** Shades by how much of a pixel's time is covered. */
const SHADES = 8;

/**
 * @typedef {object} Ink
 * @property {number} fill
 * @property {number} mark  colour of the pattern
 * @property {number} edge
 * @property {number} pale  while inputs were transferred
 * @property {import("../palette.js").Tile | null} tile
 * @property {Uint32Array} shades
 */

/**
 * The pixels of an outcome; those that a filter leaves out are nearly the background.
 * @param {string} name
 * @param {import("../palette.js").Scheme} scheme
 * @param {number} ratio
 * @param {boolean} dimmed
 * @returns {Ink}
 */
export function inkOf(name, scheme, ratio, dimmed) {
  const { pattern, ...colors } = look(name);
  const strength = dimmed ? 0.14 : 1;
  const base = colors[scheme.name];
  const over = (/** @type {string} */ color, part = 1) => pixel(blend(color, scheme.back, part * strength));
  const mark = blend(base, scheme.name === "light" ? "#ffffff" : "#000000", 0.52);
  const shades = new Uint32Array(SHADES + 1);
  for (let i = 0; i <= SHADES; i++) shades[i] = over(base, 0.25 + (0.75 * i) / SHADES);
  return {
    fill: over(base), mark: over(mark), pale: over(base, 0.4),
    edge: over(blend(base, scheme.ink, 0.72)), tile: tile(pattern, ratio), shades,
  };
}

export class Raster {
  /**
   * @param {number} width
   * @param {number} height
   */
  constructor(width, height) {
    this.image = new ImageData(Math.max(1, width), Math.max(1, height));
    this.width = this.image.width;
    this.height = this.image.height;
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  /** @param {number} color */
  clear(color) {
    this.pixels.fill(color);
  }

  /**
   * Fill the pixels [x0, x1) × [y0, y1).
   * @param {number} x0
   * @param {number} y0
   * @param {number} x1
   * @param {number} y1
   * @param {number} color
   */
  fill(x0, y0, x1, y1, color) {
    const left = x0 < 0 ? 0 : x0;
    const right = x1 > this.width ? this.width : x1;
    if (right <= left) return;
    const bottom = y1 > this.height ? this.height : y1;
    for (let y = y0 < 0 ? 0 : y0; y < bottom; y++) {
      this.pixels.fill(color, y * this.width + left, y * this.width + right);
    }
  }

  /**
   * Set the pixels of a pattern whose corner is at (x0, y0); leave the others.
   * @param {number} x0
   * @param {number} y0
   * @param {number} x1
   * @param {number} y1
   * @param {import("../palette.js").Tile} pattern
   * @param {number} color
   */
  mark(x0, y0, x1, y1, pattern, color) {
    const { size, ink } = pattern;
    const left = Math.max(0, x0);
    const right = Math.min(this.width, x1);
    const bottom = Math.min(this.height, y1);
    for (let y = Math.max(0, y0); y < bottom; y++) {
      const line = ((y - y0) % size) * size;
      const row = y * this.width;
      for (let x = left; x < right; x++) {
        if (ink[line + ((x - x0) % size)]) this.pixels[row + x] = color;
      }
    }
  }

  /**
   * One attempt: its transfer pale, then its run in the colour and pattern of its outcome.
   * @param {number} x0
   * @param {number} run
   * @param {number} x1
   * @param {number} y0
   * @param {number} y1
   * @param {Ink} ink
   */
  bar(x0, run, x1, y0, y1, ink) {
    if (run > x0) this.fill(x0, y0, run, y1, ink.pale);
    if (x1 > run) this.fill(run, y0, x1, y1, ink.fill);
    if (ink.tile && x1 - run > 3) this.mark(run, y0, x1, y1, ink.tile, ink.mark);
    if (x1 - x0 > 8 && y1 - y0 > 5) this.frame(x0, y0, x1, y1, ink.edge);
  }

  /**
   * A line of one pixel around a bar.
   * @param {number} x0
   * @param {number} y0
   * @param {number} x1
   * @param {number} y1
   * @param {number} color
   */
  frame(x0, y0, x1, y1, color) {
    this.fill(x0, y0, x1, y0 + 1, color);
    this.fill(x0, y1 - 1, x1, y1, color);
    this.fill(x0, y0, x0 + 1, y1, color);
    this.fill(x1 - 1, y0, x1, y1, color);
  }
}

/** What several attempts that are narrower than a pixel leave in each column of one row. */
export class Cells {
  /** @param {number} width */
  constructor(width) {
    this.covered = new Float32Array(width);
    this.worst = new Int16Array(width).fill(-1);
    this.used = false;
  }

  /**
   * Add an attempt from x0 to x1 (pixels, fractions count), of the outcome `code`.
   * @param {number} x0
   * @param {number} x1
   * @param {number} code
   * @param {number[]} severity
   */
  add(x0, x1, code, severity) {
    const first = Math.floor(x0);
    const last = Math.min(Math.floor(x1), first + 1);
    for (let x = first; x <= last; x++) {
      if (x < 0 || x >= this.covered.length) continue;
      this.covered[x] += Math.min(x1, x + 1) - Math.max(x0, x);
      const known = this.worst[x];
      if (known < 0 || severity[code] > severity[known]) this.worst[x] = code;
    }
    this.used = true;
  }

  /**
   * Draw the cells of a row and forget them. What went wrong is drawn full and two pixels wide.
   * @param {Raster} raster
   * @param {number} y0
   * @param {number} y1
   * @param {Ink[]} inks
   * @param {(code: number) => boolean} bad
   * @param {number} wide
   */
  flush(raster, y0, y1, inks, bad, wide) {
    if (!this.used) return;
    for (let x = 0; x < this.covered.length; x++) {
      const code = this.worst[x];
      if (code < 0 || bad(code)) continue;
      const shade = Math.min(SHADES, Math.ceil(this.covered[x] * SHADES));
      raster.fill(x, y0, x + 1, y1, inks[code].shades[shade]);
    }
    for (let x = 0; x < this.covered.length; x++) {
      const code = this.worst[x];
      if (code >= 0 && bad(code)) raster.fill(x, y0, x + wide, y1, inks[code].fill);
    }
    this.covered.fill(0);
    this.worst.fill(-1);
    this.used = false;
  }
}
