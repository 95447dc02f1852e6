/** The dialog before every act: what will happen, why, and what the server said to it. */

import { trouble } from './load.js';

/**
 * @template T
 * @typedef {object} Question
 * @property {string} title
 * @property {string} text - what will happen
 * @property {string} verb - on the button
 * @property {(reason: string) => Promise<T>} act - a refusal is shown, and the dialog stays
 * @property {boolean} [harsh] - it takes something from somebody
 * @property {boolean} [noReason] - the server takes none
 * @property {string} [reason] - given already
 */

/** Calls off the question that is open, if one is. */
let dismiss = () => {};

/**
 * @template T
 * @param {Question<T>} question
 * @returns {Promise<T | undefined>} what the server answered; undefined if it was called off
 */
export function ask({ title, text, verb, act, harsh, noReason, reason = '' }) {
  dismiss();
  const dialog = /** @type {HTMLDialogElement} */ (document.querySelector('#ask'));
  const find = (/** @type {string} */ name) =>
    /** @type {HTMLElement} */ (dialog.querySelector(name));
  const form = /** @type {HTMLFormElement} */ (find('form'));
  const fields = /** @type {HTMLFieldSetElement} */ (find('fieldset'));
  const why = /** @type {HTMLTextAreaElement} */ (find('textarea'));
  const go = /** @type {HTMLButtonElement} */ (find('[type=submit]'));

  find('h2').textContent = title;
  find('#ask-text').textContent = text;
  find('.problem').replaceChildren();
  find('[data-reason]').hidden = why.disabled = Boolean(noReason);
  why.value = reason;
  go.textContent = verb;
  go.classList.toggle('harsh', Boolean(harsh));

  return new Promise((resolve) => {
    const over = new AbortController();
    const { signal } = over;
    const first = noReason ? go : why;
    const finish = (/** @type {T | undefined} */ answer) => {
      if (signal.aborted) return;
      over.abort();
      fields.disabled = false;
      dismiss = () => {};
      dialog.close();
      resolve(answer);
    };
    const submit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      fields.disabled = true;
      find('.problem').replaceChildren();
      try {
        finish(await act(why.value.trim()));
      } catch (error) {
        if (signal.aborted) return;
        find('.problem').replaceChildren(trouble(error));
        fields.disabled = false;
        first.focus();
      }
    };
    const cancel = (/** @type {Event} */ event) => {
      event.preventDefault();
      if (!fields.disabled) finish(undefined); // once it is asked, only the answer ends it
    };
    // It comes late: by then the dialog may be open again, for another question.
    const closed = () => dialog.open || finish(undefined);
    form.addEventListener('submit', submit, { signal });
    find('[data-cancel]').addEventListener('click', cancel, { signal });
    dialog.addEventListener('cancel', cancel, { signal });
    dialog.addEventListener('close', closed, { signal });
    dismiss = () => finish(undefined);
    dialog.showModal();
    first.focus();
  });
}
