/** What an attempt has logged, and which logs are missing. */

import { counted, duration, visibleName, visibleText } from "../format.js";
import { html } from "../html.js";

/**
 * The lines of a log as one text, with a line in place of those that are left out.
 * @param {import("../model.js").Run} run
 * @param {import("../types.js").AttemptLog} log
 */
function logText(run, { lines, left_out: left, left_out_after: after }) {
  const texts = lines.map(([at, level, logger, text]) =>
    `${duration(at)} ${visibleName(level).toUpperCase()} ${run.text(logger)}: ${visibleText(text)}`);
  if (left > 0) texts.splice(after, 0, `… ${counted(left, "line")} left out`);
  return texts.join("\n");
}

/** @param {{run: import("../model.js").Run, attempt: number}} props */
export function AttemptLog({ run, attempt }) {
  const log = run.logs.get(attempt);
  if (!log) return null;
  const lines = counted(log.lines.length + log.left_out, "line");
  return html`<details class="log"><summary>Log: ${lines}${!log.is_whole && ", without the end"}</summary>
    <pre tabindex="0">${logText(run, log)}</pre></details>`;
}

/**
 * What the head says about logs that are missing, "" if none is.
 * @param {import("../types.js").LogsLeftOut | undefined} left
 */
export function missingLogs(left) {
  if (!left) return "";
  const texts = [];
  if (left.since !== null) {
    const limit = `${Math.round(left.limit_bytes / 2 ** 20)} MiB`;
    texts.push(`${counted(left.attempts, "log")} left out from ${duration(left.since)} after the start on (limit ${limit})`);
  }
  if (left.not_here > 0) texts.push(`${counted(left.not_here, "log")} not in this file`);
  return texts.join("; ");
}
