/** The queue of suspicions: a person decides, and says why. */

import { el } from '../../dom.js';
import { ask } from '../ask.js';
import { button, field, select } from '../form.js';
import { Listing } from '../listing.js';
import { asking, path } from '../load.js';
import { person } from '../people.js';
import { badge, code, evidence, hint, when } from '../show.js';
import { caseLink } from './reversals.js';

const PAGE = 20;

/** @type {Record<string, import('../show.js').Tone>} */
const TONES = { open: 'warn', accepted: 'good', held: 'bad', reversed: 'bad' };

const DECISIONS = {
  accept: {
    verb: 'Accept',
    harsh: false,
    text: 'The points stay. If the rule held them, they are released.',
  },
  hold: {
    verb: 'Hold',
    harsh: true,
    text: 'Off the public board; the ledger goes on counting. It can be released.',
  },
  reverse: {
    verb: 'Reverse',
    harsh: true,
    text: 'Opens a case that takes back what was earned since the suspicion’s window began.',
  },
};

/** @param {import('../app.js').Place} place */
export function reviews({ send, say }) {
  const state = select('state', [
    ['open', 'Open'],
    ['', 'All'],
    ['accepted', 'Accepted'],
    ['held', 'Held'],
    ['reversed', 'Reversed'],
  ]);

  /** @param {any} review @param {keyof typeof DECISIONS} decision */
  const decide = async (review, decision) => {
    const { verb, text, harsh } = DECISIONS[decision];
    const decided = await ask({
      title: `${verb} ${review.user_id}?`,
      text,
      verb,
      harsh,
      act: (reason) =>
        send('POST', path`/api/admin/reviews/${review.review_id}`, { decision, reason }),
    });
    if (!decided) return;
    listing.put(decided);
    say(`Review ${decided.review_id} of ${decided.user_id}: ${decided.state}.`);
  };

  const listing = new Listing({
    name: 'Reviews',
    empty: 'Nothing waits for a decision here.',
    key: ({ review_id }) => review_id,
    page: async (before) => {
      const query = { state: state.value, limit: PAGE, before };
      const { reviews: items, next } = await send('GET', asking('/api/admin/reviews', query));
      return { items, next };
    },
    columns: [
      { title: 'User', cell: (review) => person(review.user_id) },
      {
        title: 'Suspicion',
        cell: ({ rule, action, evidence: found }) => [
          el('p', { class: 'pair' }, code(rule), badge(action)),
          evidence(found),
        ],
      },
      { title: 'Opened', cell: ({ opened_at }) => when(opened_at) },
      { title: 'State', cell: standing },
      {
        title: 'Decide',
        cell: (review) =>
          el('div', { class: 'acts' }, ...choices(review, (which) => decide(review, which))),
      },
    ],
  });
  state.addEventListener('change', () => listing.refresh());
  listing.refresh();
  return el(
    'div',
    { class: 'stack' },
    hint('The detector never takes a point. It points at users; people decide.'),
    el(
      'div',
      { class: 'filters' },
      field('State', state),
      button('Refresh', () => listing.refresh()),
    ),
    listing.element,
  );
}

/** @param {any} review */
function standing({ state, held, decided_by, decided_at, reason, case_id }) {
  const parts = [
    el(
      'p',
      { class: 'pair' },
      badge(state, TONES[state]),
      ...(held ? [badge('off the board', 'bad')] : []),
    ),
  ];
  if (decided_by)
    parts.push(
      el('p', { class: 'small' }, `${decided_by}, `, when(decided_at), reason ? `: ${reason}` : ''),
    );
  if (case_id) parts.push(el('p', { class: 'small' }, 'case ', caseLink(case_id)));
  return parts;
}

/** @param {any} review @param {(decision: keyof typeof DECISIONS) => void} decide */
function choices(review, decide) {
  if (review.state !== 'open') return [];
  return [
    button('Accept', () => decide('accept')),
    button('Hold', () => decide('hold')),
    button('Reverse', () => decide('reverse')),
  ];
}
