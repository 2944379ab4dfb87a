/** Draws the timeline: bars as pixels, names on them, and then what has lines. */

import { plateOf, tile } from "../palette.js";
import { AXIS, axisStep, drawAxis, drawChosen, drawPath, drawSlider, drawWorkers, extent } from "./lines.js";
import { Cells, Raster, inkOf, pixel } from "./raster.js";

const FONT = '12px system-ui, -apple-system, "Segoe UI", sans-serif';
const NAMED_FROM = 44;
/** Outcomes that must be seen however small they are. */
const BAD = new Set(["failed", "lost", "timed out", "never began"]);

/**
 * @typedef {object} Scene
 * @property {import("./rows.js").Rows} rows
 * @property {import("./rows.js").Layout} layout
 * @property {import("./view.js").View} view
 * @property {number} width  of the canvas, in CSS pixels
 * @property {number} height
 * @property {number} gutter  left of the bars, with the names of workers
 * @property {number} ratio  device pixels per CSS pixel
 * @property {import("../palette.js").Scheme} scheme
 * @property {Uint8Array | null} match
 * @property {Path} path
 * @property {number} selected
 * @property {number} hovered
 *
 * @typedef {{attempts: number[], has: Uint8Array}} Path  the attempts of the critical path, in order
 */

export class Painter {
  constructor() {
    /** @type {Raster | null} */
    this.raster = null;
    /** @type {Cells | null} */
    this.cells = null;
    this.inksFor = "";
    /** @type {import("./raster.js").Ink[]} */
    this.inks = [];
    /** @type {{plate: string, text: string}[]} */
    this.plates = [];
    /** @type {Map<string, number>} */
    this.widths = new Map();
    this.widthsFor = "";
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Scene} scene
   */
  draw(context, scene) {
    const { width, height, gutter, ratio, scheme } = scene;
    this._prepare(scene);
    this._bars(scene);
    context.setTransform(1, 0, 0, 1, 0, 0);
    const raster = /** @type {Raster} */ (this.raster);
    context.putImageData(raster.image, Math.round(gutter * ratio), Math.round(AXIS * ratio));
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = scheme.back;
    context.fillRect(0, 0, width, AXIS);
    context.fillRect(0, 0, gutter, height);
    context.font = FONT;
    context.textBaseline = "middle";
    drawAxis(context, scene);
    drawWorkers(context, scene);
    context.save();
    context.beginPath();
    context.rect(gutter, AXIS, width - gutter, height - AXIS);
    context.clip();
    drawPath(context, scene);
    this._names(context, scene);
    drawChosen(context, scene);
    drawSlider(context, scene);
    context.restore();
  }

  /** @param {Scene} scene */
  _prepare(scene) {
    const { width, height, gutter, ratio, scheme, rows } = scene;
    const across = Math.max(1, Math.round((width - gutter) * ratio));
    const down = Math.max(1, Math.round((height - AXIS) * ratio));
    if (this.raster?.width !== across || this.raster.height !== down) {
      this.raster = new Raster(across, down);
      this.cells = new Cells(across);
    }
    const key = `${scheme.name} ${ratio}`;
    if (this.inksFor === key) return;
    const { outcomes } = rows.run.file;
    this.inksFor = key;
    this.inks = [false, true].flatMap((dim) => outcomes.map((name) => inkOf(name, scheme, ratio, dim)));
    this.severity = [...rows.run.severity, ...rows.run.severity.map((value) => value - 1000)];
    this.bad = [...outcomes.map((name) => BAD.has(name)), ...outcomes.map(() => false)];
    this.plates = outcomes.map((name) => plateOf(name, scheme));
    this.queued = { tile: tile("up", ratio), color: pixel(scheme.queued) };
  }

  /** @param {Scene} scene */
  _bars(scene) {
    const { layout, view, height, ratio, scheme, rows } = scene;
    const raster = /** @type {Raster} */ (this.raster);
    raster.clear(pixel(scheme.back));
    for (let row = 0; row < rows.count; row++) {
      const top = layout.tops[row] - view.top;
      if (top + layout.lane < 0 || top > height - AXIS) continue;
      const y0 = Math.round(top * ratio);
      const y1 = Math.round((top + layout.lane) * ratio) - (layout.lane > 5 ? 1 : 0);
      raster.fill(0, y0, raster.width, y1, pixel(scheme.band));
      this._grid(scene, y0, y1);
      this._row(scene, row, y0, y1);
    }
  }

  /**
   * The marks of the axis, below the bars of a row.
   * @param {Scene} scene
   * @param {number} y0
   * @param {number} y1
   */
  _grid({ view, width, gutter, ratio, scheme }, y0, y1) {
    const scale = (width - gutter) / (view.t1 - view.t0);
    const step = axisStep(scale);
    const color = pixel(scheme.line);
    for (let n = Math.ceil(view.t0 / step); n * step <= view.t1; n++) {
      const x = Math.round((n * step - view.t0) * scale * ratio);
      this.raster?.fill(x, y0, x + 1, y1, color);
    }
  }

