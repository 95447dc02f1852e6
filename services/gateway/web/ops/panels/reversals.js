/** The cases: what was taken back, by whom, and how far it is. */

import { el } from '../../dom.js';
import { points } from '../../format.js';
import { button, field, select } from '../form.js';
import { Listing } from '../listing.js';
import { asking } from '../load.js';
import { badge, hint, several, when, words } from '../show.js';

const PAGE = 20;

/** @type {Record<string, import('../show.js').Tone>} */
const TONES = {
  awaiting_approval: 'warn',
  applying: 'warn',
  applied: 'good',
  withdrawn: 'plain',
  revert_awaiting_approval: 'warn',
  reverting: 'warn',
  reverted: 'plain',
};

/** @param {import('../app.js').Place} place */
export function reversals({ send }) {
  const states = Object.keys(TONES).map(
    (state) => /** @type {[string, string]} */ ([state, words(state)]),
  );
  const state = select('state', [['', 'any'], ...states]);
  const listing = new Listing({
    name: 'Reversals',
    empty: 'No case here.',
    page: async (before) => {
      const query = { state: state.value, limit: PAGE, before };
      const { cases: items, next } = await send('GET', asking('/api/admin/reversals', query));
      return { items, next };
    },
    columns: [
      { title: 'Case', cell: ({ case_id }) => caseLink(case_id) },
      { title: 'State', cell: ({ state: now }) => caseState(now) },
      { title: 'What', cell: ({ selector }) => described(selector) },
      {
        title: 'Takes back',
        cell: ({ preview }) => extent(preview),
      },
      { title: 'Progress', cell: progress },
      {
        title: 'Requested',
        cell: ({ requested }) => [
          when(requested.at),
          el('p', { class: 'small' }, `by ${requested.by}: ${requested.reason}`),
        ],
      },
    ],
  });
  state.addEventListener('change', () => listing.refresh());
  listing.refresh();
  return el(
    'div',
    { class: 'stack' },
    hint(
      'Reversals append compensating entries; nothing is erased, and every one can be reverted.',
    ),
    el(
      'div',
      { class: 'filters' },
      field('State', state),
      button('Refresh', () => listing.refresh()),
      el('a', { class: 'button main', href: '#reverse' }, 'New reversal…'),
    ),
    listing.element,
  );
}

/** @param {any} preview @returns {string} how much it is about */
export const extent = ({ points: sum, entries, users }) =>
  `${several(sum, 'point')} in ${several(entries, 'entry', 'entries')} of ${several(users, 'user')}`;

/** @param {string} caseId */
export const caseLink = (caseId) =>
  el('a', { href: `#cases/${encodeURIComponent(caseId)}` }, caseId);

/** @param {string} state */
export const caseState = (state) => badge(words(state), TONES[state]);

/** @param {any} reversalCase */
export const progress = ({ done, entries }) =>
  el(
    'span',
    { class: 'pair' },
    el('progress', {
      value: String(done),
      max: String(entries || 1),
      'aria-label': 'Entries done',
    }),
    el('span', { class: 'small' }, `${points(done)} of ${points(entries)}`),
  );

/** @param {any} selector @returns {string} in words */
export function described(selector) {
  const { user_id, seqs, idempotency_keys, from, to, fingerprint } = selector;
  const said = [];
  if (user_id) said.push(`user ${user_id}`);
  if (fingerprint) said.push(`fingerprint ${fingerprint}`);
  if (seqs) said.push(`${several(seqs.length, 'entry', 'entries')}: ${seqs.join(', ')}`);
  if (idempotency_keys)
    said.push(`${several(idempotency_keys.length, 'key')}: ${idempotency_keys.join(', ')}`);
  if (from) said.push(`from ${from}`);
  if (to) said.push(`until ${to}`);
  return said.join(', ');
}
