/** The Compare tab: what changed from another run to this one, and what it did to the end. */

import { count, counted, duration, visibleName } from "../format.js";
import { html } from "../html.js";
import { TaskLink } from "./links.js";

const MOST_STEPS = 100;

/** @typedef {import("../types.js").Change} Change */

/**
 * By how much the end of the run moved; nothing for not at all.
 * @param {number} ms
 */
const effect = (ms) => (ms ? `${ms > 0 ? "+" : "−"}${duration(Math.abs(ms))}` : "–");

/**
 * A number before and after, or as it is if that is no change.
 * @param {Change} change
 * @param {(value: number) => string} text
 */
const changed = ({ before, after, counts }, text) => (counts ? `${text(before)} → ${text(after)}` : text(after));

/**
 * The tasks and mapped tasks of this run by name: the number of a task, or of the first child.
 * @param {import("../model.js").Run} run
 */
function places(run) {
  const found = new Map();
  for (let family = 0; family < run.familyCount; family++) {
    const tasks = run.familyTasks(family);
    if (tasks.length > 1 || run.file.families.mapped?.[family]) found.set(run.familyName(family), { family });
  }
  for (let task = 0; task < run.taskCount; task++) found.set(run.name(task), { task });
  return found;
}

/**
 * @param {{
 *   run: import("../model.js").Run,
 *   row: import("../types.js").TaskChange,
 *   place: {task?: number, family?: number} | undefined,
 *   open: (task: number) => void,
 *   openFamily: (family: number) => void,
 * }} props
 */
function Row({ run, row, place, open, openFamily }) {
  const name = visibleName(row.name);
  const tasks = row.is_mapped ? html` <span class="muted">× ${changed(row.tasks, count)}</span>` : "";
  let link = html`${name}`;
  if (place?.task !== undefined) link = html`<${TaskLink} run=${run} task=${place.task} open=${open} />`;
  else if (place?.family !== undefined) link = html`<button class="link" onClick=${() => openFamily(/** @type {number} */ (place.family))}>${name}</button>`;
  const [before, after] = [visibleName(row.state_before), visibleName(row.state_after)];
  return html`<tr>
    <td class="number"><b>${effect(row.effect_ms)}</b></td>
    <th scope="row">${link}${tasks}</th>
    <td class="number">${changed(row.run_ms, duration)}</td>
    <td class="number wide">${changed(row.queued_ms, duration)}</td>
    <td class="number wide">${changed(row.attempts, count)}</td>
    <td>${before === after ? after : `${before} → ${after}`}</td>
  </tr>`;
}

/** @param {{title: string, tasks: import("../types.js").OnlyTask[], all: number}} props */
function Only({ title, tasks, all }) {
  if (tasks.length === 0) return null;
  return html`<section><h2>${title}</h2><ul class="links">
    ${tasks.map((one, i) => html`<li key=${i}>${visibleName(one.name)} <span class="muted">${effect(one.effect_ms)}</span></li>`)}
    ${tasks.length < all && html`<li class="muted">showing ${count(tasks.length)} of ${count(all)}</li>`}</ul></section>`;
}

/** @param {{title: string, path: import("../types.js").Step[]}} props */
function Path({ title, path }) {
  if (path.length === 0) return null;
  return html`<h3>${title}</h3><ol class="steps">
    ${path.slice(0, MOST_STEPS).map((step, i) => html`<li key=${i}>${visibleName(step.name) || "idle"} <b>${duration(step.ms)}</b></li>`)}
    ${path.length > MOST_STEPS && html`<li class="muted">showing ${count(MOST_STEPS)} of ${count(path.length)}</li>`}</ol>`;
}

/**
 * @param {{
 *   run: import("../model.js").Run,
 *   found: import("../types.js").Comparison,
 *   open: (task: number) => void,
 *   openFamily: (family: number) => void,
 * }} props
 */
export function Compare({ run, found, open, openFamily }) {
  const known = places(run);
  const { changed: rows, counts } = found;
  return html`<div class="prose">
    <section><h2>Compared with run ${visibleName(found.before.run_id)}</h2>
      <p>${visibleName(found.text)}. Effect is by how much a change moved the end, if all other tasks took as long as they did.</p>
      ${rows.length > 0 && html`<div class="scroll-x" tabindex="0" role="group" aria-label="Table of what changed"><table class="path">
        <thead><tr><th scope="col" class="number">Effect</th><th scope="col">Task</th><th scope="col" class="number">Run</th>
          <th scope="col" class="number wide">Queued</th><th scope="col" class="number wide">Attempts</th><th scope="col">State</th></tr></thead>
        <tbody>${rows.map((row, i) => html`<${Row} key=${i} run=${run} row=${row} place=${known.get(visibleName(row.name))} open=${open} openFamily=${openFamily} />`)}</tbody></table></div>`}
      ${rows.length < counts.changed && html`<p class="muted">showing ${count(rows.length)} of ${count(counts.changed)} rows</p>`}
      <p class="muted">${counted(found.alike, "task")} as before, within 10 % or 20 ms</p>
    </section>
    <${Only} title="New tasks" tasks=${found.new} all=${counts.new} />
    <${Only} title="Gone tasks" tasks=${found.gone} all=${counts.gone} />
    <section><h2>Critical paths</h2>
      <${Path} title="Before" path=${found.before.path} />
      <${Path} title="Now" path=${found.after.path} />
    </section>
  </div>`;
}
