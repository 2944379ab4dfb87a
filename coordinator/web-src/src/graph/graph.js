/** The Graph tab. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, counted } from "../format.js";
import { html } from "../html.js";
import { GraphBoard } from "./board.js";
import { nodesOf, statesText } from "./draw.js";
import { placesOf } from "./places.js";

/**
 * Which part of each family a filter lets through.
 * @param {import("../model.js").Run} run
 * @param {Uint8Array | null} match
 */
function matchedParts(run, match) {
  if (!match) return null;
  const parts = new Float32Array(run.familyCount);
  for (let task = 0; task < run.taskCount; task++) if (match[task]) parts[run.file.tasks.family[task]]++;
  return parts.map((n, family) => n / Math.max(1, run.familyTasks(family).length));
}

/**
 * @param {{
 *   run: import("../model.js").Run,
 *   match: Uint8Array | null,
 *   family: number,
 *   open: (family: number) => void,
 * }} props  `family` is the one that the panel shows, or -1
 */
export function Graph({ run, match, family, open }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const places = useMemo(() => placesOf(run), [run]);
  const nodes = useMemo(() => nodesOf(run), [run]);
  const [board, setBoard] = useState(/** @type {GraphBoard | null} */ (null));
  const [said, setSaid] = useState("");
  // Before the page is painted, so that no key is lost.
  useLayoutEffect(() => {
    if (!canvas.current) return undefined;
    const made = new GraphBoard(canvas.current, places, nodes, {
      choose: (node) => {
        made.select(node);
        setSaid(`${nodes.names[node]} × ${count(nodes.counts[node])}: ${statesText(nodes.states[node])}`);
      },
      open: (node) => { made.select(node); open(node); },
    });
    setBoard(made);
    return () => made.close();
  }, [places]);
  useEffect(() => {
    if (!board) return;
    board.matched = matchedParts(run, match);
    board.redraw();
  }, [board, match]);
  useEffect(() => { if (board && family >= 0 && board.selected !== family) board.select(family); }, [board, family]);
  if (run.familyCount === 0) return html`<p class="empty">This run has no tasks.</p>`;
  const folded = run.familyCount < run.taskCount ? ` in ${counted(run.familyCount, "node")}` : "";
  const how = places.dots ? "; a dot is a task or several equal ones, and edges are drawn for the one that you choose" : "";
  return html`<div class="graph">
    <div class="tools">
      <span class="muted">${counted(run.taskCount, "task")}${folded}${how}</span>
      <span class="grow"></span>
      <button onClick=${() => board?.zoom(0.8)} aria-label="Zoom out">−</button>
      <button onClick=${() => board?.zoom(1.25)} aria-label="Zoom in">+</button>
      <button onClick=${() => board?.fit()}>All</button>
    </div>
    <div class="stage">
      <canvas ref=${canvas} class="board" tabindex="0" role="application" aria-roledescription="graph"
        aria-label="Tasks and what they need, from left to right; equal tasks are one node. Arrow keys go from node to node, Enter opens one. The Tasks tab has the same as a table."
        aria-describedby="graph-said"></canvas>
    </div>
    <p id="graph-said" class="said" aria-live="polite">${said}</p>
  </div>`;
}
