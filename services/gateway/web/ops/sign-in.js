/** The door: two ways in, each a form that says what the server said. */

import { trouble } from './load.js';

/** @param {ParentNode} page @param {import('./operator.js').Operator} operator */
export function door(page, operator) {
  const find = (/** @type {string} */ name) =>
    /** @type {HTMLFormElement} */ (page.querySelector(name));
  submitting(find('#by-password'), (given) =>
    operator.signIn(String(given.get('login')), String(given.get('password'))),
  );
  submitting(find('#by-token'), (given) => operator.useToken(String(given.get('token')).trim()));
  return {
    /** @param {string} why - the last session ended */
    say(why) {
      const place = find('#by-password').querySelector('.problem');
      place?.replaceChildren(...(why ? [trouble(why)] : []));
    },
  };
}

/** @param {HTMLFormElement} form @param {(given: FormData) => Promise<void>} enter */
function submitting(form, enter) {
  const fields = /** @type {HTMLFieldSetElement} */ (form.querySelector('fieldset'));
  const problem = /** @type {HTMLElement} */ (form.querySelector('.problem'));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const given = new FormData(form);
    problem.replaceChildren();
    fields.disabled = true;
    try {
      await enter(given);
      form.reset();
    } catch (error) {
      problem.replaceChildren(trouble(error));
    } finally {
      fields.disabled = false;
    }
  });
}
