/** What a reversal does, or did: sums, the top ten before and after, and each user. */

import { el } from '../../dom.js';
import { points } from '../../format.js';
import { Listing, pagesOf } from '../listing.js';
import { person } from '../people.js';
import { badge, card, hint, signed, unseen } from '../show.js';

const SHOWN = 25;
const MAX_CHANGES = 1_000;

/** @typedef {{ user_id: string, score: number }} Entry */
/** @typedef {import('../show.js').Part} Part */

/** @param {any} preview - a ReversalPreview */
export function preview(preview) {
  const {
    users,
    entries,
    already_reversed,
    needs_approval,
    changes,
    top_10_before: before,
    top_10_after: after,
  } = preview;
  const listing = new Listing({
    name: 'Users before and after',
    empty: 'Nobody loses anything.',
    page: pagesOf(changes, SHOWN),
    columns: [
      { title: 'User', cell: ({ user_id }) => person(user_id) },
      { title: 'Entries', number: true, cell: ({ entries: many }) => points(many) },
      { title: 'Before', number: true, cell: ({ score_before }) => points(score_before) },
      { title: 'After', number: true, cell: ({ score_after }) => points(score_after) },
      {
        title: 'Change',
        number: true,
        cell: ({ score_before, score_after }) => signed(score_after - score_before),
      },
    ],
  });
  listing.refresh();
  return el(
    'div',
    { class: 'stack' },
    el(
      'dl',
      { class: 'sums' },
      sum('Points', points(preview.points)),
      sum('Entries', points(entries)),
      sum('Users', points(users)),
      sum('Taken back already', points(already_reversed)),
    ),
    ...(needs_approval ? [el('p', {}, badge('Needs a second person', 'warn'))] : []),
    el(
      'div',
      { class: 'sides' },
      top('Top 10 before', before, after, leaving),
      top('Top 10 after', after, before, arriving),
    ),
    card(
      'Users',
      ...(changes.length >= MAX_CHANGES ? [hint('The thousand who lose most.')] : []),
      listing.element,
    ),
  );
}

/** @param {string} name @param {string} value */
const sum = (name, value) => el('div', {}, el('dt', {}, name), el('dd', {}, value));

/**
 * @param {string} title
 * @param {Entry[]} entries
 * @param {Entry[]} others - of the other side
 * @param {(entry: Entry, place: number, other: number) => Part[]} remark - `other` is -1 if gone
 */
function top(title, entries, others, remark) {
  const rows = entries.map((entry, place) => {
    const other = others.findIndex(({ user_id }) => user_id === entry.user_id);
    const same = other >= 0 && others[other].score === entry.score;
    return el(
      'li',
      same ? {} : { class: 'changed' },
      el('span', { class: 'rank' }, String(place + 1)),
      person(entry.user_id),
      ...remark(entry, place, other),
      el('span', { class: 'score' }, points(entry.score)),
    );
  });
  return card(title, rows.length ? el('ol', { class: 'top10' }, ...rows) : hint('Nobody.'));
}

/** @param {Entry} _entry @param {number} _place @param {number} later @returns {Part[]} */
const leaving = (_entry, _place, later) => (later < 0 ? [badge('leaves', 'bad')] : []);

/** @param {Entry} _entry @param {number} place @param {number} earlier @returns {Part[]} */
function arriving(_entry, place, earlier) {
  if (earlier < 0) return [badge('comes in', 'good')];
  const places = earlier - place;
  if (places === 0) return [];
  const [mark, word] = places > 0 ? ['▲', 'up'] : ['▼', 'down'];
  return [
    el('span', { class: 'small', 'aria-hidden': 'true' }, `${mark} ${Math.abs(places)}`),
    unseen(`${word} ${Math.abs(places)}`),
  ];
}
