/** Which part of the run the timeline shows. */

const LEAST_SPAN = 0.05;
/** Room after the end, so that the last bar does not touch the border. */
const MARGIN = 0.015;

/** @typedef {{t0: number, t1: number, top: number}} View  times in ms, `top` in CSS pixels */

/**
 * The whole run.
 * @param {number} length
 * @returns {View}
 */
export const whole = (length) => ({ t0: 0, t1: length * (1 + MARGIN), top: 0 });

/**
 * The view kept inside of the run.
 * @param {View} view
 * @param {number} length
 * @param {number} hidden  how far rows can be moved up
 * @returns {View}
 */
export function kept(view, length, hidden) {
  const most = whole(length).t1;
  const span = Math.min(most, Math.max(LEAST_SPAN, view.t1 - view.t0));
  const t0 = Math.min(Math.max(0, view.t0), most - span);
  return { t0, t1: t0 + span, top: Math.min(Math.max(0, view.top), Math.max(0, hidden)) };
}

/**
 * Zoom by a factor (below 1 shows less) around a place from 0 (left) to 1 (right).
 * @param {View} view
 * @param {number} factor
 * @param {number} at
 * @returns {View}
 */
export function zoomed(view, factor, at) {
  const span = view.t1 - view.t0;
  const fixed = view.t0 + span * at;
  return { ...view, t0: fixed - span * factor * at, t1: fixed + span * factor * (1 - at) };
}

/**
 * Move by parts of the width and by pixels of height.
 * @param {View} view
 * @param {number} part
 * @param {number} down
 * @returns {View}
 */
export function moved(view, part, down) {
  const by = (view.t1 - view.t0) * part;
  return { t0: view.t0 + by, t1: view.t1 + by, top: view.top + down };
}

/**
 * The view with an attempt in it: only moved if it is there already, else around it.
 * @param {View} view
 * @param {number} begin
 * @param {number} end
 * @returns {View}
 */
export function showing(view, begin, end) {
  const span = view.t1 - view.t0;
  if (begin >= view.t0 && end <= view.t1) return view;
  const wanted = Math.max(span, (end - begin) * 1.2);
  const t0 = (begin + end) / 2 - wanted / 2;
  return { ...view, t0, t1: t0 + wanted };
}
