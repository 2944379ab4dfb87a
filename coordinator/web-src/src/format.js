/** How numbers, times and texts of others are written. */

// The characters that astrum.runtime.visible_text escapes: those that hide or turn other text.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const ONE_LINE = new RegExp(HIDDEN.source.replace("\\u0000-\\u0008\\u000b-\\u001f", "\\u0000-\\u001f"), "g");

/** @param {string} character */
function escaped(character) {
  const code = character.charCodeAt(0);
  if (code === 10) return "\\n";
  if (code === 9) return "\\t";
  return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/**
 * A text of several lines with its control characters and direction marks as escapes.
 * @param {string} text
 */
export const visibleText = (text) => String(text).replace(HIDDEN, escaped);

/**
 * A name on one line, with the same escapes.
 * @param {string} text
 */
export const visibleName = (text) => String(text).replace(ONE_LINE, escaped);

/**
 * A duration with the unit that suits it, as the command line writes it.
 * @param {number | null | undefined} ms
 */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
  const seconds = ms / 1000;
  if (seconds < 0.9995) return `${Math.round(ms)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(Math.round(seconds) / 60);
  const rest = Math.round(seconds) % 60;
  if (minutes < 60) return `${minutes} min ${String(rest).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

const GROUPED = new Intl.NumberFormat("en-US");

/** @param {number} value */
export const count = (value) => GROUPED.format(value);

/**
 * A number and its noun in the right form.
 * @param {number} value
 * @param {string} noun
 */
export const counted = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

/**
 * A share in whole percent; what is there is never 0 %, and what lacks is never 100 %.
 * @param {number} part
 * @param {number} whole
 */
export function percent(part, whole) {
  if (!(whole > 0) || part <= 0) return "0 %";
  const value = (100 * part) / whole;
  if (value < 1) return "<1 %";
  if (part < whole && value > 99) return "99 %";
  return `${Math.round(value)} %`;
}

const DATE = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", year: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });

/**
 * A later moment: without its date if that is the same.
 * @param {string} iso
 * @param {string} before
 */
export function laterMoment(iso, before) {
  const [date, other] = [new Date(iso), new Date(before)];
  return date.toDateString() === other.toDateString() ? TIME.format(date) : moment(iso);
}

/**
 * A moment in the reader's time zone.
 * @param {string | null | undefined} iso
 */
export function moment(iso) {
  if (!iso) return "–";
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? visibleName(iso) : DATE.format(date);
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720].map((n) => n * HOUR),
];

/**
 * The distance between the marks of a time axis: the first usual one that is at least `least` ms.
 * @param {number} least
 */
export function tickStep(least) {
  for (const step of STEPS) if (step >= least) return step;
  return STEPS[STEPS.length - 1] * Math.ceil(least / STEPS[STEPS.length - 1]);
}

/**
 * The label of one mark of the axis.
 * @param {number} ms
 * @param {number} step
 */
export function tickText(ms, step) {
  if (ms === 0) return "0";
  if (step < SECOND) {
    if (ms < SECOND) return `${ms} ms`;
    const digits = step >= 100 ? 1 : step >= 10 ? 2 : 3;
    if (ms < MINUTE) return `${(ms / SECOND).toFixed(digits)} s`;
    return `${Math.floor(ms / MINUTE)}:${((ms % MINUTE) / SECOND).toFixed(digits).padStart(3 + digits, "0")}`;
  }
  if (ms < MINUTE) return `${ms / SECOND} s`;
  const two = (/** @type {number} */ n) => String(Math.floor(n)).padStart(2, "0");
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)}:${two((ms % MINUTE) / SECOND)} min`;
  return `${Math.floor(ms / HOUR)}:${two((ms % HOUR) / MINUTE)} h`;
}
