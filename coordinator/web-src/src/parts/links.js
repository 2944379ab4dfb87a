/** Tasks as links to the panel. */

import { useState } from "preact/hooks";
import { count } from "../format.js";
import { html } from "../html.js";
import { Mark } from "./mark.js";

const STEP = 50;

/** @param {{run: import("../model.js").Run, task: number, open: (task: number) => void, mark?: boolean}} props */
export function TaskLink({ run, task, open, mark = false }) {
  return html`<button class="link" onClick=${() => open(task)}>
    ${mark && html`<${Mark} name=${run.state(task)} /> `}${run.name(task)}
  </button>`;
}

/**
 * A list of tasks, the first of them at first.
 * @param {{
 *   run: import("../model.js").Run,
 *   tasks: ArrayLike<number>,
 *   open: (task: number) => void,
 *   step?: number,
 * }} props
 */
export function TaskLinks({ run, tasks, open, step = STEP }) {
  const [most, setMost] = useState(step);
  const shown = Array.prototype.slice.call(tasks, 0, most);
  return html`<ul class="links">
    ${shown.map((task) => html`<li key=${task}><${TaskLink} run=${run} task=${task} open=${open} mark=${true} /></li>`)}
    ${tasks.length > most && html`<li class="muted">showing ${count(most)} of ${count(tasks.length)} <button onClick=${() => setMost(most + 10 * step)}>More</button></li>`}
  </ul>`;
}
