/** The rows of the timeline: a worker has as many as it ran attempts at once. */

import { grouped } from "../model.js";

const LANE_MIN = 3;
const LANE_MAX = 22;
const WORKER_GAP = 8;

/**
 * What a row has: its attempts by their begin, and for each the latest end so far.
 * @typedef {{attempts: Int32Array, latest: Float64Array}} Row
 */

export class Rows {
  /** @param {import("../model.js").Run} run */
  constructor(run) {
    this.run = run;
    const { attempts, workers } = run.file;
    this.firstOfWorker = [0];
    for (const lanes of workers.lanes) {
      this.firstOfWorker.push(this.firstOfWorker[this.firstOfWorker.length - 1] + Math.max(1, lanes));
    }
    this.count = this.firstOfWorker[this.firstOfWorker.length - 1];
    this.begin = new Float64Array(run.attemptCount);
    this.start = new Float64Array(run.attemptCount);
    this.end = new Float64Array(run.attemptCount);
    this.rowOf = new Int32Array(run.attemptCount);
    for (let i = 0; i < run.attemptCount; i++) this._place(i, attempts);
    this.rows = this._rows();
    /** How many attempts have no place here, since no worker began them. */
    this.left = this.rowOf.reduce((sum, row) => sum + (row < 0 ? 1 : 0), 0);
  }

  /**
   * @param {number} i
   * @param {import("../types.js").AttemptColumns} columns
   */
  _place(i, { worker, lane, claimed_at, started_at, ended_at }) {
    const begin = claimed_at[i] ?? started_at[i];
    const known = begin !== null && worker[i] >= 0 && lane[i] >= 0;
    this.rowOf[i] = known ? this.firstOfWorker[worker[i]] + lane[i] : -1;
    this.begin[i] = begin ?? 0;
    this.end[i] = Math.max(this.begin[i], ended_at[i] ?? this.run.length);
    this.start[i] = Math.min(this.end[i], Math.max(this.begin[i], started_at[i] ?? this.begin[i]));
  }

  /** @returns {Row[]} */
  _rows() {
    const groups = grouped(this.rowOf, this.count);
    return Array.from({ length: this.count }, (_, row) => {
      const attempts = groups.order.slice(groups.starts[row], groups.starts[row + 1]);
      attempts.sort((a, b) => this.begin[a] - this.begin[b] || a - b);
      const latest = new Float64Array(attempts.length);
      let so_far = -Infinity;
      attempts.forEach((attempt, i) => { latest[i] = so_far = Math.max(so_far, this.end[attempt]); });
      return { attempts, latest };
    });
  }

  /**
   * The place in a row of the first attempt that ends at `time` or later.
   * @param {number} row
   * @param {number} time
   */
  firstAfter(row, time) {
    const { latest } = this.rows[row];
    let low = 0;
    let high = latest.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (latest[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The attempt of a row that is nearest to a time, at most `reach` ms away, or -1.
   * @param {number} row
   * @param {number} time
   * @param {number} reach
   */
  nearest(row, time, reach) {
    const { attempts } = this.rows[row];
    let best = -1;
    let least = reach;
    for (let i = this.firstAfter(row, time - reach); i < attempts.length; i++) {
      const attempt = attempts[i];
      if (this.begin[attempt] > time + reach) break;
      const away = Math.max(0, this.begin[attempt] - time, time - this.end[attempt]);
      const worse = best >= 0 && away === least && this._severity(attempt) > this._severity(best);
      if (away < least || (best < 0 && away <= least) || worse) [best, least] = [attempt, away];
    }
    return best;
  }

  /** @param {number} attempt */
  _severity(attempt) {
    return this.run.severity[this.run.file.attempts.outcome[attempt]];
  }

  /**
   * Where rows are, in CSS pixels: all of them, as high as fits, but not too low to be seen.
   * @param {number} height
   */
  layout(height) {
    const workers = this.run.file.workers.id.length;
    const room = height - workers * WORKER_GAP - 4;
    const lane = Math.max(LANE_MIN, Math.min(LANE_MAX, Math.floor(room / Math.max(1, this.count))));
    const tops = new Float64Array(this.count);
    let y = 4;
    for (let worker = 0; worker < workers; worker++) {
      for (let row = this.firstOfWorker[worker]; row < this.firstOfWorker[worker + 1]; row++) {
        tops[row] = y;
        y += lane;
      }
      y += WORKER_GAP;
    }
    return { lane, tops, total: y };
  }
}

/** @typedef {ReturnType<Rows["layout"]>} Layout */

/**
 * The row at a height, or -1.
 * @param {Layout} layout
 * @param {number} y
 */
export function rowAt(layout, y) {
  let low = 0;
  let high = layout.tops.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (layout.tops[middle] <= y) low = middle + 1;
    else high = middle;
  }
  const row = low - 1;
  return row >= 0 && y < layout.tops[row] + layout.lane ? row : -1;
}
