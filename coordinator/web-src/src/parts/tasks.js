/** The Tasks tab: a table of all tasks, of which only the rows in sight exist. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, counted, duration } from "../format.js";
import { html } from "../html.js";
import { State } from "./mark.js";

const ROW = 30;
const SPARE = 12;
const PRINTED = 500;

/**
 * What the table shows of a task, as numbers to sort by.
 * @typedef {object} TaskTimes
 * @property {Float64Array} begin
 * @property {Float64Array} queued
 * @property {Float64Array} ran
 * @property {Int32Array} last  its last attempt, or -1
 */

/**
 * @param {import("../model.js").Run} run
 * @returns {TaskTimes}
 */
function timesOf(run) {
  const make = () => new Float64Array(run.taskCount).fill(NaN);
  const times = { begin: make(), queued: make(), ran: make(), last: new Int32Array(run.taskCount).fill(-1) };
  const { claimed_at, started_at, queued_at } = run.file.attempts;
  for (let task = 0; task < run.taskCount; task++) {
    const attempts = run.attempts(task);
    if (attempts.length === 0) continue;
    const last = (times.last[task] = attempts[attempts.length - 1]);
    const parts = run.parts(last);
    times.begin[task] = started_at[last] ?? claimed_at[last] ?? queued_at[last] ?? NaN;
    times.queued[task] = parts.queued ?? NaN;
    times.ran[task] = parts.run ?? NaN;
  }
  return times;
}

/** @typedef {"name" | "state" | "attempts" | "begin" | "queued" | "ran" | "worker"} Column */

/** @type {[Column, string, string][]} */
const COLUMNS = [
  ["name", "Task", ""], ["state", "State", ""], ["attempts", "Attempts", "number wide"], ["begin", "Began after", "number wide"],
  ["queued", "Queued", "number wide"], ["ran", "Ran", "number"], ["worker", "Worker", "wide"],
];

/**
 * The tasks that a filter lets through, in order.
 * @param {import("../model.js").Run} run
 * @param {TaskTimes} times
 * @param {Uint8Array | null} match
 * @param {{column: Column | "", down: boolean}} order
 */
function ordered(run, times, match, order) {
  const tasks = [];
  for (let task = 0; task < run.taskCount; task++) if (!match || match[task]) tasks.push(task);
  if (!order.column) return tasks;
  const key = keyOf(run, times, order.column);
  const sign = order.down ? -1 : 1;
  return tasks.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === y) return a - b;
    if (typeof x === "string" || typeof y === "string") return x < y ? -sign : sign;
    if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y)) || a - b;
    return (x - y) * sign;
  });
}

/**
 * @param {import("../model.js").Run} run
 * @param {TaskTimes} times
 * @param {Column} column
 * @returns {(task: number) => number | string}
 */
function keyOf(run, times, column) {
  switch (column) {
    case "name": return (task) => run.name(task);
    case "state": return (task) => run.stateRank[run.file.tasks.state[task]];
    case "attempts": return (task) => run.attempts(task).length;
    case "begin": return (task) => times.begin[task];
    case "queued": return (task) => times.queued[task];
    case "ran": return (task) => times.ran[task];
    default: return (task) => (times.last[task] < 0 ? "" : run.workerName(times.last[task]));
  }
}

/** @param {{order: {column: Column | "", down: boolean}, sort: (column: Column) => void}} props */
function Head({ order, sort }) {
  return html`<thead><tr>${COLUMNS.map(([column, title, kind]) => {
    const sorted = order.column === column ? (order.down ? "descending" : "ascending") : undefined;
    const arrow = sorted ? (order.down ? " ↓" : " ↑") : "";
    return html`<th key=${column} scope="col" class=${kind} aria-sort=${sorted}>
      <button onClick=${() => sort(column)}>${title}<span aria-hidden="true">${arrow}</span></button></th>`;
  })}</tr></thead>`;
}

/**
 * @param {{
 *   run: import("../model.js").Run, times: TaskTimes, task: number, index: number, selected: boolean,
 *   cursor: boolean, open: (task: number) => void,
 * }} props
 */
function Row({ run, times, task, index, selected, cursor, open }) {
  const last = times.last[task];
  const ms = (/** @type {number} */ value) => (Number.isNaN(value) ? "–" : duration(value));
  return html`<tr aria-rowindex=${index + 2} class=${`${selected ? "selected" : ""}${cursor ? " cursor" : ""}`} onClick=${() => open(task)}>
    <th scope="row"><button class="link" tabindex="-1" onClick=${(/** @type {Event} */ event) => { event.stopPropagation(); open(task); }}>${run.name(task)}</button></th>
    <td><${State} name=${run.state(task)} /></td>
    <td class="number wide">${run.attempts(task).length}</td>
    <td class="number wide">${ms(times.begin[task])}</td>
    <td class="number wide">${ms(times.queued[task])}</td>
    <td class="number">${ms(times.ran[task])}</td>
    <td class="wide">${last < 0 ? "" : run.workerName(last)}</td>
  </tr>`;
}

