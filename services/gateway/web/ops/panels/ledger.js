/** A user's ledger, now or at a time, and holding or releasing them. */

import { el } from '../../dom.js';
import { points } from '../../format.js';
import { ask } from '../ask.js';
import { button, field, form, input, utc } from '../form.js';
import { Listing } from '../listing.js';
import { asking, path } from '../load.js';
import { badge, card, code, facts, signed, when } from '../show.js';
import { caseLink } from './reversals.js';

const PAGE = 20;

/** @param {import('../app.js').Place} place @param {string} user */
export function ledger({ send, say, left }, user) {
  const here = path`/api/admin/users/${user}`;
  const state = el('div');
  let at = '';

  const listing = new Listing({
    name: 'Ledger entries',
    empty: 'No entries.',
    page: async (before) => {
      const view = await send('GET', asking(`${here}/ledger`, { at, before, limit: PAGE }));
      if (!before) tell(view);
      return { items: view.entries, next: view.next };
    },
    columns: [
      { title: 'No.', number: true, cell: ({ seq }) => points(seq) },
      { title: 'When', cell: ({ created_at }) => when(created_at) },
      { title: 'Change', number: true, cell: ({ delta }) => signed(delta) },
      { title: 'Total', number: true, cell: ({ balance_after }) => points(balance_after) },
      { title: 'Kind', cell: kind },
      { title: 'By', cell: cause },
      { title: 'Fingerprint', cell: ({ fingerprint }) => print(fingerprint) },
    ],
  });
  const act = async (/** @type {'hold' | 'release'} */ name) => {
    const hold = name === 'hold';
    const now = await ask({
      title: `${hold ? 'Hold' : 'Release'} ${user}?`,
      text: hold
        ? 'Off the public board at once; the ledger goes on counting. Release restores the rank.'
        : 'Back on the public board, at the exact rank.',
      verb: hold ? 'Hold' : 'Release',
      harsh: hold,
      act: (reason) => send('POST', `${here}/${name}`, { reason }),
    });
    if (!now || left.aborted) return;
    say(`${now.user_id} is ${now.held ? 'held' : 'not held'}, with ${points(now.score)} points.`);
    listing.refresh();
  };
  const hold = button('Hold…', () => act('hold'));
  const release = button('Release…', () => act('release'));
  const tell = (/** @type {any} */ view) => {
    hold.hidden = view.held;
    release.hidden = !view.held;
    const marks = [view.held ? badge('held: off the board', 'bad') : badge('on the board', 'good')];
    if (view.erased) marks.push(badge('erased', 'bad'));
    state.replaceChildren(
      facts(
        [at ? 'Score then' : 'Score', el('b', {}, points(view.score))],
        ['Version', points(view.version)],
        ['State now', el('span', { class: 'pair' }, ...marks)],
        ...(view.at ? [/** @type {[string, any]} */ (['As of', when(view.at)])] : []),
      ),
    );
  };
  listing.refresh();
  return card(
    'Ledger',
    state,
    el(
      'div',
      { class: 'acts' },
      hold,
      release,
      el(
        'a',
        { class: 'button quiet', href: `#reverse/${encodeURIComponent(user)}` },
        'Take back…',
      ),
    ),
    moment((chosen) => {
      at = chosen;
      listing.refresh();
    }),
    listing.element,
  );
}

/** @param {(at: string) => void} choose - RFC 3339, an entry's number, or empty for now */
function moment(choose) {
  const time = input({ type: 'datetime-local', step: '1' });
  const seq = input({ type: 'number', min: '1', step: '1', inputmode: 'numeric' });
  time.addEventListener('input', () => (seq.value = ''));
  seq.addEventListener('input', () => (time.value = ''));
  const now = button('Now', () => {
    time.value = seq.value = '';
    choose('');
  });
  const show = el('button', { class: 'quiet', type: 'submit' }, 'Show');
  const row = el(
    'div',
    { class: 'filters' },
    field('At a time', time),
    field('or after entry', seq),
    show,
    now,
  );
  return form(() => choose(utc(time.value) || seq.value), row);
}

/** @param {any} line */
function kind({ kind: what, reverses_seq }) {
  return reverses_seq ? [what, ` of no. ${points(reverses_seq)}`] : what;
}

/** @param {any} line */
function cause({ actor, case_id, reason, idempotency_key }) {
  const parts = [el('span', {}, actor)];
  if (case_id) parts.push(el('p', { class: 'small' }, 'case ', caseLink(case_id)));
  if (reason) parts.push(el('p', { class: 'small' }, reason));
  if (idempotency_key) parts.push(el('p', { class: 'small' }, 'key ', code(idempotency_key)));
  return parts;
}

/** @param {string | null} fingerprint */
const print = (fingerprint) =>
  fingerprint === null
    ? '–'
    : el(
        'a',
        { href: `#reverse//${fingerprint}`, title: 'Take back what it earned…' },
        code(fingerprint),
      );
