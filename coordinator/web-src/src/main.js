/** Reads the data of the page and draws it. */

import { render } from "preact";
import { App } from "./app.js";
import { html } from "./html.js";
import { Run } from "./model.js";

const FORMAT = "astrum.run/1";

/** @param {string} text */
function say(text) {
  const line = document.createElement("p");
  line.className = "empty";
  line.textContent = text;
  document.getElementById("page")?.replaceChildren(line);
}

function start() {
  const page = document.getElementById("page");
  const data = document.getElementById("run")?.textContent;
  if (!page || !data) return say("This file has no data of a run: it was cut, or changed. Export the run again.");
  const file = JSON.parse(data);
  if (file.format !== FORMAT) {
    return say(`This page reads the format ${FORMAT}, and its data say that they are ${file.format}. Export the run again.`);
  }
  const compared = JSON.parse(document.getElementById("compared")?.textContent || "null");
  return render(html`<${App} run=${new Run(file)} compared=${compared} />`, page);
}

try {
  start();
} catch (error) {
  say(`The report could not be drawn (${error}). Its data are in this file, in the element "run".`);
  throw error;
}
