/** Nodes and open streams: who is connected where, closing them, emptying a node. */

import { el } from '../../dom.js';
import { points } from '../../format.js';
import { ask } from '../ask.js';
import { button, field, form, input } from '../form.js';
import { Listing } from '../listing.js';
import { asking, fill, path } from '../load.js';
import { person } from '../people.js';
import { badge, card, code, hint, several, when } from '../show.js';

const PAGE = 20;

/** @param {import('../app.js').Place} place */
export function sessions(place) {
  return el('div', { class: 'stack' }, nodes(place), streams(place));
}

/** @param {import('../app.js').Place} place */
function nodes({ send, say }) {
  const drain = async (/** @type {string} */ node) => {
    const now = await ask({
      title: `Drain ${node}?`,
      text: 'Its streams are asked to come back elsewhere, and it takes no new ones.',
      verb: 'Drain',
      harsh: true,
      act: (reason) => send('POST', path`/api/admin/nodes/${node}/drain`, { reason }),
    });
    if (!now) return;
    listing.put(now);
    const verb = now.draining ? 'is' : 'is not';
    say(`${now.node} ${verb} draining, with ${several(now.sessions, 'stream')}.`);
  };
  const listing = new Listing({
    name: 'Nodes',
    empty: 'No node is up.',
    key: ({ node }) => node,
    page: async () => ({ items: (await send('GET', '/api/admin/nodes')).nodes, next: '' }),
    columns: [
      { title: 'Node', cell: ({ node }) => code(node) },
      { title: 'Streams', number: true, cell: ({ sessions: many }) => points(many) },
      {
        title: 'State',
        cell: ({ draining }) => (draining ? badge('draining', 'warn') : badge('open', 'good')),
      },
      { title: 'Seen', cell: ({ seen_at }) => when(seen_at) },
      {
        title: 'Act',
        cell: ({ node, draining }) => (draining ? '' : button('Drain…', () => drain(node))),
      },
    ],
  });
  listing.refresh();
  return card(
    'Nodes',
    el(
      'div',
      { class: 'acts' },
      button('Refresh', () => listing.refresh()),
    ),
    listing.element,
  );
}

/** @param {import('../app.js').Place} place */
function streams({ send, say }) {
  const whose = input({ name: 'user', maxlength: '64', type: 'search' });
  const total = el('div');
  const close = async (/** @type {any} */ session) => {
    const answer = await ask({
      title: 'Close this stream?',
      text: `Of ${session.user_id ?? 'somebody'}, on ${session.node}. They may open a new one.`,
      verb: 'Close',
      harsh: true,
      noReason: true,
      act: () => send('DELETE', path`/api/admin/sessions/${session.session_id}`),
    });
    told(answer);
  };
  const closeAll = async () => {
    const user = whose.value.trim();
    const answer = await ask({
      title: `Close all streams of ${user}?`,
      text: 'They close within 5 s, on every node; the user may open new ones.',
      verb: 'Close all',
      harsh: true,
      noReason: true,
      act: () => send('DELETE', path`/api/admin/users/${user}/sessions`),
    });
    told(answer);
  };
  const told = (/** @type {{ sessions: number } | undefined} */ answer) => {
    if (!answer) return;
    say(`${several(answer.sessions, 'stream')} told to close.`);
    listing.refresh();
  };
  const all = button('Close all of this user…', closeAll);
  all.hidden = true;
  const listing = new Listing({
    name: 'Open streams',
    empty: 'No open stream.',
    page: async (after) => {
      const query = { user_id: whose.value.trim(), after, limit: PAGE };
      const page = await send('GET', asking('/api/admin/sessions', query));
      if (!after)
        fill(total, async () => hint(`${several(page.total, 'stream')} open on all nodes.`));
      return { items: page.sessions, next: page.next };
    },
    columns: [
      { title: 'User', cell: ({ user_id }) => (user_id ? person(user_id) : 'anonymous') },
      { title: 'Since', cell: ({ since }) => when(since) },
      { title: 'Transport', cell: ({ transport }) => transport },
      { title: 'Node', cell: ({ node }) => code(node) },
      { title: 'Address', cell: ({ address }) => code(address) },
      { title: 'Act', cell: (session) => button('Close…', () => close(session)) },
    ],
  });
  const filter = form(
    () => {
      all.hidden = !whose.value.trim();
      listing.refresh();
    },
    el(
      'div',
      { class: 'filters' },
      field('User id', whose),
      el('button', { class: 'quiet', type: 'submit' }, 'Show'),
      all,
    ),
  );
  // What the button would close is what was shown, not what is being typed.
  whose.addEventListener('input', () => (all.hidden = true));
  listing.refresh();
  return card('Streams', filter, total, listing.element);
}
