/** The Path and time tab: what the length of the run was made of. */

import { count, counted, duration, percent } from "../format.js";
import { html } from "../html.js";
import { TaskLink, TaskLinks } from "./links.js";

const MOST = 500;

/** @type {[string, string][]} */
const KINDS = [
  ["run", "run"], ["transfer", "transfer of inputs"], ["queued", "queued"], ["back-off", "waiting for a retry"],
  ["lost", "lost with a worker"], ["several", "several short parts"], ["idle", "idle"],
];

/**
 * A line with the share of each kind, and its legend.
 * @param {{parts: [string, number][], label: string, names?: Record<string, string>}} props
 */
function Shares({ parts, label, names = {} }) {
  const whole = parts.reduce((sum, [, ms]) => sum + ms, 0);
  const shown = parts.filter(([, ms]) => ms > 0);
  if (whole <= 0) return html`<p class="muted">Nothing was measured.</p>`;
  return html`<figure class="shares" aria-label=${label}>
    <div class="stack" aria-hidden="true">${shown.map(([kind, ms]) => html`<i key=${kind} class="k-${kind}" style=${{ flexGrow: ms / whole }}></i>`)}</div>
    <ul>${shown.map(([kind, ms]) => html`<li key=${kind}><i class="k-${kind}" aria-hidden="true"></i>
      ${names[kind] ?? kindText(kind)} <b>${duration(ms)}</b> <span class="muted">${percent(ms, whole)}</span></li>`)}</ul>
  </figure>`;
}

/** @param {string} kind */
const kindText = (kind) => KINDS.find(([own]) => own === kind)?.[1] ?? kind;

/** Between two attempts of a path nothing is idle but the path itself. */
const ON_PATH = /** @type {Record<string, string>} */ ({ idle: "not dispatched" });

/** @typedef {import("../types.js").Segment} Segment */

/** @param {Segment} segment */
function partText({ kind, task }) {
  if (task < 0 && kind === "idle") return "no attempt";
  return ON_PATH[kind] ?? kindText(kind);
}

/**
 * The parts that follow each other and belong to one attempt.
 * @param {Segment[]} path
 */
function byAttempt(path) {
  /** @type {Segment[][]} */
  const rows = [];
  for (const segment of path) {
    const row = rows[rows.length - 1];
    const last = row?.[row.length - 1];
    // What came before the first attempt has the number 0.
    const same = last && segment.task >= 0 && last.task === segment.task && (last.attempt === segment.attempt || last.attempt === 0);
    if (row && same) row.push(segment);
    else rows.push([segment]);
  }
  return rows;
}

