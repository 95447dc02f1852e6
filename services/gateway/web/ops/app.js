/** The operator's page: who is there, which panel they look at, and what is measured meanwhile. */

import { el } from '../dom.js';
import { themeSwitch } from '../theme.js';
import { Operator } from './operator.js';
import { audit } from './panels/audit.js';
import { reversalCase } from './panels/case.js';
import { detector } from './panels/detector.js';
import { overview } from './panels/overview.js';
import { reversals } from './panels/reversals.js';
import { reverse } from './panels/reverse.js';
import { reviews } from './panels/reviews.js';
import { sessions } from './panels/sessions.js';
import { users } from './panels/users.js';
import { door } from './sign-in.js';
import { Watch } from './watch.js';

/**
 * Where a panel is: what it may ask, and what it may say.
 *
 * @typedef {object} Place
 * @property {(method: string, path: string, body?: object) => Promise<any>} send
 * @property {(text: string) => void} say - what became of an act
 * @property {Watch} watch
 * @property {AbortSignal} left - aborted when the reader goes on
 * @property {string[]} rest - what follows the panel's name in the address
 */

/** @type {Map<string, { title: string, under?: string, panel: (place: Place) => HTMLElement }>} */
const PANELS = new Map([
  ['overview', { title: 'Overview', panel: overview }],
  ['reviews', { title: 'Reviews', panel: reviews }],
  ['reversals', { title: 'Reversals', panel: reversals }],
  ['reverse', { title: 'New reversal', under: 'reversals', panel: reverse }],
  ['cases', { title: 'Reversal', under: 'reversals', panel: reversalCase }],
  ['users', { title: 'Users', panel: users }],
  ['sessions', { title: 'Sessions', panel: sessions }],
  ['detector', { title: 'Detector', panel: detector }],
  ['audit', { title: 'Audit', panel: audit }],
]);
const HOME = 'overview';

const find = (/** @type {string} */ name) =>
  /** @type {HTMLElement} */ (document.querySelector(name));
const operator = new Operator();
const watch = new Watch(() => operator.send('GET', '/api/admin/status'));
const { say: sayAtDoor } = door(document, operator);
let left = new AbortController();

/** @param {boolean} moved - the reader went from one panel to another */
function show(moved) {
  left.abort();
  left = new AbortController();
  find('#news').textContent = '';
  if (!operator.name) return;
  const [name, ...rest] = address();
  const { title, under, panel } = PANELS.get(name) ?? /** @type {any} */ (PANELS.get(HOME));
  const heading = el('h1', { tabindex: '-1' }, title);
  const place = { send: ask, say, watch, left: left.signal, rest };
  find('#panel').replaceChildren(heading, panel(place));
  document.title = `${title} · Live Scoreboard`;
  for (const link of document.querySelectorAll('nav a')) {
    const current = link.getAttribute('href') === `#${under ?? (PANELS.has(name) ? name : HOME)}`;
    if (current) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (!moved) return;
  document.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' });
  scrollTo(0, 0);
  heading.focus({ preventScroll: true });
}

/** @returns {string[]} the panel's name, and what follows it */
function address() {
  try {
    return (location.hash.slice(1) || HOME).split('/').map(decodeURIComponent);
  } catch {
    return [HOME];
  }
}

/** @param {string} method @param {string} path @param {object} [body] */
const ask = (method, path, body) => operator.send(method, path, body);

/** @param {string} text */
function say(text) {
  find('#news').textContent = text;
}

/** @param {string} why */
function greet(why) {
  const here = Boolean(operator.name);
  find('#door').hidden = here;
  find('#desk').hidden = find('#sign-out').hidden = find('[data-operator]').hidden = !here;
  find('[data-operator] bdi').textContent = operator.name;
  if (here) watch.start();
  else watch.stop();
  /** @type {HTMLDialogElement} */ (find('#ask')).close();
  find('#panel').replaceChildren();
  sayAtDoor(why);
  show(false);
}

themeSwitch(/** @type {HTMLButtonElement} */ (find('#theme')));
find('#sign-out').addEventListener('click', () => operator.signOut());
find('[data-skip]').addEventListener('click', (event) => {
  event.preventDefault(); // the address names the panel
  const headings = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('h1'));
  [...headings].find((heading) => heading.checkVisibility())?.focus();
});
operator.addEventListener('change', (event) => {
  greet(/** @type {CustomEvent} */ (event).detail);
});
addEventListener('hashchange', () => show(true));
await operator.resume();
if (!operator.name) greet('');
