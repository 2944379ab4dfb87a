/** The canvas of the graph: what it shows, and what pointer, wheel and keys do with it. */

import { onScheme, scheme } from "../palette.js";
import { drawGraph } from "./draw.js";
import { neighbour, nodeAt } from "./places.js";

const PAD = 28;
const FIRST_ZOOM = 0.8;
const MOST_ZOOM = 3;

/**
 * @typedef {object} GraphListener
 * @property {(node: number) => void} choose
 * @property {(node: number) => void} open
 */

export class GraphBoard {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./places.js").Places} places
   * @param {import("./draw.js").Nodes} nodes
   * @param {GraphListener} listener
   */
  constructor(canvas, places, nodes, listener) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.places = places;
    this.nodes = nodes;
    this.listener = listener;
    this.view = { x: 0, y: 0, zoom: 0 };
    /** @type {Float32Array | null} */
    this.matched = null;
    this.selected = -1;
    this.hovered = -1;
    this.frame = 0;
    this.width = this.height = 0;
    this.ratio = 1;
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

  resize() {
    const { width, height } = this.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    if (width < 2 || height < 2) return;
    if (width !== this.width || height !== this.height || ratio !== this.ratio) {
      [this.width, this.height, this.ratio] = [width, height, ratio];
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      if (!this.view.zoom) this.begin();
    }
    this.draw();
  }