/** @param {{run: import("../model.js").Run, parts: Segment[], first: number, long: number, open: (task: number) => void}} props */
function PathRow({ run, parts, first, long, open }) {
  const [{ task, kind, begin }] = parts;
  const { attempt, end } = parts[parts.length - 1];
  const share = (/** @type {number} */ ms) => `${(100 * ms) / long}%`;
  const nobody = kind === "several" ? "several tasks" : "no task";
  return html`<tr>
    <th scope="row">${task < 0 ? nobody : html`<${TaskLink} run=${run} task=${task} open=${open} />`}${attempt > 1 ? ` #${attempt}` : ""}</th>
    <td class="number wide">${duration(begin)}</td>
    <td class="number"><b>${duration(end - begin)}</b></td>
    <td><span class="bar">${parts.map((part, i) => html`<i key=${i} class="k-${part.kind}" style=${{ left: share(part.begin - first), width: share(part.end - part.begin) }}></i>`)}</span>
      <span class="muted parts">${parts.map((part) => `${partText(part)} ${duration(part.end - part.begin)}`).join(" · ")}</span></td>
  </tr>`;
}

/** @param {{run: import("../model.js").Run, open: (task: number) => void}} props */
function CriticalPath({ run, open }) {
  const { path } = run.file;
  if (path.length === 0) return html`<section><h2>Critical path</h2><p class="muted">${run.facts.ended_at ? "No attempt began, so there is no path." : "The path is known when the run has ended."}</p></section>`;
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const { kind, begin, end } of path) sums.set(kind, (sums.get(kind) ?? 0) + end - begin);
  const tasks = new Set(path.filter(({ task }) => task >= 0).map(({ task }) => task));
  const [first, last] = [path[0].begin, path[path.length - 1].end];
  const long = Math.max(1, last - first);
  const rows = byAttempt(path);
  return html`<section><h2>Critical path</h2>
    <p>The chain of attempts that ended last: ${counted(tasks.size, "task")}, ${duration(long)}. Only what is shortened here ends the run earlier.</p>
    <${Shares} label="Parts of the critical path" names=${ON_PATH} parts=${KINDS.map(([kind]) => [kind, sums.get(kind) ?? 0])} />
    <div class="scroll-x" tabindex="0" role="group" aria-label="Table of the critical path"><table class="path">
      <thead><tr><th scope="col">Task</th><th scope="col" class="number wide">Began after</th><th scope="col" class="number">Took</th><th scope="col" class="bar-head">Share of the path</th></tr></thead>
      <tbody>${rows.slice(0, MOST).map((parts, i) => html`<${PathRow} key=${i} run=${run} parts=${parts} first=${first} long=${long} open=${open} />`)}</tbody></table></div>
    ${rows.length > MOST && html`<p class="muted">showing ${count(MOST)} of ${count(rows.length)} rows</p>`}
  </section>`;
}

/** @param {{run: import("../model.js").Run, open: (task: number) => void}} props */
function Gains({ run, open }) {
  const gains = run.file.path_gain.filter(({ saves_ms }) => saves_ms > 0).sort((a, b) => b.saves_ms - a.saves_ms).slice(0, 10);
  if (gains.length === 0) return null;
  return html`<section><h2>What shortening would buy</h2>
    <ol class="gains">${gains.map(({ task, saves_ms }) => html`<li key=${task}>
      If <${TaskLink} run=${run} task=${task} open=${open} /> took half the time, the run would end <b>${duration(saves_ms)}</b> earlier <span class="muted">(${percent(saves_ms, run.length)})</span></li>`)}</ol>
  </section>`;
}

/** @param {{run: import("../model.js").Run}} props */
function WhereTimeWent({ run }) {
  const { totals } = run.file;
  /** @type {[string, number][]} */
  const slots = ["run", "transfer", "lost", "idle"].map((kind) => [kind, totals[`${kind}_ms`] ?? 0]);
  return html`<section><h2>Where the time of the workers went</h2>
    <${Shares} label="Parts of the time of all slots" parts=${slots} />
    ${totals.queued_ms > 0 && html`<p class="muted">Attempts waited ${duration(totals.queued_ms)} in queues, all of them together.</p>`}
  </section>`;
}

/** @param {{run: import("../model.js").Run, open: (task: number) => void}} props */
function Audit({ run, open }) {
  const { twice = [], losses = [], handed_back = [], late_ends = 0 } = run.file.audit;
  return html`<section><h2>Audit</h2>
    <h3>${twice.length > 0 ? `${counted(twice.length, "task")} began more than once` : "No task began more than once"}</h3>
    ${twice.length > 0 && html`<${TaskLinks} run=${run} tasks=${twice.map(([task]) => task)} open=${open} step=${20} />`}
    <h3>${losses.length > 0 ? `${counted(losses.length, "attempt")} lost with a worker` : "No attempt was lost"}</h3>
    ${losses.length > 0 && html`<ul class="links">${losses.slice(0, MOST).map(([task, attempt, worker, at], i) => html`<li key=${i}>
      <${TaskLink} run=${run} task=${task} open=${open} /> #${attempt}<span class="muted">${worker >= 0 ? `, ${run.worker(worker)}` : ""}${at === null ? "" : `, after ${duration(at)}`}</span></li>`)}
      ${losses.length > MOST && html`<li class="muted">showing ${count(MOST)} of ${count(losses.length)}</li>`}</ul>`}
    <h3>${handed_back.length > 0 ? `${counted(handed_back.length, "task")} handed back by a worker` : "No attempt was handed back"}</h3>
    ${handed_back.length > 0 && html`<${TaskLinks} run=${run} tasks=${handed_back.map(([task]) => task)} open=${open} step=${20} />`}
    <h3>${late_ends > 0 ? `${counted(late_ends, "result")} came too late and did not count` : "No result came too late"}</h3>
  </section>`;
}

/** @param {{run: import("../model.js").Run, open: (task: number) => void}} props */
export function PathAndTime({ run, open }) {
  return html`<div class="prose">
    <${CriticalPath} run=${run} open=${open} />
    <${Gains} run=${run} open=${open} />
    <${WhereTimeWent} run=${run} />
    <${Audit} run=${run} open=${open} />
  </div>`;
}