  /**
   * @param {Scene} scene
   * @param {number} row
   * @param {number} y0
   * @param {number} y1
   */
  _row(scene, row, y0, y1) {
    const { rows, view, ratio, match } = scene;
    const raster = /** @type {Raster} */ (this.raster);
    const cells = /** @type {Cells} */ (this.cells);
    const { begin, start, end } = rows;
    const { task, outcome, queued_at } = rows.run.file.attempts;
    const others = rows.run.file.outcomes.length;
    const scale = raster.width / (view.t1 - view.t0);
    const { attempts, latest } = rows.rows[row];
    for (let i = rows.firstAfter(row, view.t0); i < attempts.length; i++) {
      const attempt = attempts[i];
      const since = Math.max(i > 0 ? latest[i - 1] : 0, queued_at[attempt] ?? begin[attempt]);
      if (Math.min(since, begin[attempt]) > view.t1) break;
      const x0 = (begin[attempt] - view.t0) * scale;
      const x1 = (end[attempt] - view.t0) * scale;
      const code = outcome[attempt] + (match && !match[task[attempt]] ? others : 0);
      if (x1 - x0 < ratio) {
        cells.add(x0, x1, code, this.severity ?? []);
        continue;
      }
      if (x0 - (since - view.t0) * scale > 2 * ratio && y1 - y0 > 4) this._wait((since - view.t0) * scale, x0, y0, y1);
      const right = Math.round(x1) - (x1 - x0 > 4 * ratio ? 1 : 0);
      raster.bar(Math.round(x0), Math.round((start[attempt] - view.t0) * scale), right, y0, y1, this.inks[code]);
    }
    cells.flush(raster, y0, y1, this.inks, (code) => (this.bad ?? [])[code], Math.round(2 * ratio));
  }

  /**
   * The part of its waiting in a queue in which this row was free: hatched, half as high.
   * @param {number} x0
   * @param {number} x1
   * @param {number} y0
   * @param {number} y1
   */
  _wait(x0, x1, y0, y1) {
    const quarter = Math.floor((y1 - y0) / 4);
    const left = Math.max(-16, Math.round(x0));
    const hatch = this.queued?.tile;
    if (hatch) this.raster?.mark(left, y0 + quarter, Math.round(x1), y1 - quarter, hatch, this.queued?.color ?? 0);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Scene} scene
   */
  _names(context, scene) {
    const { rows, layout, view, height, match } = scene;
    if (layout.lane < 11) return;
    context.font = layout.lane < 14 ? FONT.replace("12px", `${layout.lane - 2}px`) : FONT;
    const { task, number, outcome } = rows.run.file.attempts;
    for (let row = 0; row < rows.count; row++) {
      const y = AXIS + layout.tops[row] - view.top + layout.lane / 2;
      if (y < AXIS - layout.lane || y > height + layout.lane) continue;
      const { attempts } = rows.rows[row];
      for (let i = rows.firstAfter(row, view.t0); i < attempts.length; i++) {
        const attempt = attempts[i];
        if (rows.begin[attempt] > view.t1) break;
        const [left, right] = extent(scene, attempt);
        if (right - left < NAMED_FROM || (match && !match[task[attempt]])) continue;
        const again = number[attempt] > 1 ? ` #${number[attempt]}` : "";
        this._name(context, rows.run.name(task[attempt]) + again, left, right - left, y, layout.lane, this.plates[outcome[attempt]]);
      }
    }
  }

  /**
   * A name on a plate in the colour of its bar, so that it is read on every pattern.
   * @param {CanvasRenderingContext2D} context
   * @param {string} name
   * @param {number} left
   * @param {number} room
   * @param {number} y
   * @param {number} lane
   * @param {{plate: string, text: string}} colors
   */
  _name(context, name, left, room, y, lane, colors) {
    const shown = this.shortened(context, name, room - 12);
    if (!shown) return;
    context.fillStyle = colors.plate;
    const high = Math.min(14, lane - 4);
    context.fillRect(left + 3, y - 0.5 - high / 2, this._width(context, shown) + 6, high);
    context.fillStyle = colors.text;
    context.fillText(shown, left + 6, y + 0.5);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {string} text
   */
  _width(context, text) {
    if (this.widthsFor !== context.font) this.widths.clear();
    this.widthsFor = context.font;
    let width = this.widths.get(text);
    if (width === undefined) {
      if (this.widths.size > 20000) this.widths.clear();
      width = context.measureText(text).width;
      this.widths.set(text, width);
    }
    return width;
  }

  /**
   * A text cut to a width, or "" if hardly anything would be left.
   * @param {CanvasRenderingContext2D} context
   * @param {string} text
   * @param {number} room
   */
  shortened(context, text, room) {
    const width = this._width(context, text);
    if (width <= room) return text;
    const letters = Math.floor((text.length * room) / width) - 1;
    return letters < 3 ? "" : `${text.slice(0, letters)}…`;
  }
}
