/** The panel beside the tabs: one task with its attempts, or one family with its tasks. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, counted, duration } from "../format.js";
import { statesText } from "../graph/draw.js";
import { html } from "../html.js";
import { FailureText } from "./errors.js";
import { Swatch } from "./legend.js";
import { TaskLink, TaskLinks } from "./links.js";
import { AttemptLog } from "./log.js";
import { State } from "./mark.js";

const LISTED = 500;

/** @param {{run: import("../model.js").Run, attempt: number, chosen: boolean}} props */
function Attempt({ run, attempt, chosen }) {
  const { attempts, failures, strings } = run.file;
  const parts = run.parts(attempt);
  const begin = attempts.claimed_at[attempt] ?? attempts.queued_at[attempt];
  const failure = failures[attempts.failure[attempt]];
  const blocked = strings[attempts.blocked[attempt]];
  return html`<li class=${chosen ? "attempt chosen" : "attempt"}>
    <p><${Swatch} name=${run.outcome(attempt)} /><b>Attempt ${attempts.number[attempt]}: ${run.outcome(attempt)}</b></p>
    <dl>
      ${begin !== null && html`<dt>began</dt><dd>${duration(begin)} after the start</dd>`}
      <dt>queued</dt><dd>${duration(parts.queued)}</dd>
      <dt>transfer</dt><dd>${duration(parts.transfer)}</dd>
      <dt>run</dt><dd>${duration(parts.run)}</dd>
      ${attempts.worker[attempt] >= 0 && html`<dt>worker</dt><dd>${run.workerName(attempt)}</dd>`}
      ${blocked && html`<dt>blocked</dt><dd>${run.text(attempts.blocked[attempt])}</dd>`}
    </dl>
    ${failure && html`<${FailureText} failure=${failure} />`}
    <${AttemptLog} run=${run} attempt=${attempt} />
  </li>`;
}

/** @param {{run: import("../model.js").Run, task: number, chosen: number, open: (task: number) => void, openFamily: (family: number) => void}} props */
function TaskPanel({ run, task, chosen, open, openFamily }) {
  const { tasks } = run.file;
  const attempts = run.attempts(task);
  const needs = useMemo(() => run.needs(task), [task]);
  const dependents = run.dependents(task);
  const family = tasks.family[task];
  const siblings = run.familyTasks(family).length;
  const because = tasks.because[task];
  return html`
    <p class="facts"><${State} name=${run.state(task)} />
      ${run.text(tasks.queue[task]) && html`<span class="muted">queue ${run.text(tasks.queue[task])}</span>`}
      ${siblings > 1 && html`<button class="link" onClick=${() => openFamily(family)}>one of ${count(siblings)}</button>`}</p>
    ${run.note(task) && html`<p class="remark">${run.note(task)}</p>`}
    ${run.takenFrom(task) && html`<p>Taken over from the run ${run.takenFrom(task)}</p>`}
    ${because >= 0 && html`<p>Because of <${TaskLink} run=${run} task=${because} open=${open} mark=${true} /></p>`}
    <h3>${attempts.length === 0 ? "No attempt" : counted(attempts.length, "attempt")}</h3>
    <ol class="attempts">${[...attempts].map((attempt) => html`<${Attempt} key=${attempt} run=${run} attempt=${attempt} chosen=${attempt === chosen && attempts.length > 1} />`)}</ol>
    <h3>${needs.length === 0 ? "Needs nothing" : `Needs ${counted(needs.length, "task")}`}</h3>
    <${TaskLinks} run=${run} tasks=${needs} open=${open} />
    <h3>${dependents.length === 0 ? "Nothing needs it" : `${counted(dependents.length, "task")} ${dependents.length === 1 ? "needs" : "need"} it`}</h3>
    <${TaskLinks} run=${run} tasks=${dependents} open=${open} />`;
}

/** @param {{run: import("../model.js").Run, family: number, open: (task: number) => void}} props */
function FamilyPanel({ run, family, open }) {
  const [query, setQuery] = useState("");
  const tasks = run.familyTasks(family);
  const found = useMemo(() => {
    const matching = run.matching(query);
    const list = matching ? tasks.filter((task) => matching.match[task]) : tasks.slice();
    const { state } = run.file.tasks;
    return list.sort((a, b) => run.stateRank[state[a]] - run.stateRank[state[b]] || a - b);
  }, [family, query]);
  return html`
    <p class="facts">${statesText(run.stateCounts(tasks))}</p>
    <input type="search" placeholder="Search these ${count(tasks.length)} tasks" aria-label="Search the tasks of this node" value=${query}
      onInput=${(/** @type {InputEvent} */ event) => setQuery(/** @type {HTMLInputElement} */ (event.target).value)} />
    <p class="muted" aria-live="polite">${found.length > LISTED ? `showing ${LISTED} of ${count(found.length)}` : counted(found.length, "task")}</p>
    <ul class="links rows">${[...found.subarray(0, LISTED)].map((task) => html`<li key=${task}><${TaskLink} run=${run} task=${task} open=${open} mark=${true} /></li>`)}</ul>`;
}

/**
 * @param {{
 *   run: import("../model.js").Run,
 *   selection: NonNullable<import("../types.js").Selection>,
 *   open: (task: number) => void,
 *   openFamily: (family: number) => void,
 *   close: () => void,
 * }} props
 */
export function Panel({ run, selection, open, openFamily, close }) {
  const title = useRef(/** @type {HTMLElement | null} */ (null));
  const { kind, id } = selection;
  useEffect(() => {
    title.current?.focus({ preventScroll: true });
    title.current?.closest("aside")?.scrollTo(0, 0);
  }, [kind, id]);
  const name = kind === "task" ? run.name(id) : `${run.familyName(id)} × ${count(run.familyTasks(id).length)}`;
  return html`<aside class="panel" aria-label="Details">
    <header><h2 ref=${title} tabindex="-1">${name}</h2>
      <button class="close" aria-label="Close the details" onClick=${close}>✕</button></header>
    ${selection.kind === "task"
      ? html`<${TaskPanel} key=${id} run=${run} task=${id} chosen=${selection.attempt} open=${open} openFamily=${openFamily} />`
      : html`<${FamilyPanel} key=${id} run=${run} family=${id} open=${open} />`}
  </aside>`;
}
