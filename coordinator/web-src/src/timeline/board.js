/** The canvas of the timeline: what it shows, and what pointer, wheel and keys do with it. */

import { onScheme, scheme } from "../palette.js";
import { Painter } from "./draw.js";
import { AXIS } from "./lines.js";
import { rowAt } from "./rows.js";
import { kept, moved, showing, whole, zoomed } from "./view.js";

const REACH_PX = 4;
const DRAG_FROM_PX = 4;
const WHEEL_ZOOM = 0.0015;
const KEY_MOVE = 0.15;
const KEY_ZOOM = 1.4;

/**
 * @typedef {object} Listener
 * @property {(attempt: number, x: number, y: number) => void} hover  -1: nothing is under the pointer
 * @property {(attempt: number) => void} choose  the cursor is on it
 * @property {(attempt: number) => void} open
 * @property {() => void} viewed  another part is shown
 */

export class Board {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./rows.js").Rows} rows
   * @param {import("./draw.js").Path} path
   * @param {Listener} listener
   */
  constructor(canvas, rows, path, listener) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.rows = rows;
    this.path = path;
    this.listener = listener;
    this.painter = new Painter();
    this.view = whole(rows.run.length);
    /** @type {Uint8Array | null} */
    this.match = null;
    this.selected = -1;
    this.hovered = -1;
    this.frame = 0;
    this.width = this.height = 0;
    this.ratio = 1;
    this.layout = rows.layout(0);
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(canvas);
    this.forget = [onScheme(() => this.redraw()), ...this._listen()];
    this.resize();
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.sizes.disconnect();
    for (const forget of this.forget) forget();
  }

  get length() {
    return this.rows.run.length;
  }

  get gutter() {
    return this.width < 620 ? 76 : 170;
  }

  resize() {
    const { width, height } = this.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    if (width < 2 || height < 2) return;
    if (width !== this.width || height !== this.height || ratio !== this.ratio) {
      [this.width, this.height, this.ratio] = [width, height, ratio];
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      this.layout = this.rows.layout(height - AXIS);
      this.show(this.view);
    }
    this.draw();
  }

  /** @param {import("./view.js").View} view */
  show(view) {
    this.view = kept(view, this.length, this.layout.total - (this.height - AXIS));
    this.listener.viewed();
    this.redraw();
  }

  redraw() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (this.width < 2) return;
    const start = performance.now();
    this.painter.draw(this.context, {
      rows: this.rows, layout: this.layout, view: this.view, path: this.path, match: this.match,
      width: this.width, height: this.height, gutter: this.gutter, ratio: this.ratio,
      scheme: scheme(), selected: this.selected, hovered: this.hovered,
    });
    performance.measure("draw timeline", { start, end: performance.now() });
  }

  /**
   * Select an attempt and bring it into sight; -1 selects none.
   * @param {number} attempt
   */
  select(attempt) {
    this.selected = attempt;
    if (attempt < 0 || this.rows.rowOf[attempt] < 0) return this.redraw();
    const view = showing(this.view, this.rows.begin[attempt], this.rows.end[attempt]);
    const top = this.layout.tops[this.rows.rowOf[attempt]];
    const room = this.height - AXIS - this.layout.lane;
    const hidden = top < view.top || top > view.top + room;
    this.show(hidden ? { ...view, top: top - room / 2 } : view);
  }

  /**
   * @param {number} factor
   * @param {number} at
   */
  zoom(factor, at = 0.5) {
    this.show(zoomed(this.view, factor, at));
  }

  fit() {
    this.show(whole(this.length));
  }

  /** Show an attempt as wide as half of the canvas. */
  focus() {
    const { begin, end } = this.rows;
    if (this.selected < 0) return;
    const length = Math.max(1, end[this.selected] - begin[this.selected]);
    this.show({ ...this.view, t0: begin[this.selected] - length / 2, t1: end[this.selected] + length / 2 });
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  at(x, y) {
    const row = rowAt(this.layout, y - AXIS + this.view.top);
    if (row < 0 || x < this.gutter || y < AXIS) return -1;
    const scale = (this.view.t1 - this.view.t0) / (this.width - this.gutter);
    return this.rows.nearest(row, this.view.t0 + (x - this.gutter) * scale, REACH_PX * scale);
  }

  _listen() {
    /** @type {{x: number, y: number, view: import("./view.js").View, dragged: boolean} | null} */
    let pressed = null;
    const spot = (/** @type {MouseEvent} */ event) => {
      const { left, top } = this.canvas.getBoundingClientRect();
      return { x: event.clientX - left, y: event.clientY - top };
    };
    return [
      this._on("wheel", (event) => this._wheel(event, spot(event).x), { passive: false }),
      this._on("keydown", (event) => this._key(event)),
      this._on("pointerdown", (event) => {
        if (event.button === 0) pressed = { ...spot(event), view: this.view, dragged: false };
      }),
      this._on("pointermove", (event) => {
        const { x, y } = spot(event);
        if (!pressed) return this._hover(this.at(x, y), x, y);
        if (!pressed.dragged && Math.hypot(x - pressed.x, y - pressed.y) < DRAG_FROM_PX) return;
        if (!pressed.dragged) this.canvas.setPointerCapture(event.pointerId);
        pressed.dragged = true;
        this._hover(-1, x, y);
        const down = event.pointerType === "touch" ? 0 : pressed.y - y;
        this.show(moved(pressed.view, (pressed.x - x) / (this.width - this.gutter), down));
      }),
      this._on("pointerup", (event) => {
        const clicked = pressed && !pressed.dragged;
        pressed = null;
        if (!clicked) return;
        const attempt = this.at(spot(event).x, spot(event).y);
        if (attempt >= 0) this.listener.open(attempt);
      }),
      this._on("pointercancel", () => { pressed = null; }),
      this._on("pointerleave", () => this._hover(-1, 0, 0)),
    ];
  }

  /**
   * @template {keyof HTMLElementEventMap} K
   * @param {K} kind
   * @param {(event: HTMLElementEventMap[K]) => void} handle
   * @param {AddEventListenerOptions} [options]
   */
  _on(kind, handle, options) {
    this.canvas.addEventListener(kind, handle, options);
    return () => this.canvas.removeEventListener(kind, handle, options);
  }

  /**
   * @param {number} attempt
   * @param {number} x
   * @param {number} y
   */
  _hover(attempt, x, y) {
    this.listener.hover(attempt, x, y);
    if (attempt === this.hovered) return;
    this.hovered = attempt;
    this.canvas.classList.toggle("on-bar", attempt >= 0);
    this.redraw();
  }

  /**
   * The wheel zooms around the pointer; with Shift, or sideways, it moves; over the names of
   * workers it moves up and down.
   * @param {WheelEvent} event
   * @param {number} x
   */
  _wheel(event, x) {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      return this.show(moved(this.view, (sideways * unit) / (this.width - this.gutter), 0));
    }
    if (x < this.gutter) return this.show(moved(this.view, 0, event.deltaY * unit));
    const at = Math.max(0, x - this.gutter) / (this.width - this.gutter);
    this.zoom(Math.exp(event.deltaY * unit * WHEEL_ZOOM), at);
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = event.shiftKey ? this._shiftKeys()[event.key] : this._keys()[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  /** @returns {Record<string, () => void>} */
  _keys() {
    return {
      ArrowLeft: () => this._step(-1), ArrowRight: () => this._step(1),
      ArrowUp: () => this._change(-1), ArrowDown: () => this._change(1),
      Enter: () => { if (this.selected >= 0) this.listener.open(this.selected); },
      "+": () => this.zoom(1 / KEY_ZOOM), "=": () => this.zoom(1 / KEY_ZOOM), "-": () => this.zoom(KEY_ZOOM),
      0: () => this.fit(), z: () => this.focus(),
      PageUp: () => this.show(moved(this.view, 0, -this.height / 2)),
      PageDown: () => this.show(moved(this.view, 0, this.height / 2)),
      Home: () => this.show({ ...this.view, t0: 0, t1: this.view.t1 - this.view.t0 }),
      End: () => this.show(moved(this.view, 1e9, 0)),
    };
  }

  /** @returns {Record<string, () => void>} */
  _shiftKeys() {
    return {
      ArrowLeft: () => this.show(moved(this.view, -KEY_MOVE, 0)),
      ArrowRight: () => this.show(moved(this.view, KEY_MOVE, 0)),
      ArrowUp: () => this.show(moved(this.view, 0, -60)),
      ArrowDown: () => this.show(moved(this.view, 0, 60)),
      "+": () => this.zoom(1 / KEY_ZOOM),
    };
  }

  /**
   * To the next attempt of the row, or the one before.
   * @param {number} by
   */
  _step(by) {
    if (this.selected < 0 || this.rows.rowOf[this.selected] < 0) return this._first();
    const { attempts } = this.rows.rows[this.rows.rowOf[this.selected]];
    const next = attempts[attempts.indexOf(this.selected) + by];
    if (next !== undefined) this.listener.choose(next);
  }

  /**
   * To the nearest attempt of another row.
   * @param {number} by
   */
  _change(by) {
    if (this.selected < 0 || this.rows.rowOf[this.selected] < 0) return this._first();
    const time = (this.rows.begin[this.selected] + this.rows.end[this.selected]) / 2;
    for (let row = this.rows.rowOf[this.selected] + by; row >= 0 && row < this.rows.count; row += by) {
      const next = this.rows.nearest(row, time, Infinity);
      if (next >= 0) return this.listener.choose(next);
    }
  }

  _first() {
    const found = this.rows.rows.find((row) => row.attempts.length > 0);
    if (found) this.listener.choose(found.attempts[0]);
  }
}
