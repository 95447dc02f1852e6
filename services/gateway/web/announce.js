/** Tells screen readers what moved: one sentence, and not more often than every 4 s. */

import { ordinal } from './format.js';

const PAUSE_MS = 4_000;

/** @typedef {Map<string, number>} Ranks - rank by user id */

export class Announcer {
  /** @type {Ranks | null} */
  #said = null;
  /** @type {Ranks} */
  #now = new Map();
  #timer = 0;
  #output;
  #nameOf;

  /** @param {HTMLElement} output - a live region @param {(userId: string) => string} nameOf */
  constructor(output, nameOf) {
    this.#output = output;
    this.#nameOf = nameOf;
  }

  /** @param {import('./protocol.js').Entry[]} entries */
  observe(entries) {
    this.#now = new Map(entries.map(({ user_id }, index) => [user_id, index + 1]));
    this.#said ??= this.#now; // what is there at first is read with the table
    if (!this.#timer) this.#say();
  }

  /** Forget everything; what comes next is read with the table. */
  reset() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#said = null;
    this.#output.textContent = '';
  }

  #say() {
    this.#timer = 0;
    const sentence = summary(this.#said ?? this.#now, this.#now, this.#nameOf);
    this.#said = this.#now;
    if (!sentence) return;
    this.#output.textContent = sentence;
    this.#timer = setTimeout(() => this.#say(), PAUSE_MS);
  }
}

/**
 * @param {Ranks} before
 * @param {Ranks} after
 * @param {(userId: string) => string} nameOf
 * @returns {string} who moved up, the best first; empty if nobody did
 */
function summary(before, after, nameOf) {
  const risen = [...after].filter(([userId, rank]) => rank < (before.get(userId) ?? Infinity));
  if (risen.length === 0) return '';
  const [[userId, rank]] = risen;
  const others = risen.length > 1 ? `, and ${risen.length - 1} more moved up` : '';
  return `${nameOf(userId)} moved to ${ordinal(rank)}${others}`;
}
