/**
 * The live connection: the newest snapshot, and how far it can be trusted.
 *
 * Promises: snapshots only ever get newer; what is shown is called stale after 12 s without a sign
 * of life; a lost connection is opened again, at a time that is random. Keeps no history.
 */

import { backoffMs, isFinal, isNewer } from './protocol.js';
import { openEvents, openSocket } from './transport.js';

const STALE_AFTER_MS = 12_000;
const DEAD_AFTER_MS = 15_000;
const STEADY_AFTER_MS = 5_000;
const CHECK_EVERY_MS = 1_000;
const MISSED_SNAPSHOTS = 2;

const TRANSPORTS = [openSocket, openEvents];

/** @typedef {'connecting' | 'live' | 'stale' | 'reconnecting' | 'closed'} State */

/** Events, all with a `detail`: `snapshot` and `standing` (the frame), `state` (a State), `sign`. */
export class BoardStream extends EventTarget {
  /** @type {import('./protocol.js').Position | null} */
  #position = null;
  /** @type {State} */
  #state = 'connecting';
  /** @type {(() => void) | null} */
  #close = null;
  #attempt = 0; // a larger number makes what an older attempt still does void
  #transport = 0; // the one that worked last
  #fellBack = false;
  #failures = 0; // in a row, of connections and not of transports
  #missed = 0;
  #live = false;
  #started = false;
  #heardAt = 0;
  #openedAt = 0;
  #adviceMs = -1;
  #waiting = 0;
  #watch = 0;
  #base;
  #ticket;

  /**
   * @param {() => Promise<string>} base - the streams' base URL; asked before each attempt
   * @param {() => Promise<string>} ticket - a fresh ticket, or empty for the public stream
   */
  constructor(base, ticket) {
    super();
    this.#base = base;
    this.#ticket = ticket;
  }

  /** Open, or open again at once. */
  start() {
    this.#halt();
    this.#started = true;
    this.#failures = 0;
    this.#heardAt ||= Date.now();
    this.#watch = setInterval(() => this.#check(), CHECK_EVERY_MS);
    addEventListener('online', this.#wake);
    document.addEventListener('visibilitychange', this.#wake);
    this.#connect();
  }

  stop() {
    this.#halt();
    removeEventListener('online', this.#wake);
    document.removeEventListener('visibilitychange', this.#wake);
  }

  #halt() {
    this.#started = false;
    this.#drop();
    clearInterval(this.#watch);
  }

  #drop() {
    this.#attempt += 1;
    clearTimeout(this.#waiting);
    this.#waiting = 0;
    this.#close?.();
    this.#close = null;
    this.#live = false;
  }

  async #connect() {
    this.#drop();
    const attempt = this.#attempt;
    let heard = false;
    const ended = (/** @type {number} */ code) => {
      if (attempt === this.#attempt) this.#ended(code, heard);
    };
    try {
      const [base, ticket] = await Promise.all([this.#base(), this.#ticket()]);
      if (attempt !== this.#attempt) return;
      this.#openedAt = Date.now();
      this.#close = TRANSPORTS[this.#transport](base, this.#query(ticket), {
        ended,
        frame: (frame) => {
          heard = true;
          if (attempt === this.#attempt) this.#hear(frame);
        },
      });
    } catch {
      if (attempt === this.#attempt) this.#retry(backoffMs(this.#failures++));
    }
    this.#tell();
  }

  /** @param {string} ticket */
  #query(ticket) {
    const query = new URLSearchParams();
    if (this.#position) query.set('since', `${this.#position.epoch}:${this.#position.rev}`);
    if (ticket) query.set('ticket', ticket);
    return query;
  }

  /** @param {import('./protocol.js').Frame} frame */
  #hear(frame) {
    this.#heardAt = Date.now();
    this.#live = true;
    if (frame.type === 'snapshot' && isNewer(frame, this.#position)) {
      this.#position = { epoch: frame.epoch, rev: frame.rev };
      this.#missed = 0;
      this.#emit('snapshot', frame);
    } else if (frame.type === 'heartbeat') {
      this.#missed = isNewer(frame, this.#position) ? this.#missed + 1 : 0;
      // Heartbeats arrive but snapshots do not: this connection is half dead.
      if (this.#missed >= MISSED_SNAPSHOTS) this.#retry(backoffMs(0));
    } else if (frame.type === 'standing') {
      this.#emit('standing', frame);
    } else if (frame.type === 'reconnect') {
      this.#adviceMs = frame.after_ms;
    }
    this.#emit('sign', null);
    this.#tell();
  }

  /** @param {number} code @param {boolean} heard */
  #ended(code, heard) {
    // Where one way is blocked, the other is tried at once.
    if (!heard) this.#transport = 1 - this.#transport;
    if (isFinal(code)) {
      this.stop();
    } else if (this.#adviceMs >= 0) {
      this.#retry(this.#adviceMs);
    } else if (heard || this.#fellBack) {
      const lasted = heard && Date.now() - this.#openedAt >= STEADY_AFTER_MS;
      this.#failures = lasted ? 0 : this.#failures + 1;
      this.#retry(backoffMs(this.#failures));
    } else {
      this.#retry(0);
      this.#fellBack = true;
    }
    this.#tell();
  }

  /** @param {number} afterMs */
  #retry(afterMs) {
    this.#drop();
    this.#adviceMs = -1;
    this.#missed = 0;
    this.#fellBack = false;
    this.#waiting = setTimeout(() => this.#connect(), afterMs);
  }

  #check() {
    const quietMs = Date.now() - Math.max(this.#heardAt, this.#openedAt);
    if (this.#close && quietMs >= DEAD_AFTER_MS) this.#ended(0, this.#live);
    this.#tell();
  }

  #wake = () => {
    if (this.#waiting && navigator.onLine && !document.hidden) this.#connect();
    this.#check();
  };

  #tell() {
    const state = this.#judge();
    if (state === this.#state) return;
    this.#state = state;
    this.#emit('state', state);
  }

  /** @returns {State} */
  #judge() {
    if (!this.#started) return 'closed';
    // Wall time, not performance.now(): that one may stand still while a laptop sleeps.
    if (Date.now() - this.#heardAt >= STALE_AFTER_MS) return 'stale';
    if (this.#live) return 'live';
    return this.#state === 'connecting' ? 'connecting' : 'reconnecting';
  }

  /** @param {string} type @param {unknown} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