  redraw() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (this.width < 2) return;
    const start = performance.now();
    drawGraph(this.context, {
      places: this.places, nodes: this.nodes, view: this.view, width: this.width, height: this.height,
      ratio: this.ratio, scheme: scheme(), matched: this.matched,
      selected: this.selected, hovered: this.hovered,
    });
    performance.measure("draw graph", { start, end: performance.now() });
  }

  /** The zoom at which all nodes are in sight. */
  get fitting() {
    const { width, height } = this.places;
    return Math.min(1, (this.width - 2 * PAD) / width, (this.height - 2 * PAD) / height);
  }

  /** All of it if that can be read, else its beginning. */
  begin() {
    const least = this.places.dots ? 0.2 : FIRST_ZOOM;
    this.view.zoom = Math.max(this.fitting, least);
    this.view.x = this.fitting >= least ? (this.width - this.places.width * this.view.zoom) / 2 : PAD;
    this.view.y = this._middle();
  }

  fit() {
    const zoom = this.fitting;
    this.view = { x: (this.width - this.places.width * zoom) / 2, y: 0, zoom };
    this.view.y = this._middle();
    this.redraw();
  }

  _middle() {
    const room = this.height - this.places.height * this.view.zoom;
    return room > 0 ? room / 2 : this.fitting >= this.view.zoom ? PAD : this._firstTop();
  }

  /** Where the first column is in sight, if the graph is higher than the canvas. */
  _firstTop() {
    const { x, y, size } = this.places;
    let [top, bottom] = [Infinity, -Infinity];
    for (let node = 0; node < x.length; node++) {
      if (x[node] > 0.5) continue;
      top = Math.min(top, y[node]);
      bottom = Math.max(bottom, y[node] + size.height);
    }
    const high = (bottom - top) * this.view.zoom;
    const from = high < this.height - 2 * PAD ? (this.height - high) / 2 : PAD;
    return from - top * this.view.zoom;
  }

  /**
   * @param {number} factor
   * @param {number} x
   * @param {number} y
   */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const zoom = Math.min(MOST_ZOOM, Math.max(Math.min(this.fitting, 0.5) * 0.6, this.view.zoom * factor));
    const by = zoom / this.view.zoom;
    this.view = { x: x - (x - this.view.x) * by, y: y - (y - this.view.y) * by, zoom };
    this.redraw();
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  move(dx, dy) {
    // Some of the graph always stays in sight.
    const within = (/** @type {number} */ at, /** @type {number} */ long, /** @type {number} */ room) =>
      Math.min(room - 40, Math.max(40 - long * this.view.zoom, at));
    this.view.x = within(this.view.x + dx, this.places.width, this.width);
    this.view.y = within(this.view.y + dy, this.places.height, this.height);
    this.redraw();
  }

  /**
   * Select a node and bring it into sight; -1 selects none.
   * @param {number} node
   */
  select(node) {
    this.selected = node;
    if (node >= 0 && this.width > 2) {
      const { x, y, size } = this.places;
      const left = x[node] * this.view.zoom + this.view.x;
      const top = y[node] * this.view.zoom + this.view.y;
      const [wide, high] = [size.width * this.view.zoom, size.height * this.view.zoom];
      if (left < 0 || left + wide > this.width) this.view.x += (this.width - wide) / 2 - left;
      if (top < 0 || top + high > this.height) this.view.y += (this.height - high) / 2 - top;
    }
    this.redraw();
  }

  /** @param {MouseEvent} event */
  _spot(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  /** @param {MouseEvent} event */
  _at(event) {
    const [x, y] = this._spot(event);
    return nodeAt(this.places, (x - this.view.x) / this.view.zoom, (y - this.view.y) / this.view.zoom);
  }

  _listen() {
    /** @type {{x: number, y: number, dragged: boolean} | null} */
    let pressed = null;
    return [
      this._on("wheel", (event) => this._wheel(event), { passive: false }),
      this._on("keydown", (event) => this._key(event)),
      this._on("pointerdown", (event) => {
        const [x, y] = this._spot(event);
        if (event.button === 0) pressed = { x, y, dragged: false };
      }),
      this._on("pointermove", (event) => {
        const [x, y] = this._spot(event);
        if (!pressed) return this._hover(this._at(event));
        if (!pressed.dragged && Math.hypot(x - pressed.x, y - pressed.y) < 4) return;
        if (!pressed.dragged) this.canvas.setPointerCapture(event.pointerId);
        this.move(x - pressed.x, event.pointerType === "touch" ? 0 : y - pressed.y);
        pressed = { x, y, dragged: true };
      }),
      this._on("pointerup", (event) => {
        const clicked = pressed && !pressed.dragged;
        pressed = null;
        const node = this._at(event);
        if (clicked && node >= 0) this.listener.open(node);
      }),
      this._on("pointercancel", () => { pressed = null; }),
      this._on("pointerleave", () => this._hover(-1)),
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

  /** @param {number} node */
  _hover(node) {
    if (node === this.hovered) return;
    this.hovered = node;
    this.canvas.classList.toggle("on-bar", node >= 0);
    this.canvas.title = node >= 0 && this.places.dots ? this.nodes.names[node] : "";
    this.redraw();
  }

  /** @param {WheelEvent} event */
  _wheel(event) {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey) return this.move(-(event.deltaY || event.deltaX) * unit, 0);
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) return this.move(-event.deltaX * unit, 0);
    const [x, y] = this._spot(event);
    this.zoom(Math.exp(-event.deltaY * unit * 0.0015), x, y);
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    if (key.startsWith("Arrow")) this._arrow(key, event.shiftKey);
    else if (key === "Enter" && this.selected >= 0) this.listener.open(this.selected);
    else if (key === "+" || key === "=") this.zoom(1.25);
    else if (key === "-") this.zoom(0.8);
    else if (key === "0") this.fit();
    else return;
    event.preventDefault();
  }

  /**
   * @param {string} key
   * @param {boolean} shift
   */
  _arrow(key, shift) {
    const step = 80;
    if (shift) {
      const [dx, dy] = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[key] ?? [0, 0];
      return this.move(dx, dy);
    }
    const arrow = /** @type {"ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown"} */ (key);
    const next = this.selected < 0 ? 0 : neighbour(this.places, this.selected, arrow);
    if (next >= 0 && next < this.nodes.names.length) this.listener.choose(next);
  }
}