/**
 * The rows in sight of a scrolled box.
 * @param {{current: HTMLElement | null}} box
 * @param {number} total
 */
function useRowsInSight(box, total) {
  const [seen, setSeen] = useState({ first: 0, last: 40 });
  const look = () => {
    if (!box.current) return;
    const first = Math.max(0, Math.floor(box.current.scrollTop / ROW) - SPARE);
    const last = Math.ceil((box.current.scrollTop + box.current.clientHeight) / ROW) + SPARE;
    setSeen((old) => (old.first === first && old.last === last ? old : { first, last }));
  };
  useLayoutEffect(look, [total]);
  useEffect(() => {
    if (!box.current) return undefined;
    const sizes = new ResizeObserver(look);
    sizes.observe(box.current);
    return () => sizes.disconnect();
  }, []);
  return { first: Math.min(seen.first, total), last: Math.min(seen.last, total), look };
}

/**
 * The row that the keys are at, and what keys do.
 * @param {{current: HTMLElement | null}} box
 * @param {number[]} tasks
 * @param {(task: number) => void} open
 */
function useCursor(box, tasks, open) {
  const [cursor, setCursor] = useState(0);
  const go = (/** @type {number} */ index) => {
    const next = Math.max(0, Math.min(tasks.length - 1, index));
    setCursor(next);
    if (!box.current) return;
    const top = next * ROW;
    const room = box.current.clientHeight - 2 * ROW;
    if (top < box.current.scrollTop) box.current.scrollTop = top;
    else if (top > box.current.scrollTop + room) box.current.scrollTop = top - room;
  };
  const key = (/** @type {KeyboardEvent} */ event) => {
    if (event.target !== box.current) return;
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? ROW) / ROW) - 2);
    const to = /** @type {Record<string, number>} */ ({
      ArrowDown: cursor + 1, ArrowUp: cursor - 1, PageDown: cursor + page, PageUp: cursor - page, Home: 0, End: tasks.length,
    })[event.key];
    if (to !== undefined) go(to);
    else if (event.key === "Enter" && tasks[cursor] !== undefined) open(tasks[cursor]);
    else return;
    event.preventDefault();
  };
  return { cursor, key };
}

/** @typedef {{column: Column | "", down: boolean}} Order */

/**
 * The order after a click on a column: up, down, then that of the plan again.
 * @param {Order} old
 * @param {Column} column
 * @returns {Order}
 */
function nextOrder(old, column) {
  if (old.column !== column) return { column, down: false };
  return old.down ? { column: "", down: false } : { column, down: true };
}

/** Rows that are not there, as one of their height. @param {{rows: number}} props */
const Spacer = ({ rows }) => html`<tr class="spacer" aria-hidden="true"><td style=${{ height: `${rows * ROW}px` }}></td></tr>`;

/**
 * @param {{
 *   run: import("../model.js").Run,
 *   match: Uint8Array | null,
 *   task: number,
 *   printing: boolean,
 *   open: (task: number) => void,
 * }} props
 */
export function Tasks({ run, match, task, printing, open }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [order, setOrder] = useState(/** @type {Order} */ ({ column: "", down: false }));
  const times = useMemo(() => timesOf(run), [run]);
  const tasks = useMemo(() => ordered(run, times, match, order), [run, match, order]);
  const { cursor, key } = useCursor(box, tasks, open);
  const { first, last, look } = useRowsInSight(box, tasks.length);
  const [from, to] = printing ? [0, Math.min(PRINTED, tasks.length)] : [first, last];
  const shown = printing && tasks.length > to ? `, showing ${count(to)} of them` : "";
  return html`<div class="tasks">
    <p class="muted tools">${match ? `${count(tasks.length)} of ${counted(run.taskCount, "task")}` : counted(run.taskCount, "task")}${shown}</p>
    <div class="scroll" ref=${box} onScroll=${look} onKeyDown=${key} tabindex="0" role="group"
      aria-label="Table of tasks. Arrow keys go from row to row, Enter opens a task.">
      <table aria-rowcount=${tasks.length + 1}>
        <${Head} order=${order} sort=${(/** @type {Column} */ column) => setOrder((old) => nextOrder(old, column))} />
        <tbody>
          ${from > 0 && html`<${Spacer} rows=${from} />`}
          ${tasks.slice(from, to).map((number, i) => html`<${Row} key=${number} run=${run} times=${times} task=${number}
            index=${from + i} selected=${number === task} cursor=${from + i === cursor} open=${open} />`)}
          ${to < tasks.length && !printing && html`<${Spacer} rows=${tasks.length - to} />`}
        </tbody>
      </table>
      ${tasks.length === 0 && html`<p class="empty">No task has all of these words.</p>`}
    </div>
  </div>`;
}
