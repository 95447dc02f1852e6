/**
 * `<live-scoreboard>`: the live top ten, for any page. See docs/embed.md.
 *
 * Attributes: `src` (the scoreboard's URL; by default where this file is from), `stream` (the
 * streams' base URL; by default what `src` says), `limit` (1…10), `theme` (light | dark).
 * Events: `snapshot`, `standing` and `state`, each with a `detail`. Slots: `title`, `empty`.
 */

import { Announcer } from './announce.js';
import { Board } from './board.js';
import { boardStyle } from './board-style.js';
import { Card } from './card.js';
import { Names } from './names.js';
import { BoardStream } from './stream.js';

const MAX_ROWS = 10;
const TIMEOUT_MS = 5_000;
const HERE = new URL(import.meta.url).origin;

export class LiveScoreboard extends HTMLElement {
  static observedAttributes = ['src', 'stream', 'limit'];

  /** @type {import('./protocol.js').Snapshot | null} the newest; until the next paint not shown */
  #snapshot = null;
  /** @type {BoardStream | null} */
  #stream = null;
  /** @type {Names | null} */
  #names = null;
  #card = new Card(() => this.#stream?.start());
  #board = new Board(this.#card.body, (userId) => this.#nameOf(userId));
  #announcer = new Announcer(this.#card.news, (userId) => this.#nameOf(userId));
  #frame = 0;
  #me = '';
  #ticket = async () => '';

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [boardStyle];
    root.append(this.#card.element);
  }

  connectedCallback() {
    this.#open();
  }

  disconnectedCallback() {
    this.#close();
  }

  attributeChangedCallback() {
    if (this.#stream === null) return; // not opened yet
    this.#close();
    this.#open();
  }

  /**
   * Watch as this player: their row is marked, and `standing` events tell their own rank.
   *
   * @param {string} userId - empty: as anybody
   * @param {() => Promise<string>} ticket - makes a ticket for each connection
   */
  watchAs(userId, ticket) {
    this.#me = userId;
    this.#ticket = ticket;
    this.#stream?.start();
    if (this.#snapshot) this.#draw({ ...this.#snapshot, moves: {} });
  }

  get #places() {
    const limit = Number.parseInt(this.getAttribute('limit') ?? '', 10) || MAX_ROWS;
    return Math.min(MAX_ROWS, Math.max(1, limit));
  }

  #open() {
    const given = this.getAttribute('src');
    const src = withoutSlash(given ? new URL(given, document.baseURI).href : HERE);
    this.#snapshot = null;
    this.#board.clear(this.#places);
    this.dataset.phase = 'waiting';
    this.#names = new Names(src, () => this.#board.rename());
    this.#names.start();
    const base = streamBase(src, this.getAttribute('stream'));
    this.#stream = new BoardStream(base, () => this.#ticket());
    this.#listen(this.#stream);
    this.#tell('connecting');
    this.#stream.start();
  }

  #close() {
    this.#stream?.stop();
    this.#stream = null;
    this.#names?.stop();
    this.#announcer.reset();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /** @param {BoardStream} stream */
  #listen(stream) {
    stream.addEventListener('sign', () => this.#card.pulse());
    stream.addEventListener('state', (event) => this.#tell(this.#forward(event)));
    stream.addEventListener('standing', (event) => this.#forward(event));
    stream.addEventListener('snapshot', (event) => {
      this.#snapshot = this.#forward(event);
      // One slot: of all snapshots between two paints only the newest is drawn.
      this.#frame ||= requestAnimationFrame(() => {
        this.#frame = 0;
        if (this.#snapshot) this.#draw(this.#snapshot);
      });
    });
  }

  /** @param {Event} event */
  #forward(event) {
    const { type, detail } = /** @type {CustomEvent} */ (event);
    this.dispatchEvent(new CustomEvent(type, { detail }));
    return detail;
  }

  /** @param {import('./protocol.js').Snapshot} snapshot */
  #draw(snapshot) {
    const entries = snapshot.top_10.slice(0, this.#places);
    this.#names?.want(entries.map(({ user_id }) => user_id));
    this.#board.render(entries, snapshot.moves ?? {}, this.#places, this.#me);
    this.#announcer.observe(entries);
    this.#card.at(snapshot);
    this.dataset.phase = entries.length ? 'filled' : 'empty';
  }

  /** @param {import('./stream.js').State} state */
  #tell(state) {
    this.dataset.state = state;
    this.#card.tell(state);
  }

  /** @param {string} userId */
  #nameOf(userId) {
    return this.#names?.of(userId) ?? userId;
  }
}

/** @param {string} url */
const withoutSlash = (url) => url.replace(/\/+$/, '');

/**
 * @param {string} src
 * @param {string | null} given
 * @returns {() => Promise<string>} finds the streams' base URL, and asks `src` for it only once
 */
function streamBase(src, given) {
  let known = given ?? '';
  return async () => {
    if (!known) {
      const answer = await fetch(`${src}/api/config`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!answer.ok) throw new Error(`config: ${answer.status}`);
      known = (await answer.json()).stream_url || src;
    }
    return withoutSlash(known);
  };
}

customElements.define('live-scoreboard', LiveScoreboard);
