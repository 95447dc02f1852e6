/**
 * The rows of the board: one per player, keyed by user id, so that a row moves with its player.
 *
 * Scores never count up through numbers in between: what is shown was true in the ledger.
 */

import { prefersStillness } from './dom.js';
import { Row, vacancy } from './row.js';

const MOVE_MS = 520;
const MOVE_EASING = 'cubic-bezier(.2, .8, .2, 1)';

export class Board {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #body;
  #nameOf;

  /**
   * @param {HTMLTableSectionElement} body
   * @param {(userId: string) => string} nameOf
   */
  constructor(body, nameOf) {
    this.#body = body;
    this.#nameOf = nameOf;
  }

  /** Show as many empty places, and nobody. @param {number} places */
  clear(places) {
    this.#rows.clear();
    this.#body.replaceChildren(...vacancies(1, places));
  }

  /**
   * @param {import('./protocol.js').Entry[]} entries - at most `places`
   * @param {Record<string, number>} moves - places gained, by user id
   * @param {number} places
   * @param {string} me - the reader's user id, or empty
   */
  render(entries, moves, places, me) {
    const tops = this.#tops();
    const known = this.#rows;
    this.#rows = new Map(
      entries.map(({ user_id }) => [user_id, known.get(user_id) ?? new Row(user_id)]),
    );
    const best = entries[0]?.score || 1;
    entries.forEach(({ user_id, score }, index) => {
      const row = /** @type {Row} */ (this.#rows.get(user_id));
      row.show(index + 1, score, score / best, user_id === me);
      row.name(this.#nameOf(user_id));
      if (Object.hasOwn(moves, user_id)) row.moved(moves[user_id]);
    });
    const rows = [...this.#rows.values()].map((row) => row.element);
    arrange(this.#body, [...rows, ...vacancies(rows.length + 1, places)]);
    this.#animate(tops);
  }

  /** Show the names as they are now. */
  rename() {
    for (const [userId, row] of this.#rows) row.name(this.#nameOf(userId));
  }

  /** Where each row is now, in the middle of a movement too. */
  #tops() {
    const rows = [...this.#rows.values()].map((row) => row.element);
    return new Map(rows.map((row) => [row, row.getBoundingClientRect().top]));
  }

  /** First, last, invert, play. @param {Map<HTMLElement, number>} tops - before the change */
  #animate(tops) {
    if (prefersStillness()) return;
    const rows = [...this.#rows.values()];
    for (const row of rows) row.movement?.cancel();
    const now = rows.map((row) => row.element.getBoundingClientRect().top);
    rows.forEach((row, index) => {
      const top = tops.get(row.element);
      const from =
        top === undefined
          ? { opacity: 0, transform: 'translateY(12px)' }
          : { transform: `translateY(${top - now[index]}px)` };
      if (top === now[index] || (top === undefined && tops.size === 0)) return;
      row.element.classList.toggle('rising', top === undefined || top > now[index]);
      row.movement = row.element.animate([from, {}], { duration: MOVE_MS, easing: MOVE_EASING });
    });
  }
}

/** @param {number} from @param {number} to @returns {HTMLElement[]} */
function vacancies(from, to) {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => vacancy(from + index));
}

/**
 * Make these the children, touching only what is out of place.
 *
 * @param {Node} parent
 * @param {HTMLElement[]} nodes
 */
function arrange(parent, nodes) {
  const kept = new Set(/** @type {Node[]} */ (nodes));
  for (const child of [...parent.childNodes]) if (!kept.has(child)) child.remove();
  nodes.forEach((node, index) => {
    const there = parent.childNodes[index] ?? null;
    if (there !== node) parent.insertBefore(node, there);
  });
}
