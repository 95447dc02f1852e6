/** A new reversal: choose, try it dry, then apply the selection that was tried, and no other. */

import { el } from '../../dom.js';
import { ask } from '../ask.js';
import { field, form, input, utc } from '../form.js';
import { trouble } from '../load.js';
import { card } from '../show.js';
import { preview } from './preview.js';
import { described, extent } from './reversals.js';

const USER = { name: 'user_id', maxlength: '64' };
const FINGERPRINT = { name: 'fingerprint', maxlength: '32', pattern: '[0-9a-f]{16}|[0-9a-f]{32}' };
const TIME = { type: 'datetime-local', step: '1' };

/** Which increments; each kind has fields of its own. */
const KINDS = [
  ['range', 'A user’s, all or in a span of time'],
  ['seqs', 'Some entries of a user, by number'],
  ['keys', 'Some entries of a user, by idempotency key'],
  ['fingerprint', 'Those of a fingerprint, whoever’s they are'],
];

/** @param {import('../app.js').Place} place - `rest`: a user, a fingerprint */
export function reverse({ send, left, rest: [user = '', fingerprint = ''] }) {
  const shown = el('div', { class: 'stack' });
  const dry = el('button', { class: 'main', type: 'submit' }, 'Dry run');
  const apply = el('button', { class: 'main harsh', type: 'button', disabled: '' }, 'Apply…');
  const why = el('p', { class: 'small', role: 'status' }, 'Apply needs a dry run first.');
  const kinds = chooser();
  const fields = el('div', { class: 'fields' });
  const details = el(
    'div',
    { class: 'fields' },
    field(
      'Case',
      input({
        name: 'case_id',
        required: '',
        maxlength: '64',
        pattern: '[A-Za-z0-9][A-Za-z0-9._\\-]*',
      }),
      'A name of your own, such as fraud-2026-11; it makes a repeat harmless.',
    ),
    field('Reason', input({ name: 'reason', required: '', maxlength: '500' })),
  );
  /** The selector that was tried, as it was sent; and what it would do. */
  let tried = '';
  /** @type {any} */
  let outcome = null;

  const order = () => {
    const given = new FormData(node);
    const [case_id, reason] = [given.get('case_id'), given.get('reason')].map((v) =>
      String(v).trim(),
    );
    return { case_id, reason, selector: selectorOf(given) };
  };
  const check = () => {
    const same = outcome !== null && JSON.stringify(order().selector) === tried;
    apply.disabled = !same || outcome.entries === 0;
    if (!outcome) why.textContent = 'Apply needs a dry run first.';
    else if (!same) why.textContent = 'The selection has changed: try it dry again.';
    else
      why.textContent = outcome.entries
        ? 'Tried dry: this selection can be applied.'
        : 'There is nothing to take back.';
  };
  const choose = (/** @type {string} */ kind) => {
    fields.replaceChildren(...fieldsOf(kind, user, fingerprint));
    check();
  };
  const attempt = async () => {
    const asked = order();
    dry.disabled = true;
    outcome = null;
    try {
      const answer = await send('POST', '/api/admin/reversals', { ...asked, dry_run: true });
      tried = JSON.stringify(asked.selector);
      outcome = answer;
      shown.replaceChildren(el('h2', {}, 'What would happen'), preview(answer));
    } catch (error) {
      shown.replaceChildren(trouble(error));
    }
    dry.disabled = false;
    check();
  };
  const act = async () => {
    if (!node.reportValidity()) return;
    const asked = order();
    const opened = await ask({
      title: `Apply ${asked.case_id}?`,
      text: `Takes back ${described(asked.selector)}: tried dry, ${extent(outcome)}.`,
      verb: 'Apply',
      harsh: true,
      reason: asked.reason,
      act: (reason) => send('POST', '/api/admin/reversals', { ...asked, reason, dry_run: false }),
    });
    if (opened && !left.aborted) location.hash = `#cases/${encodeURIComponent(opened.case_id)}`;
  };

  const node = form(attempt, kinds, fields, details, el('div', { class: 'acts' }, dry, apply), why);
  node.addEventListener('input', check);
  kinds.addEventListener('change', () => choose(String(new FormData(node).get('kind'))));
  apply.addEventListener('click', act);
  const first = fingerprint && !user ? 'fingerprint' : 'range';
  /** @type {HTMLInputElement} */ (kinds.querySelector(`[value=${first}]`)).checked = true;
  choose(first);
  return el('div', { class: 'stack' }, card('Selection', node), shown);
}

function chooser() {
  const options = KINDS.map(([value, text]) =>
    el('label', { class: 'option' }, el('input', { type: 'radio', name: 'kind', value }), text),
  );
  return el('fieldset', { class: 'options' }, el('legend', {}, 'Which increments'), ...options);
}

/** @param {string} kind @param {string} user @param {string} fingerprint */
function fieldsOf(kind, user, fingerprint) {
  const whose = () => field('User', input({ ...USER, required: '', value: user }));
  const span = () => [
    field(
      'From',
      input({ ...TIME, name: 'from' }),
      'Your local time, included; empty: from the first.',
    ),
    field(
      'Until',
      input({ ...TIME, name: 'to' }),
      'Not included; empty: up to when it is applied.',
    ),
  ];
  const print = input({ ...FINGERPRINT, required: '', value: fingerprint });
  const many = (/** @type {string} */ name) =>
    el('textarea', { name, rows: '2', required: '', spellcheck: 'false' });
  switch (kind) {
    case 'seqs':
      return [whose(), field('Entry numbers', many('seqs'), 'Separated by spaces or commas.')];
    case 'keys':
      return [whose(), field('Idempotency keys', many('keys'), 'One in a line.')];
    case 'fingerprint':
      return [
        field('Fingerprint', print, '16 hex digits: the client; 32: and its network.'),
        ...span(),
      ];
    default:
      return [whose(), ...span()];
  }
}

/**
 * What is asked for and left empty is sent empty, and refused: to leave it out would mean "all".
 *
 * @param {FormData} given
 * @returns {Record<string, unknown>} of the fields that this kind has
 */
function selectorOf(given) {
  const text = (/** @type {string} */ name) => String(given.get(name)).trim();
  const parts = (/** @type {string} */ name, /** @type {RegExp} */ by) =>
    text(name)
      .split(by)
      .map((part) => part.trim())
      .filter(Boolean);
  /** @type {Record<string, unknown>} */
  const selector = {};
  if (given.has('user_id')) selector.user_id = text('user_id');
  if (given.has('fingerprint')) selector.fingerprint = text('fingerprint');
  // What is no number is sent as it is: the server says what is wrong with it.
  const number = (/** @type {string} */ part) => (/^\d+$/.test(part) ? Number(part) : part);
  if (given.has('seqs')) selector.seqs = parts('seqs', /[\s,]+/).map(number);
  if (given.has('keys')) selector.idempotency_keys = parts('keys', /\n/);
  if (given.get('from')) selector.from = utc(text('from'));
  if (given.get('to')) selector.to = utc(text('to'));
  return selector;
}
