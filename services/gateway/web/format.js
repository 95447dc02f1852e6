/** How numbers and names are written for people. */

const POINTS = new Intl.NumberFormat('en');
const ORDINAL = new Intl.PluralRules('en', { type: 'ordinal' });
const SUFFIXES = new Map([['one', 'st'], ['two', 'nd'], ['few', 'rd'], ['other', 'th']]);

/** @param {number} value - at most 2^53-1, so it is exact */
export const points = (value) => POINTS.format(value);

/** @param {number} rank @returns {string} 1st, 2nd, 3rd, 4th… */
export const ordinal = (rank) => `${rank}${SUFFIXES.get(ORDINAL.select(rank))}`;

/** @param {string} name @returns {string} its first character, for an avatar */
export const initial = (name) => ([...name.trim()][0] ?? '?').toUpperCase();

/**
 * A colour that stays with a player when their name changes.
 *
 * @param {string} userId
 * @returns {number} a hue in degrees
 */
export function hue(userId) {
  let hash = 7;
  for (const character of userId) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 65521;
  return (hash * 137.508) % 360; // the golden angle keeps neighbours apart
}
