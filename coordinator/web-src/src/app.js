/** The page: head, tabs, filter and panel. */

import { options } from "preact";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, counted } from "./format.js";
import { Graph } from "./graph/graph.js";
import { html } from "./html.js";
import { Compare } from "./parts/compare.js";
import { Errors } from "./parts/errors.js";
import { Head } from "./parts/head.js";
import { Help } from "./parts/help.js";
import { Panel } from "./parts/panel.js";
import { PathAndTime } from "./parts/path.js";
import { Tasks } from "./parts/tasks.js";
import { Timeline } from "./timeline/timeline.js";

/** @type {[string, string][]} */
const TABS = [["timeline", "Timeline"], ["graph", "Graph"], ["tasks", "Tasks"], ["errors", "Errors"], ["path", "Path and time"]];
/** @type {[string, string]} */
const COMPARE = ["compare", "Compare"];

/**
 * What the address says after "#": "tasks/t12" is the tab and the task in the panel.
 * @param {import("./model.js").Run} run
 * @param {[string, string][]} tabs
 * @returns {{tab: string, selection: import("./types.js").Selection}}
 */
function fromAddress(run, tabs) {
  const [tab, chosen = ""] = window.location.hash.slice(1).split("/");
  const id = Number(chosen.slice(1) || NaN);
  const known = tabs.some(([name]) => name === tab) ? tab : "timeline";
  if (chosen[0] === "t" && id >= 0 && id < run.taskCount) return { tab: known, selection: { kind: "task", id, attempt: -1 } };
  if (chosen[0] === "f" && id >= 0 && id < run.familyCount) return { tab: known, selection: { kind: "family", id } };
  return { tab: known, selection: null };
}

/**
 * @param {string} tab
 * @param {import("./types.js").Selection} selection
 */
const toAddress = (tab, selection) => `#${tab}${selection ? `/${selection.kind[0]}${selection.id}` : ""}`;

/**
 * The tab and what the panel shows, kept in the address, so that Back and a reload work.
 * @param {import("./model.js").Run} run
 * @param {[string, string][]} tabs
 */
function usePlace(run, tabs) {
  const [place, setPlace] = useState(() => fromAddress(run, tabs));
  useEffect(() => {
    const read = () => setPlace(fromAddress(run, tabs));
    window.addEventListener("hashchange", read);
    return () => window.removeEventListener("hashchange", read);
  }, []);
  const go = useCallback((/** @type {Partial<typeof place>} */ change) => {
    setPlace((old) => {
      const next = { ...old, ...change };
      const address = toAddress(next.tab, next.selection);
      if (address !== window.location.hash) window.history.pushState(null, "", address);
      return next;
    });
  }, []);
  return { ...place, go };
}

/** Whether the page is being printed; lists that only have rows in sight have more of them then. */
function usePrinting() {
  const [printing, setPrinting] = useState(false);
  useEffect(() => {
    const set = (/** @type {boolean} */ now) => () => {
      // The page must be ready when this returns, so nothing may be put off.
      const usual = options.debounceRendering;
      options.debounceRendering = (render) => render();
      setPrinting(now);
      options.debounceRendering = usual;
    };
    const [before, after] = [set(true), set(false)];
    window.addEventListener("beforeprint", before);
    window.addEventListener("afterprint", after);
    return () => {
      window.removeEventListener("beforeprint", before);
      window.removeEventListener("afterprint", after);
    };
  }, []);
  return printing;
}

/** @param {{tabs: [string, string][], tab: string, choose: (tab: string) => void, errors: number}} props */
function Tabs({ tabs, tab, choose, errors }) {
  // In a narrow window the chosen tab may be out of sight.
  useEffect(() => document.getElementById(`tab-${tab}`)?.scrollIntoView({ block: "nearest", inline: "nearest" }), [tab]);
  const key = (/** @type {KeyboardEvent} */ event) => {
    const by = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowLeft: -1 })[event.key];
    if (!by) return;
    const at = tabs.findIndex(([name]) => name === tab);
    const [next] = tabs[(at + by + tabs.length) % tabs.length];
    choose(next);
    document.getElementById(`tab-${next}`)?.focus();
    event.preventDefault();
  };
  return html`<div class="tabs" role="tablist" aria-label="Parts of the report" onKeyDown=${key}>
    ${tabs.map(([name, title]) => html`<button key=${name} id=${`tab-${name}`} role="tab" aria-selected=${name === tab} aria-controls="part"
      tabindex=${name === tab ? 0 : -1} onClick=${() => choose(name)}>${title}${name === "errors" && errors > 0 ? html` <span class="bubble">${count(errors)}</span>` : ""}</button>`)}
  </div>`;
}

/**
 * The keys that work everywhere but in fields.
 * @param {Record<string, () => void>} keys
 */
