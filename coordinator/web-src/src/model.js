/** The data of a run with the indexes that the parts of the page share. */

import { visibleName } from "./format.js";

/** Outcomes of attempts, the worst first: what stands for several that share a pixel. */
export const WORST_OUTCOMES = [
  "failed", "lost", "timed out", "never began", "cancelled", "handed back", "running",
  "skipped", "reused", "succeeded",
];

/** States of tasks, in the order in which counts name them. */
export const STATE_ORDER = [
  "failed", "held", "unserved", "retrying", "running", "queued", "ready", "paused", "completed",
  "blocked", "cancelled", "skipped", "waiting", "pending",
];

/**
 * The place of a name in an order; what the order does not know comes last.
 * @param {string[]} order
 * @param {string} name
 */
function place(order, name) {
  const found = order.indexOf(name);
  return found < 0 ? order.length : found;
}

/**
 * Members by group in two flat arrays: those of group g are order[starts[g]] to order[starts[g+1]-1].
 * @typedef {{starts: Int32Array, order: Int32Array}} Groups
 */

/**
 * Group 0..keys.length-1 by their keys; a key below 0 belongs to no group.
 * @param {ArrayLike<number>} keys
 * @param {number} groups
 * @returns {Groups}
 */
export function grouped(keys, groups) {
  const starts = new Int32Array(groups + 1);
  for (let i = 0; i < keys.length; i++) if (keys[i] >= 0) starts[keys[i] + 1]++;
  for (let g = 0; g < groups; g++) starts[g + 1] += starts[g];
  const order = new Int32Array(starts[groups]);
  const next = starts.slice();
  for (let i = 0; i < keys.length; i++) if (keys[i] >= 0) order[next[keys[i]]++] = i;
  return { starts, order };
}

/**
 * @param {Groups} groups
 * @param {number} g
 */
const members = (groups, g) => groups.order.subarray(groups.starts[g], groups.starts[g + 1]);

/**
 * Call `each` for all tasks that a list of needs names.
 * @param {import("./types.js").TaskColumns["needs"][number]} needs
 * @param {(task: number) => void} each
 */
function eachNeed(needs, each) {
  const list = Array.isArray(needs) ? needs : [needs];
  for (const need of list) {
    if (typeof need === "number") each(need);
    else for (let i = 0; i < need.r[1]; i++) each(need.r[0] + i);
  }
}

export class Run {
  /** @param {import("./types.js").RunFile} file */
  constructor(file) {
    this.file = file;
    this.facts = file.run;
    this.taskCount = file.tasks.name.length;
    this.attemptCount = file.attempts.task.length;
    this.familyCount = file.families.name.length;
    /** @type {string[]} */
    this.shown = new Array(file.strings.length);
    this.byTask = grouped(file.attempts.task, this.taskCount);
    this.byFamily = grouped(file.tasks.family, this.familyCount);
    this.length = this._length();
    this.severity = file.outcomes.map((name) => WORST_OUTCOMES.length - place(WORST_OUTCOMES, name));
    this.stateRank = file.states.map((name) => place(STATE_ORDER, name));
    /** @type {Groups | null} */
    this._dependents = null;
    /** @type {string[] | null} */
    this._searched = null;
    this.source = new Map(file.reused ?? []);
    this.logs = new Map((file.logs ?? []).map((log) => [log.attempt, log]));
  }

  /** The last moment that anything is known of, in ms; at least 1. */
  _length() {
    const { attempts, run } = this.file;
    let last = Math.max(1, run.duration_ms ?? 0);
    if (typeof run.taken_at === "number" && run.ended_at === null) last = Math.max(last, run.taken_at);
    for (const at of attempts.ended_at) if (at !== null && at > last) last = at;
    for (const at of attempts.claimed_at) if (at !== null && at > last) last = at;
    return last;
  }

  /** @param {number} number */
  text(number) {
    return (this.shown[number] ??= visibleName(this.file.strings[number] ?? ""));
  }

  /** @param {number} task */
  name(task) {
    return this.text(this.file.tasks.name[task]);
  }

  /** @param {number} task */
  state(task) {
    return this.file.states[this.file.tasks.state[task]] ?? "unknown";
  }

  /**
   * Why a task did not succeed, if its attempts do not say it.
   * @param {number} task
   */
  note(task) {
    return this.text(this.file.tasks.note?.[task] ?? 0);
  }

