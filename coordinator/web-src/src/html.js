/** Templates: every text in them becomes a text node, never markup. */

import htm from "htm";
import { h } from "preact";

export const html = htm.bind(h);
