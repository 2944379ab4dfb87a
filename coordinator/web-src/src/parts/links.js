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
 *   total?: number,
 *   step?: number,
 * }} props  `total`: how many there are if `tasks` is only their beginning
 */
export function TaskLinks({ run, tasks, open, total = tasks.length, step = STEP }) {
  const [most, setMost] = useState(step);
  const shown = Array.prototype.slice.call(tasks, 0, most);
  return html`<ul class="links">
    ${shown.map((task) => html`<li key=${task}><${TaskLink} run=${run} task=${task} open=${open} mark=${true} /></li>`)}
    ${total > shown.length && html`<li class="muted">showing ${count(shown.length)} of ${count(total)}
      ${tasks.length > most && html` <button onClick=${() => setMost(most + 10 * step)}>More</button>`}</li>`}
  </ul>`;
}
