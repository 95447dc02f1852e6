/** One user: the account, the ledger, and what can be done about either. */

import { el } from '../../dom.js';
import { points } from '../../format.js';
import { field, form, input } from '../form.js';
import { asking, fill } from '../load.js';
import { person, userPage } from '../people.js';
import { card } from '../show.js';
import { account } from './account.js';
import { ledger } from './ledger.js';

const SUGGESTED = 10;

/** @param {import('../app.js').Place} place - `rest`: the user, if one was chosen */
export function users(place) {
  const [user = ''] = place.rest;
  const wanted = input({
    name: 'user',
    value: user,
    required: '',
    maxlength: '64',
    type: 'search',
  });
  const search = form(
    () => {
      if (wanted.value.trim()) location.hash = userPage(wanted.value.trim());
    },
    el(
      'div',
      { class: 'filters' },
      field('User id', wanted),
      el('button', { class: 'main', type: 'submit' }, 'Look up'),
    ),
  );
  if (!user) return el('div', { class: 'stack' }, search, leaders(place));
  return el('div', { class: 'stack' }, search, account(place, user), ledger(place, user));
}

/** Whoever is looked for is often on the board. @param {import('../app.js').Place} place */
function leaders({ send }) {
  const list = el('div');
  fill(list, async () => {
    const { entries } = await send('GET', asking('/api/leaderboard', { limit: SUGGESTED }));
    const rows = entries.map((/** @type {any} */ { rank, user_id, score }) =>
      el(
        'li',
        {},
        el('span', { class: 'rank' }, String(rank)),
        person(user_id),
        el('span', { class: 'score' }, points(score)),
      ),
    );
    return rows.length ? el('ol', { class: 'top10' }, ...rows) : 'Nobody yet.';
  });
  return card('On the board now', list);
}