  /**
   * The run that a task was taken over from, or "".
   * @param {number} task
   */
  takenFrom(task) {
    const text = this.source.get(task);
    return text === undefined ? "" : this.text(text);
  }

  /** @param {number} family */
  familyName(family) {
    return this.text(this.file.families.name[family]);
  }

  /** @param {number} family */
  familyTasks(family) {
    return members(this.byFamily, family);
  }

  /** @param {number} task */
  attempts(task) {
    return members(this.byTask, task);
  }

  /** @param {number} attempt */
  outcome(attempt) {
    return this.file.outcomes[this.file.attempts.outcome[attempt]] ?? "unknown";
  }

  /** @param {number} attempt */
  workerName(attempt) {
    return this.worker(this.file.attempts.worker[attempt]);
  }

  /** @param {number} worker */
  worker(worker) {
    return worker < 0 ? "" : this.text(this.file.workers.id[worker]);
  }

  /**
   * The host of a worker, or "" if its name says it.
   * @param {number} worker
   */
  host(worker) {
    const host = this.text(this.file.workers.host[worker]);
    return this.worker(worker).includes(host) ? "" : host;
  }

  /**
   * How long each part of an attempt took in ms, null where not known.
   * @param {number} attempt
   */
  parts(attempt) {
    const { queued_at, claimed_at, started_at, ended_at } = this.file.attempts;
    const between = (/** @type {number | null} */ from, /** @type {number | null} */ to) =>
      from === null || to === null ? null : Math.max(0, to - from);
    const end = ended_at[attempt] ?? (this.outcome(attempt) === "running" ? this.length : null);
    return {
      queued: between(queued_at[attempt], claimed_at[attempt]),
      transfer: between(claimed_at[attempt], started_at[attempt]),
      run: between(started_at[attempt] ?? claimed_at[attempt], end),
    };
  }

  /** @param {number} task */
  needs(task) {
    /** @type {number[]} */
    const found = [];
    eachNeed(this.file.tasks.needs[task] ?? [], (need) => found.push(need));
    return found;
  }

  /** @param {number} task */
  dependents(task) {
    this._dependents ??= this._dependentsOfAll();
    return members(this._dependents, task);
  }

  _dependentsOfAll() {
    const { needs } = this.file.tasks;
    const starts = new Int32Array(this.taskCount + 1);
    for (const list of needs) eachNeed(list, (need) => starts[need + 1]++);
    for (let i = 0; i < this.taskCount; i++) starts[i + 1] += starts[i];
    const order = new Int32Array(starts[this.taskCount]);
    const next = starts.slice();
    needs.forEach((list, task) => eachNeed(list, (need) => { order[next[need]++] = task; }));
    return { starts, order };
  }

  /**
   * How many tasks of a family have each state, worst first.
   * @param {ArrayLike<number>} tasks
   * @returns {[string, number][]}
   */
  stateCounts(tasks) {
    const { states } = this.file;
    const counts = new Int32Array(states.length);
    for (let i = 0; i < tasks.length; i++) counts[this.file.tasks.state[tasks[i]]]++;
    return [...counts.keys()]
      .filter((code) => counts[code] > 0)
      .sort((a, b) => this.stateRank[a] - this.stateRank[b])
      .map((code) => [states[code], counts[code]]);
  }

  /** What a filter looks at, in small letters, one text per task. */
  _searchedTexts() {
    const { tasks, attempts, failures, strings } = this.file;
    return Array.from({ length: this.taskCount }, (_, task) => {
      const words = [strings[tasks.name[task]], this.state(task), strings[tasks.queue[task]], this.note(task)];
      for (const attempt of this.attempts(task)) {
        const failure = failures[attempts.failure[attempt]];
        words.push(this.outcome(attempt), this.workerName(attempt));
        if (failure) words.push(failure.type, failure.message);
      }
      return words.join("\n").toLowerCase();
    });
  }

  /**
   * Which tasks have all words of a filter, 1 per task; null without a filter.
   * @param {string} query
   * @returns {{match: Uint8Array, found: number} | null}
   */
  matching(query) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) return null;
    const searched = (this._searched ??= this._searchedTexts());
    const match = new Uint8Array(this.taskCount);
    let found = 0;
    for (let task = 0; task < match.length; task++) {
      if (words.every((word) => searched[task].includes(word))) {
        match[task] = 1;
        found++;
      }
    }
    return { match, found };
  }
}
