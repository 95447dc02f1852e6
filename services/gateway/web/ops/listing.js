/** A table that is read page by page, newest first, and that becomes cards on a narrow screen. */

import { el } from '../dom.js';
import { button } from './form.js';
import { trouble } from './load.js';

/** @typedef {Node | string} Part */

/**
 * @template Item
 * @typedef {object} Column
 * @property {string} title
 * @property {(item: Item) => Part | Part[]} cell
 * @property {boolean} [number]
 */

/**
 * @template Item
 * @typedef {object} Listed
 * @property {string} name - what the table holds
 * @property {string} empty - said when there is nothing
 * @property {Column<Item>[]} columns
 * @property {(item: Item) => string | number} [key] - to put a newer state in place of an older
 * @property {(cursor: string) => Promise<{ items: Item[], next: string }>} page
 */

/** @template Item */
export class Listing {
  #rows = el('tbody', { role: 'rowgroup' });
  #note = el('div', { class: 'note' });
  #more = button('Show more', () => this.#load(false));
  /** @type {Map<string | number, HTMLElement>} */
  #byKey = new Map();
  #next = '';
  #turn = 0;
  #what;

  /** @param {Listed<Item>} what */
  constructor(what) {
    this.#what = what;
    this.#more.hidden = true;
    const titles = what.columns.map(({ title, number }) =>
      el('th', { scope: 'col', role: 'columnheader', class: number ? 'number' : '' }, title),
    );
    const head = el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...titles));
    const table = el('table', { role: 'table', 'aria-label': what.name }, head, this.#rows);
    this.element = el('div', { class: 'listing' }, table, this.#note, this.#more);
  }

  /** Read the first page again. */
  refresh() {
    return this.#load(true);
  }

  /** Put a newer state of an item in its place. @param {Item} item */
  put(item) {
    const key = this.#what.key?.(item) ?? '';
    const row = this.#row(item);
    this.#byKey.get(key)?.replaceWith(row);
    this.#byKey.set(key, row);
  }

  /** @param {boolean} first */
  async #load(first) {
    const turn = (this.#turn += 1);
    this.element.setAttribute('aria-busy', 'true');
    this.#more.disabled = true;
    try {
      const { items, next } = await this.#what.page(first ? '' : this.#next);
      if (turn !== this.#turn) return;
      if (first) this.#clear();
      this.#next = next;
      this.#rows.append(...items.map((item) => this.#keep(item)));
      this.#say(this.#rows.childElementCount ? '' : this.#what.empty);
    } catch (error) {
      if (turn !== this.#turn) return;
      if (first) this.#clear();
      this.#say(trouble(error));
    }
    this.#more.hidden = !this.#next;
    this.#more.disabled = false;
    this.element.removeAttribute('aria-busy');
  }

  #clear() {
    this.#next = '';
    this.#byKey.clear();
    this.#rows.replaceChildren();
  }

  /** @param {Part} note */
  #say(note) {
    this.#note.replaceChildren(note);
    this.element.classList.toggle('vacant', this.#rows.childElementCount === 0);
  }

  /** @param {Item} item */
  #keep(item) {
    const row = this.#row(item);
    if (this.#what.key) this.#byKey.set(this.#what.key(item), row);
    return row;
  }

  /** @param {Item} item */
  #row(item) {
    const cells = this.#what.columns.map(({ title, cell, number }) => {
      const place = { role: 'cell', class: number ? 'number' : '', 'data-title': title };
      return el('td', place, ...[cell(item)].flat());
    });
    return el('tr', { role: 'row' }, ...cells);
  }
}

/**
 * A listing of what is here already.
 *
 * @template Item
 * @param {Item[]} items
 * @param {number} size - of a page
 * @returns {Listed<Item>['page']}
 */
export function pagesOf(items, size) {
  return async (cursor) => {
    const start = Number(cursor);
    const end = start + size;
    return { items: items.slice(start, end), next: end < items.length ? String(end) : '' };
  };
}