function useKeys(keys) {
  const now = useRef(keys);
  now.current = keys;
  // Before the page is painted, so that no key is lost.
  useLayoutEffect(() => {
    const press = (/** @type {KeyboardEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const typing = event.target instanceof HTMLInputElement;
      if ((typing && event.key !== "Escape") || document.querySelector("dialog[open]")) return;
      const act = now.current[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}

/**
 * What opens and closes the panel, and where the focus was before.
 * @param {import("./model.js").Run} run
 * @param {ReturnType<typeof usePlace>["go"]} go
 */
function useOpening(run, go) {
  const before = useRef(/** @type {Element | null} */ (null));
  const show = (/** @type {import("./types.js").Selection} */ selection) => {
    if (!document.activeElement?.closest(".panel")) before.current = document.activeElement;
    go({ selection });
  };
  const open = (/** @type {number} */ id, /** @type {number} */ attempt = -1) => show({ kind: "task", id, attempt });
  const openFamily = (/** @type {number} */ id) => {
    const tasks = run.familyTasks(id);
    if (tasks.length === 1) open(tasks[0]);
    else show({ kind: "family", id });
  };
  const close = () => {
    go({ selection: null });
    if (before.current instanceof HTMLElement) before.current.focus({ preventScroll: true });
  };
  return { open, openFamily, close };
}

/**
 * @param {{
 *   field: {current: HTMLInputElement | null},
 *   query: string,
 *   found: string,
 *   set: (query: string) => void,
 *   help: () => void,
 * }} props
 */
function Filter({ field, query, found, set, help }) {
  return html`<div class="filter"><input ref=${field} type="search" placeholder="Filter ( / )" aria-label="Filter tasks by words" value=${query}
      onInput=${(/** @type {InputEvent} */ event) => set(/** @type {HTMLInputElement} */ (event.target).value)} />
    <span class="found" role="status">${found}</span>
    <button onClick=${help} aria-label="Keys and help">?</button></div>`;
}

/** @param {{run: import("./model.js").Run, compared: import("./types.js").Comparison | null}} props */
export function App({ run, compared }) {
  const tabs = useMemo(() => (compared ? [...TABS, COMPARE] : TABS), [compared]);
  const { tab, selection, go } = usePlace(run, tabs);
  const { open, openFamily, close } = useOpening(run, go);
  const [query, setQuery] = useState("");
  const [help, setHelp] = useState(false);
  const printing = usePrinting();
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const matching = useMemo(() => run.matching(query), [query]);
  const match = matching?.match ?? null;
  const filter = (/** @type {string} */ words) => { setQuery(words); go({ tab: "tasks" }); };
  const escape = () => {
    if (selection) return close();
    setQuery("");
    field.current?.blur();
  };
  useKeys({
    "/": () => field.current?.focus(), "?": () => setHelp(true), Escape: escape,
    ...Object.fromEntries(tabs.map(([name], i) => [String(i + 1), () => go({ tab: name })])),
  });
  const task = selection?.kind === "task" ? selection.id : -1;
  const family = selection?.kind === "family" ? selection.id : task >= 0 ? run.file.tasks.family[task] : -1;
  const found = matching ? `${count(matching.found)} of ${counted(run.taskCount, "task")}` : "";
  return html`
    <${Head} run=${run} open=${open} />
    <nav class="bar" aria-label="Parts and filter">
      <${Tabs} tabs=${tabs} tab=${tab} choose=${(/** @type {string} */ name) => go({ tab: name })} errors=${run.file.failures.length} />
      <${Filter} field=${field} query=${query} found=${found} set=${setQuery} help=${() => setHelp(true)} />
    </nav>
    <div class="body">
      <main><div id="part" role="tabpanel" aria-labelledby=${`tab-${tab}`}>
        ${tab === "timeline" && html`<${Timeline} run=${run} match=${match} task=${task} open=${open} />`}
        ${tab === "graph" && html`<${Graph} run=${run} match=${match} family=${family} open=${openFamily} />`}
        ${tab === "tasks" && html`<${Tasks} run=${run} match=${match} task=${task} printing=${printing} open=${open} />`}
        ${tab === "errors" && html`<${Errors} run=${run} match=${match} open=${open} filter=${filter} />`}
        ${tab === "compare" && compared && html`<${Compare} run=${run} found=${compared} open=${open} openFamily=${openFamily} />`}
        ${tab === "path" && html`<${PathAndTime} run=${run} open=${open} />`}
      </div></main>
      ${selection && html`<${Panel} run=${run} selection=${selection} open=${open} openFamily=${openFamily} close=${close} />`}
    </div>
    <${Help} shown=${help} close=${() => setHelp(false)} />`;
}
