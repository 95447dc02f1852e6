/**
 * The last ten minutes of the status report, asked for every 2 s while somebody can see the page.
 *
 * Emits `change` after each answer, and after each refusal. Where there was no answer the lines
 * have a gap. Asks no more once it was told that it may not.
 */

import { Refused } from '../session.js';
import { FIGURES } from './figures.js';

const EVERY_MS = 2_000;
const GAP_SECONDS = 8;
export const KEPT_SECONDS = 600;
const NOT_ALLOWED = 403;

/**
 * @typedef {object} Sample
 * @property {number} time - seconds since 1970
 * @property {(number | null)[][]} values - by figure, by line
 */

export class Watch extends EventTarget {
  /** @type {any} the newest report, if there was one */
  report = null;
  /** @type {unknown} what is wrong now, if something is */
  trouble = null;
  /** @type {Sample[]} oldest first */
  samples = [];
  #read;
  #timer = 0;
  #running = false;
  #turn = 0;

  /** @param {() => Promise<any>} read */
  constructor(read) {
    super();
    this.#read = read;
    document.addEventListener('visibilitychange', () => this.#running && this.#resume());
  }

  /** Begin with nothing; for somebody else, perhaps. */
  start() {
    this.stop();
    this.#running = true;
    this.#resume();
  }

  stop() {
    this.#running = false;
    this.#halt();
    this.report = this.trouble = null;
    this.samples = [];
  }

  #halt() {
    this.#turn += 1;
    clearTimeout(this.#timer);
  }

  #resume() {
    this.#halt();
    if (!document.hidden) this.#ask(this.#turn);
  }

  /** @param {number} turn - what an older one still brings is void */
  async #ask(turn) {
    try {
      const report = await this.#read();
      if (turn === this.#turn) this.#keep(report);
    } catch (error) {
      if (turn === this.#turn) this.#miss(error);
    }
    if (turn !== this.#turn) return;
    this.dispatchEvent(new Event('change'));
    if (this.trouble instanceof Refused && this.trouble.status === NOT_ALLOWED) return;
    this.#timer = setTimeout(() => this.#ask(turn), EVERY_MS);
  }

  /** @param {any} report */
  #keep(report) {
    this.trouble = null;
    const time = Date.parse(report.at) / 1000;
    const last = this.samples.at(-1)?.time ?? -Infinity;
    if (time <= last) return; // the same report, or an older one, from a cache
    const silent = time - last > GAP_SECONDS;
    if (silent && this.samples.length) this.samples.push(gap(last + 1));
    const before = silent ? null : this.report;
    const values = FIGURES.map(({ lines }) => lines.map(({ of }) => of(report, before)));
    this.samples.push({ time, values });
    this.samples = this.samples.filter((sample) => sample.time >= time - KEPT_SECONDS);
    this.report = report;
  }

  /** @param {unknown} error */
  #miss(error) {
    this.trouble = error;
    const last = this.samples.at(-1);
    if (last) this.samples.push(gap(last.time + 0.001));
  }
}

/** @param {number} time @returns {Sample} */
const gap = (time) => ({ time, values: FIGURES.map(({ lines }) => lines.map(() => null)) });
