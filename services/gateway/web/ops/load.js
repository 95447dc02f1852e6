/** Showing what the server answers, or plainly why it does not. */

import { el } from '../dom.js';
import { Refused } from '../session.js';

const NOT_ALLOWED = 403;

/** @type {WeakMap<HTMLElement, number>} the newest question asked for each place */
const asked = new WeakMap();

/** @typedef {Node | string} Part */

/**
 * Fill a place with an answer; an older one that comes late is dropped.
 *
 * @param {HTMLElement} place
 * @param {() => Promise<Part | Part[]>} ask
 */
export async function fill(place, ask) {
  const turn = (asked.get(place) ?? 0) + 1;
  asked.set(place, turn);
  place.setAttribute('aria-busy', 'true');
  const parts = await answer(ask);
  if (asked.get(place) !== turn) return;
  place.replaceChildren(...parts);
  place.removeAttribute('aria-busy');
}

/** @param {() => Promise<Part | Part[]>} ask */
async function answer(ask) {
  try {
    return [await ask()].flat();
  } catch (error) {
    return [trouble(error)];
  }
}

/**
 * What went wrong, in the server's words, and the id that finds it in the logs.
 *
 * @param {unknown} error
 */
export function trouble(error) {
  const line = el('div', { class: 'trouble', role: 'alert' });
  if (typeof error === 'string') {
    line.append(el('p', {}, error));
  } else if (error instanceof Refused) {
    const words = el('p', {}, error.message);
    if (error.status === NOT_ALLOWED) words.prepend(el('strong', {}, 'Not allowed: '));
    line.append(words);
    if (error.requestId) line.append(el('small', {}, 'Request ', el('code', {}, error.requestId)));
  } else {
    reportError(error); // ours, and not the server's
    line.append(el('p', {}, `This page failed: ${error}`));
  }
  return line;
}

/**
 * A path whose parts are data, each in one segment.
 *
 * @param {TemplateStringsArray} strings @param {...(string | number)} values
 */
export const path = (strings, ...values) =>
  String.raw({ raw: strings }, ...values.map((value) => encodeURIComponent(value)));

/** @param {string} path @param {Record<string, string | number>} query - empty ones are left out */
export function asking(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== '');
  return `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}
