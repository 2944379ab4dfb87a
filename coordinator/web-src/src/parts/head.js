/** The head of the page: what ran, how it ended, when, and what failed first, in words. */

import { count, counted, duration, laterMoment, moment, visibleName, visibleText } from "../format.js";
import { html } from "../html.js";
import { STATE_ORDER } from "../model.js";
import { missingLogs } from "./log.js";
import { Mark } from "./mark.js";

const ENDED = /** @type {Record<string, string>} */ ({
  completed: "completed", failed: "failed", cancelled: "was cancelled", running: "is running",
  pending: "has not begun", delayed: "waits for its time",
});

/** @param {import("../types.js").RunFacts} facts */
function sentence(facts) {
  const said = ENDED[facts.state] ?? visibleName(facts.state);
  if (facts.duration_ms === null) return said;
  if (facts.ended_at) return `${said} after ${duration(facts.duration_ms)}`;
  return facts.state === "running" ? `has been running for ${duration(facts.duration_ms)}` : said;
}

/** @param {{run: import("../model.js").Run}} props */
function Counts({ run }) {
  const { counts, total_tasks, reused = 0 } = run.facts;
  const place = (/** @type {string} */ name) => (STATE_ORDER.indexOf(name) + 99) % 99;
  const shown = Object.entries(counts).filter(([, n]) => n > 0).sort(([a], [b]) => place(a) - place(b));
  return html`<div class="counts">
    <div class="stack" aria-hidden="true">${shown.map(([name, n]) => html`<i key=${name} class="s-${name}" style=${{ flexGrow: n }}></i>`)}</div>
    <p>${counted(total_tasks, "task")}: ${shown.map(([name, n], i) => html`${i > 0 ? ", " : ""}<span key=${name} class="count"><${Mark} name=${name} /><b>${count(n)}</b> ${name}</span>`)}${reused > 0 && html`<span class="muted"> (${count(reused)} taken over)</span>`}</p>
  </div>`;
}

/**
 * The first failure of a task that failed, else the first of an attempt that was tried again.
 * @param {import("../model.js").Run} run
 */
function firstFailure(run) {
  const sorted = [...run.file.failures].sort((a, b) => (a.first_at ?? Infinity) - (b.first_at ?? Infinity));
  for (const failure of sorted) {
    const task = failure.tasks.find((one) => run.state(one) === "failed");
    if (task !== undefined) return { failure, task, said: "First failure:" };
  }
  const failure = sorted.find(({ tasks }) => tasks.length > 0);
  return failure && { failure, task: failure.tasks[0], said: "First failed attempt, tried again:" };
}

/** @param {import("../model.js").Run} run */
function details(run) {
  const { facts } = run;
  /** @type {[string, string][]} */
  const rows = [["created", moment(facts.created_at)]];
  if (facts.ended_at) rows.push(["ended", laterMoment(facts.ended_at, facts.created_at)]);
  if (facts.submitted_by) rows.push(["by", visibleName(facts.submitted_by)]);
  for (const [name, value] of Object.entries(facts.labels ?? {})) rows.push([visibleName(name), visibleName(value)]);
  if (facts.priority) rows.push(["priority", String(facts.priority)]);
  if (facts.redacted) rows.push(["redacted", "texts of errors were left out"]);
  const logs = missingLogs(run.file.logs_left_out);
  if (logs) rows.push(["logs", logs]);
  if (facts.late_ends) rows.push(["late results", count(facts.late_ends)]);
  return rows;
}

/** @param {{run: import("../model.js").Run, open: (task: number) => void}} props */
export function Head({ run, open }) {
  const { facts } = run;
  const first = firstFailure(run);
  const inputs = Object.entries(facts.inputs ?? {});
  return html`<header class="head">
    <h1><span class="badge s-${facts.state}"><${Mark} name=${facts.state} /></span>
      <span>${facts.namespace ? html`<b>${visibleName(facts.namespace)}</b> ` : ""}${sentence(facts)}</span></h1>
    <p class="details"><code>${visibleName(facts.run_id)}</code>
      ${details(run).map(([name, value]) => html`<span key=${name}><span class="muted">${name}</span> ${value}</span>`)}</p>
    ${facts.reason && html`<p class="reason">${visibleText(facts.reason)}</p>`}
    <${Counts} run=${run} />
    ${first && html`<p class="first"><span class="muted">${first.said}</span>
      <button class="link" onClick=${() => open(first.task)}>${run.name(first.task)}</button>
      <span class="what">${visibleName(first.failure.type)}${first.failure.message ? `: ${visibleName(first.failure.message)}` : ""}</span></p>`}
    ${inputs.length > 0 && html`<details class="inputs"><summary>${counted(inputs.length, "input")}</summary>
      <dl>${inputs.map(([name, value]) => html`<dt key=${name}>${visibleName(name)}</dt><dd><code>${visibleText(value)}</code></dd>`)}</dl></details>`}
  </header>`;
}
