/** The mark of a state or an outcome: a shape that is told without its colour. */

import { html } from "../html.js";

const SHAPES = /** @type {Record<string, string>} */ ({
  completed: "✓", succeeded: "✓", failed: "✕", lost: "!", "timed out": "◔", cancelled: "⊘",
  blocked: "■", skipped: "»", held: "‖", paused: "‖", running: "▸", queued: "≡", ready: "≡", retrying: "↻",
  unserved: "?", "handed back": "←", "never began": "∅", reused: "=", waiting: "·", pending: "·",
});

/** @param {{name: string}} props */
export function Mark({ name }) {
  return html`<span class="mark s-${name.replace(/[^a-z]/g, "-")}" aria-hidden="true">${SHAPES[name] ?? "·"}</span>`;
}

/** @param {{name: string}} props */
export function State({ name }) {
  return html`<span class="state"><${Mark} name=${name} />${name}</span>`;
}
