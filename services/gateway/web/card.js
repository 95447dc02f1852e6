/** What is around the rows: title, state of the connection, column headers, small print. */

import { el, prefersStillness } from './dom.js';

const LABELS = {
  connecting: 'Connecting…',
  live: 'Live',
  stale: 'Stale',
  reconnecting: 'Reconnecting…',
  closed: 'Disconnected',
};
const TIE_RULE = 'On equal scores, whoever got there first is ahead.';

export class Card {
  body = el('tbody');
  /** For screen readers: what moved. */
  news = el('p', { class: 'unseen', 'aria-live': 'polite' });
  #dot = el('span', { class: 'dot', 'aria-hidden': 'true' });
  #label = el('span', { part: 'state' });
  #again = el('button', { class: 'again', type: 'button', hidden: '' }, 'Reconnect');
  #position = el('span', { title: 'epoch : revision of the board shown' });

  /** @param {() => void} reconnect - asked for by the reader, after the stream ended for good */
  constructor(reconnect) {
    this.#again.addEventListener('click', reconnect);
    const state = el('p', { class: 'state', role: 'status' }, this.#dot, this.#label);
    const title = el('slot', { name: 'title' }, el('h2', { part: 'title' }, 'Top players'));
    const empty = el('slot', { name: 'empty' }, 'No scores yet');
    this.element = el(
      'section',
      { class: 'card', part: 'card', 'aria-label': 'Live scoreboard' },
      el('header', {}, title, this.#again, state),
      el('div', { class: 'rows' }, this.#table(), el('div', { class: 'empty' }, empty)),
      el('footer', {}, el('span', {}, TIE_RULE), this.#position),
      this.news,
    );
  }

  /** @param {import('./stream.js').State} state */
  tell(state) {
    this.#label.textContent = LABELS[state];
    this.#again.hidden = state !== 'closed';
  }

  /** @param {import('./protocol.js').Position} position - of what is shown */
  at({ epoch, rev }) {
    this.#position.textContent = `${epoch}:${rev}`;
  }

  /** A sign of life. */
  pulse() {
    if (prefersStillness()) return;
    const ring = [{ boxShadow: '0 0 0 0 currentColor' }, { boxShadow: '0 0 0 7px transparent' }];
    this.#dot.animate(ring, { duration: 900, easing: 'ease-out' });
  }

  #table() {
    const columns = el(
      'tr',
      {},
      column('rank', el('span', { 'aria-hidden': 'true' }, '#'), unseen('Rank')),
      column('player', 'Player'),
      column('change', unseen('Places moved')),
      column('score', 'Score'),
    );
    const caption = el('caption', {}, unseen('Live top players, best first'));
    return el('table', {}, caption, el('thead', {}, columns), this.body);
  }
}

/** @param {string} name @param {...(Node | string)} content */
const column = (name, ...content) => el('th', { scope: 'col', class: name }, ...content);

/** @param {string} text */
const unseen = (text) => el('span', { class: 'unseen' }, text);
