/** Users, as links to their page: the id always, the display name once it is known. */

import { el } from '../dom.js';
import { call } from '../session.js';
import { asking } from './load.js';

const MAX_IDS = 50;
const MAX_KNOWN = 2_000;

/** @type {Map<string, string>} */
const known = new Map();
/** @type {Map<string, Set<HTMLElement>>} the places that wait for a name, by user id */
const waiting = new Map();
let asked = false;

/** @param {string} userId */
export const userPage = (userId) => `#users/${encodeURIComponent(userId)}`;

/** @param {string | null | undefined} userId @returns {Node | string} */
export function person(userId) {
  if (!userId) return '–';
  const name = el('bdi', { class: 'name' });
  const id = el('span', { class: 'id' }, userId);
  want(userId, name);
  return el('a', { class: 'person', href: userPage(userId) }, name, id);
}

/** @param {string} userId @param {HTMLElement} place */
function want(userId, place) {
  const name = known.get(userId);
  if (name !== undefined) return tell(place, userId, name);
  if (userId.includes(',')) return; // the ids travel separated by commas
  waiting.set(userId, (waiting.get(userId) ?? new Set()).add(place));
  if (asked) return;
  asked = true;
  queueMicrotask(look);
}

async function look() {
  const ids = [...waiting.keys()].slice(0, MAX_IDS);
  const places = new Map(ids.map((id) => [id, waiting.get(id) ?? new Set()]));
  ids.forEach((id) => waiting.delete(id));
  try {
    const { names } = await call('GET', asking('/api/players', { ids: ids.join(',') }));
    if (known.size > MAX_KNOWN) known.clear();
    const found = new Map(Object.entries(names)); // a user may be called "constructor"
    for (const [id, nodes] of places) {
      known.set(id, found.get(id) ?? id);
      for (const node of nodes) tell(node, id, known.get(id) ?? id);
    }
  } catch {
    // The ids are shown anyway, and the next page asks again.
  }
  asked = waiting.size > 0;
  if (asked) look();
}

/** @param {HTMLElement} place @param {string} userId @param {string} name */
function tell(place, userId, name) {
  if (name !== userId) place.textContent = name;
}
