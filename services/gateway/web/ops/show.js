/** How values are written on this page; every one of them is text, never markup. */

import { el } from '../dom.js';
import { points } from '../format.js';

const CLOCK = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const DATE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' });

/** @typedef {'good' | 'warn' | 'bad' | 'plain'} Tone */
/** @typedef {Node | string} Part */

/** @param {string | null | undefined} iso @returns {Part} the reader's own time; UTC on hovering */
export function when(iso) {
  if (!iso) return '–';
  const time = new Date(iso);
  const today = time.toDateString() === new Date().toDateString();
  const words = today ? CLOCK.format(time) : `${DATE.format(time)}, ${CLOCK.format(time)}`;
  return el('time', { datetime: iso, title: iso }, words);
}

/** @param {string} text @param {Tone} [tone] */
export const badge = (text, tone = 'plain') => el('span', { class: `badge ${tone}` }, text);

/** @param {string} text */
export const code = (text) => el('code', {}, text);

/** @param {string} text */
export const unseen = (text) => el('span', { class: 'unseen' }, text);

/** @param {string} text */
export const hint = (text) => el('p', { class: 'small' }, text);

/** @param {number} value @returns {string} with its sign */
export const signed = (value) =>
  value < 0 ? `−${points(-value)}` : `${value > 0 ? '+' : ''}${points(value)}`;

/** @param {number} count @param {string} one @param {string} [many] */
export const several = (count, one, many = `${one}s`) =>
  `${points(count)} ${count === 1 ? one : many}`;

/** @param {string} state @returns {string} as a person would write it */
export const words = (state) => state.replaceAll('_', ' ');

/** @param {...[string, Part]} facts */
export const facts = (...facts) =>
  el(
    'dl',
    { class: 'facts' },
    ...facts.flatMap(([name, value]) => [el('div', {}, el('dt', {}, name), el('dd', {}, value))]),
  );

/** @param {Record<string, unknown>} detail @returns {Part} what was measured, or recorded */
export function evidence(detail) {
  const entries = Object.entries(detail);
  if (entries.length === 0) return '–';
  const text = (/** @type {unknown} */ value) =>
    typeof value === 'string' ? value : JSON.stringify(value);
  return el(
    'ul',
    { class: 'evidence' },
    ...entries.map(([name, value]) => el('li', {}, `${words(name)} `, el('b', {}, text(value)))),
  );
}

/** @param {string} title @param {...Part} content */
export const card = (title, ...content) =>
  el('section', { class: 'card', 'aria-label': title }, el('h2', {}, title), ...content);
