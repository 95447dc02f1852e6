/** The stream's rules, without any I/O: what is newer, which close is final, how long to wait. */

export const FRAME_TYPES = ['snapshot', 'heartbeat', 'current', 'standing', 'reconnect'];

/** A connection that ended without a close code, as an `EventSource`'s always does. */
export const NO_CODE = 1006;

const FIRST_FINAL_CODE = 4500;
const LAST_CODE = 4999;
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 15_000;

/**
 * @typedef {{ epoch: number, rev: number }} Position
 * @typedef {{ user_id: string, score: number }} Entry
 * @typedef {Position & { type: 'snapshot', top_10: Entry[], moves?: Record<string, number> }} Snapshot
 * @typedef {{ type: 'standing', rank: number | null, score: number, user_id: string }} Standing
 * @typedef {Snapshot | Standing
 *   | Position & { type: 'heartbeat' | 'current' }
 *   | { type: 'reconnect', after_ms: number }} Frame
 */

/**
 * @param {Position} position
 * @param {Position | null} than - null: nothing was seen yet
 */
export function isNewer(position, than) {
  if (than === null) return true;
  return position.epoch > than.epoch || (position.epoch === than.epoch && position.rev > than.rev);
}

/** @param {number} code @returns {boolean} whether a client must not come back by itself */
export const isFinal = (code) => code >= FIRST_FINAL_CODE && code <= LAST_CODE;

/**
 * Exponential backoff with full jitter: a crowd that was cut off together comes back spread out.
 *
 * @param {number} failures - in a row, before this wait
 * @returns {number} milliseconds
 */
export function backoffMs(failures) {
  return Math.random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures);
}

/**
 * @param {string} text - one frame as it came
 * @returns {Frame | null} null if it is none
 */
export function parseFrame(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
