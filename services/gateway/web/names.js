/**
 * Display names for user ids: the board carries ids only, names are looked up when shown.
 *
 * A name that cannot be looked up is its id. A rename shows within 30 s. Keeps only who is shown.
 */

const RENEW_EVERY_MS = 30_000;
const RETRY_AFTER_MS = 3_000;
const TIMEOUT_MS = 5_000;
const MAX_IDS = 50;

export class Names {
  /** @type {Map<string, string>} */
  #known = new Map();
  /** @type {string[]} */
  #wanted = [];
  #asking = false;
  #retry = 0;
  #renew = 0;
  #base;
  #changed;

  /**
   * @param {string} base - where `/api/players` is, without a slash at the end
   * @param {() => void} changed - called when a name may have
   */
  constructor(base, changed) {
    this.#base = base;
    this.#changed = changed;
  }

  start() {
    this.#renew = setInterval(() => document.hidden || this.#ask(), RENEW_EVERY_MS);
  }

  stop() {
    clearInterval(this.#renew);
    clearTimeout(this.#retry);
    this.#retry = 0;
  }

  /** @param {string} userId @returns {string} */
  of(userId) {
    return this.#known.get(userId) ?? userId;
  }

  /** Look up those that are not known yet. @param {string[]} userIds - who is shown now */
  want(userIds) {
    // The ids travel separated by commas, so one that holds a comma cannot be asked for.
    this.#wanted = userIds.filter((userId) => !userId.includes(',')).slice(0, MAX_IDS);
    if (!this.#retry && this.#wanted.some((userId) => !this.#known.has(userId))) this.#ask();
  }

  async #ask() {
    const wanted = this.#wanted;
    if (this.#asking || wanted.length === 0) return;
    this.#asking = true;
    try {
      const names = await this.#fetch(wanted);
      this.#known = new Map(wanted.map((userId) => [userId, names.get(userId) ?? userId]));
      this.#changed();
    } catch {
      this.#retry ||= setTimeout(() => {
        this.#retry = 0;
        this.#ask();
      }, RETRY_AFTER_MS);
    } finally {
      this.#asking = false;
    }
    this.want(this.#wanted);
  }

  /** @param {string[]} userIds @returns {Promise<Map<string, string>>} */
  async #fetch(userIds) {
    const query = new URLSearchParams({ ids: userIds.join(',') });
    const answer = await fetch(`${this.#base}/api/players?${query}`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!answer.ok) throw new Error(`names: ${answer.status}`);
    // A Map, because a user may be called "constructor".
    return new Map(Object.entries((await answer.json()).names));
  }
}
