/** Controls, each with a label. */

import { el } from '../dom.js';

let hints = 0;

/** @param {string} text @param {HTMLElement} control @param {string} [hint] */
export function field(text, control, hint = '') {
  const label = el('label', {}, text, control);
  if (!hint) return label;
  const id = `hint-${(hints += 1)}`;
  control.setAttribute('aria-describedby', id);
  return el('div', { class: 'field' }, label, el('span', { class: 'small', id }, hint));
}

/** @param {Record<string, string>} attributes */
export const input = (attributes) =>
  el('input', { autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', ...attributes });

/** @param {string} name @param {[value: string, text: string][]} options */
export const select = (name, options) =>
  el('select', { name }, ...options.map(([value, text]) => el('option', { value }, text)));

/** @param {string} text @param {() => void} press @param {string} [look] */
export function button(text, press, look = 'quiet') {
  const node = el('button', { type: 'button', class: look }, text);
  node.addEventListener('click', press);
  return node;
}

/** @param {(form: HTMLFormElement) => void} submit @param {...(Node | string)} children */
export function form(submit, ...children) {
  const node = el('form', { class: 'fields' }, ...children);
  node.addEventListener('submit', (event) => {
    event.preventDefault();
    submit(node);
  });
  return node;
}

/** @param {string} local - what a datetime-local says @returns {string} RFC 3339, or empty */
export const utc = (local) => (local ? new Date(local).toISOString() : '');
