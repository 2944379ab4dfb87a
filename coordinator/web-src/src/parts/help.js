/** The keys, in a dialog. */

import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";

/** @type {[string, [string, string][]][]} */
const KEYS = [
  ["Everywhere", [["/", "filter by words in names, states, outcomes, workers and errors"], ["1, 2 …", "go to a tab"], ["Esc", "close the details, or clear the filter"], ["?", "this help"]]],
  ["Timeline", [["← → ↑ ↓", "from attempt to attempt"], ["Enter", "open the attempt"], ["z", "zoom to the attempt"], ["+ −", "zoom; so does the wheel"], ["Shift + arrows", "move; so do drag, Shift + wheel, and the wheel over the names of workers"], ["0", "whole run"]]],
  ["Graph", [["← → ↑ ↓", "from node to node"], ["Enter", "open the node"], ["+ −", "zoom; so does the wheel"], ["Shift + arrows", "move; so does drag"], ["0", "all of it"]]],
  ["Tasks", [["↑ ↓", "from row to row"], ["Enter", "open the task"]]],
];

/** @param {{shown: boolean, close: () => void}} props */
export function Help({ shown, close }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    if (shown && !dialog.current?.open) dialog.current?.showModal();
    if (!shown && dialog.current?.open) dialog.current.close();
  }, [shown]);
  return html`<dialog ref=${dialog} class="help" aria-labelledby="help-title" onClose=${close}>
    <header><h2 id="help-title">Keys</h2><button class="close" aria-label="Close the help" onClick=${close}>✕</button></header>
    ${KEYS.map(([part, rows]) => html`<h3 key=${part}>${part}</h3><dl>${rows.map(([key, what]) => html`<dt><kbd>${key}</kbd></dt><dd>${what}</dd>`)}</dl>`)}
  </dialog>`;
}
