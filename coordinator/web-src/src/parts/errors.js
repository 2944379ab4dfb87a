/** The Errors tab: equal failures as one group. */

import { counted, duration, visibleName, visibleText } from "../format.js";
import { html } from "../html.js";
import { TaskLinks } from "./links.js";

/**
 * When a group of failures was seen.
 * @param {import("../types.js").Failure} failure
 */
function seen({ first_at, last_at, count }) {
  if (first_at === null) return "";
  if (count === 1 || last_at === null || last_at === first_at) return `after ${duration(first_at)}`;
  return `from ${duration(first_at)} to ${duration(last_at)} after the start`;
}

/** @param {{failure: import("../types.js").Failure}} props */
export function FailureText({ failure }) {
  return html`<div class="failure">
    <p class="message"><b>${visibleName(failure.type)}</b>${failure.message ? `: ${visibleText(failure.message)}` : ""}</p>
    ${failure.traceback && html`<details><summary>Traceback</summary><pre tabindex="0">${visibleText(failure.traceback)}</pre></details>`}
  </div>`;
}

/**
 * @param {{
 *   run: import("../model.js").Run,
 *   match: Uint8Array | null,
 *   open: (task: number) => void,
 *   filter: (query: string) => void,
 * }} props
 */
export function Errors({ run, match, open, filter }) {
  const { failures, failures_left_out: left = 0 } = run.file;
  const groups = failures.filter((_, i) => !match || tasksWith(run, i).some((task) => match[task]));
  groups.sort((a, b) => b.count - a.count || (a.first_at ?? 0) - (b.first_at ?? 0));
  if (failures.length === 0) return html`<p class="empty">No attempt failed.</p>`;
  if (groups.length === 0) return html`<p class="empty">No failure belongs to a task that the filter lets through.</p>`;
  return html`<div class="errors">
    ${groups.map((failure, i) => html`<article key=${i}>
      <header><b class="times">${counted(failure.count, "failure")}</b> <span class="muted">${seen(failure)}</span></header>
      <${FailureText} failure=${failure} />
      <${TaskLinks} run=${run} tasks=${tasksWith(run, failures.indexOf(failure))} open=${open} step=${10} />
      <button onClick=${() => filter(failure.type.toLowerCase())}>Show tasks with ${visibleName(failure.type)}</button>
    </article>`)}
    ${left > 0 && html`<p class="muted">${counted(left, "group")} of rarer failures ${left === 1 ? "is" : "are"} not in this file; the tasks say how each ended.</p>`}
  </div>`;
}

/**
 * All tasks that have a failure; the file names the first of them alone.
 * @param {import("../model.js").Run} run
 * @param {number} failure
 */
function tasksWith(run, failure) {
  const { attempts, failures } = run.file;
  const tasks = new Set(failures[failure].tasks);
  attempts.failure.forEach((own, attempt) => { if (own === failure) tasks.add(attempts.task[attempt]); });
  return [...tasks];
}
