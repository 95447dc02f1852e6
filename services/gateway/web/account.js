/** The reader's corner of the page: the sign-in dialog, and the bar with their own rank. */

import { initial, ordinal, points } from './format.js';
import { Refused } from './session.js';

const INCREMENT = 10;
const NOTICE_MS = 4_000;
const OFFLINE = 'The server does not answer. Please try again.';

/** @param {unknown} error @returns {string} what to tell a person */
const words = (error) => (error instanceof Refused ? error.message : OFFLINE);

/**
 * @param {ParentNode} page - holds the elements of index.html
 * @param {import('./session.js').Session} session
 */
export function signInDialog(page, session) {
  const dialog = /** @type {HTMLDialogElement} */ (page.querySelector('#sign-in'));
  const form = /** @type {HTMLFormElement} */ (dialog.querySelector('form'));
  const problem = /** @type {HTMLElement} */ (dialog.querySelector('[role=alert]'));
  const fields = /** @type {HTMLFieldSetElement} */ (dialog.querySelector('fieldset'));

  page.querySelector('#open-sign-in')?.addEventListener('click', () => dialog.showModal());
  dialog.querySelector('[data-close]')?.addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => {
    form.reset();
    problem.textContent = '';
  });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const given = new FormData(form);
    const [login, password] = [String(given.get('login')), String(given.get('password'))];
    const register = /** @type {HTMLButtonElement | null} */ (event.submitter)?.value === 'register';
    problem.textContent = '';
    fields.disabled = true;
    try {
      await (register ? session.register(login, password) : session.signIn(login, password));
      dialog.close();
    } catch (error) {
      problem.textContent = words(error);
    } finally {
      fields.disabled = false;
    }
  });
}

/**
 * @param {ParentNode} page - holds the elements of index.html
 * @param {import('./session.js').Session} session
 * @returns {(standing: import('./protocol.js').Standing | null) => void} shows where they stand
 */
export function ownBar(page, session) {
  const find = (/** @type {string} */ name) =>
    /** @type {HTMLElement} */ (page.querySelector(`#you [data-${name}]`));
  const bar = /** @type {HTMLElement} */ (page.querySelector('#you'));
  const opener = /** @type {HTMLElement} */ (page.querySelector('#open-sign-in'));
  const add = /** @type {HTMLButtonElement} */ (page.querySelector('#add'));
  let hush = 0;

  const notice = (/** @type {string} */ text) => {
    clearTimeout(hush);
    find('notice').textContent = text;
    hush = setTimeout(() => find('notice').replaceChildren(), NOTICE_MS);
  };
  const show = (/** @type {import('./protocol.js').Standing | null} */ standing) => {
    find('rank').textContent = standing?.rank ? ordinal(standing.rank) : 'Not on the board yet';
    find('score').textContent = standing?.rank ? `${points(standing.score)} points` : '';
  };
  const greet = () => {
    const { id, name } = session.user;
    bar.hidden = !id;
    opener.hidden = Boolean(id);
    find('name').textContent = name;
    find('avatar').textContent = initial(name);
    find('notice').textContent = '';
    show(null);
  };

  add.addEventListener('click', async () => {
    add.disabled = true;
    let pauseMs = 0;
    try {
      const { new_score } = await session.addScore(INCREMENT);
      notice(`Counted: ${points(new_score)} points`);
    } catch (error) {
      if (error instanceof Refused && error.status === 429) {
        pauseMs = error.retryAfterMs || 1_000;
        notice(`That was quick. The next one counts in ${Math.ceil(pauseMs / 1000)} s.`);
      } else {
        notice(words(error));
      }
    }
    setTimeout(() => {
      add.disabled = false;
    }, pauseMs);
  });
  page.querySelector('#sign-out')?.addEventListener('click', () => session.signOut());
  session.addEventListener('change', greet);
  greet();
  return show;
}
