/** The Timeline tab. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { counted, duration, percent } from "../format.js";
import { html } from "../html.js";
import { Legend } from "../parts/legend.js";
import { Board } from "./board.js";
import { Overview, concurrency } from "./overview.js";
import { Rows } from "./rows.js";

/**
 * What stays while another tab is shown.
 * @typedef {object} Kept
 * @property {Rows} rows
 * @property {ReturnType<typeof concurrency>} levels
 * @property {import("./draw.js").Path} path
 * @property {import("./view.js").View | null} view
 */

/** @type {WeakMap<import("../model.js").Run, Kept>} */
const KEPT = new WeakMap();

/**
 * @param {import("../model.js").Run} run
 * @returns {Kept}
 */
function keptOf(run) {
  let kept = KEPT.get(run);
  if (!kept) {
    const rows = new Rows(run);
    kept = { rows, levels: concurrency(rows), path: pathOf(run, rows), view: null };
    KEPT.set(run, kept);
  }
  return kept;
}

const WHAT = "Attempts by worker and time. Arrow keys go from attempt to attempt, Enter opens one. The Tasks tab has the same as a table.";

/**
 * The attempts of the critical path, in their order.
 * @param {import("../model.js").Run} run
 * @param {Rows} rows
 * @returns {import("./draw.js").Path}
 */
function pathOf(run, rows) {
  const has = new Uint8Array(run.attemptCount);
  /** @type {number[]} */
  const attempts = [];
  for (const { task, attempt } of run.file.path) {
    if (task < 0) continue;
    const found = run.attempts(task).find((index) => run.file.attempts.number[index] === attempt);
    if (found === undefined || has[found] || rows.rowOf[found] < 0) continue;
    has[found] = 1;
    attempts.push(found);
  }
  return { attempts, has };
}

/**
 * An attempt in one line, for the tip and for screen readers.
 * @param {import("../model.js").Run} run
 * @param {number} attempt
 */
export function attemptText(run, attempt) {
  const { task, number } = run.file.attempts;
  const { queued, transfer, run: ran } = run.parts(attempt);
  const parts = [["queued", queued], ["transfer", transfer], ["run", ran]];
  const times = parts.filter(([, ms]) => ms !== null).map(([word, ms]) => `${word} ${duration(/** @type {number} */ (ms))}`);
  const again = number[attempt] > 1 ? `, attempt ${number[attempt]}` : "";
  return `${run.name(task[attempt])}${again}: ${run.outcome(attempt)} · ${times.join(" · ")}`;
}

/** @param {{run: import("../model.js").Run, rows: Rows, attempt: number, x: number, y: number}} props */
function Tip({ run, rows, attempt, x, y }) {
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    const tip = ref.current;
    const room = tip?.parentElement?.clientWidth ?? 0;
    if (!tip) return;
    const left = Math.max(4, Math.min(x + 14, room - tip.offsetWidth - 4));
    const top = y > 90 ? y - tip.offsetHeight - 12 : y + 18;
    tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  });
  const { task, number, worker } = run.file.attempts;
  const { queued, transfer, run: ran } = run.parts(attempt);
  return html`<div class="tip" ref=${ref} aria-hidden="true">
    <b>${run.name(task[attempt])}</b>
    <span>${run.outcome(attempt)}${number[attempt] > 1 ? `, attempt ${number[attempt]}` : ""} · ${duration(rows.begin[attempt])} after the start</span>
    <span>queued ${duration(queued)} · transfer ${duration(transfer)} · run ${duration(ran)}</span>
    <span class="muted">${worker[attempt] >= 0 ? run.workerName(attempt) : ""}</span>
  </div>`;
}

/**
 * How busy the rows of all workers were.
 * @param {Rows} rows
 */
function busyText(rows) {
  let busy = 0;
  for (let i = 0; i < rows.run.attemptCount; i++) if (rows.rowOf[i] >= 0) busy += rows.end[i] - rows.begin[i];
  const workers = counted(rows.run.file.workers.id.length, "worker");
  return `${workers}, busy ${percent(busy, rows.count * rows.run.length)} of the time`;
}

/** @typedef {{attempt: number, x: number, y: number}} Hover */

/**
 * The board of a canvas, as long as that is shown.
 * @param {import("../model.js").Run} run
 * @param {Kept} kept
 * @param {(task: number, attempt: number) => void} open
 */
function useBoard(run, kept, open) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const [board, setBoard] = useState(/** @type {Board | null} */ (null));
  const [hover, setHover] = useState(/** @type {Hover} */ ({ attempt: -1, x: 0, y: 0 }));
  const [said, setSaid] = useState("");
  const viewed = useRef({ at: /** @type {(() => void) | null} */ (null) }).current;
  // Before the page is painted, so that no key is lost.
  useLayoutEffect(() => {
    if (!canvas.current) return undefined;
    const made = new Board(canvas.current, kept.rows, kept.path, {
      hover: (attempt, x, y) => setHover((old) => (attempt < 0 && old.attempt < 0 ? old : { attempt, x, y })),
      choose: (attempt) => { made.select(attempt); setSaid(attemptText(run, attempt)); },
      open: (attempt) => { made.select(attempt); open(run.file.attempts.task[attempt], attempt); },
      viewed: () => viewed.at?.(),
    });
    if (kept.view) made.show(kept.view);
    performance.mark("first bars");
    setBoard(made);
    return () => { kept.view = made.view; made.close(); };
  }, [kept]);
  return { canvas, board, hover, said, viewed };
}

/**
 * @param {{
 *   run: import("../model.js").Run,
 *   match: Uint8Array | null,
 *   task: number,
 *   open: (task: number, attempt?: number) => void,
 * }} props  `task` is the one in the panel, or -1
 */
export function Timeline({ run, match, task, open }) {
  const kept = useMemo(() => keptOf(run), [run]);
  const { rows, levels } = kept;
  const { canvas, board, hover, said, viewed } = useBoard(run, kept, open);
  useEffect(() => {
    if (!board) return;
    board.match = match;
    board.redraw();
  }, [board, match]);
  useEffect(() => {
    if (!board || task < 0) return;
    const own = run.attempts(task);
    const already = board.selected >= 0 && run.file.attempts.task[board.selected] === task;
    if (!already && own.length > 0) board.select(own[own.length - 1]);
  }, [board, task]);
  if (rows.count === 0) {
    return html`<p class="empty">No worker began an attempt of this run, so there is nothing to draw. The Tasks tab says how each task stands.</p>`;
  }
  return html`<div class="timeline">
    <div class="tools">
      <span class="muted">${busyText(rows)}</span>
      <span class="grow"></span>
      <button onClick=${() => board?.zoom(1.4)} aria-label="Zoom out">−</button>
      <button onClick=${() => board?.zoom(1 / 1.4)} aria-label="Zoom in">+</button>
      <button onClick=${() => board?.fit()}>Whole run</button>
    </div>
    <div class="stage">
      <canvas ref=${canvas} class="board" tabindex="0" role="application" aria-roledescription="timeline" aria-label=${WHAT} aria-describedby="timeline-said"></canvas>
      ${hover.attempt >= 0 && html`<${Tip} run=${run} rows=${rows} ...${hover} />`}
    </div>
    <${Overview} levels=${levels} board=${board} viewed=${viewed} />
    <${Legend} run=${run} />
    <p id="timeline-said" class="said" aria-live="polite">${said}</p>
    ${rows.left > 0 && html`<p class="muted note">${counted(rows.left, "attempt")} never reached a worker and ${rows.left === 1 ? "is" : "are"} not drawn; see Tasks.</p>`}
  </div>`;
}
