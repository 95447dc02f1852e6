/** One line of the board. Every text is set as text: a name is never markup. */

import { el, prefersStillness } from './dom.js';
import { hue, initial, points } from './format.js';

const GLOW_MS = 1_400;
const MOVE_SHOWN_MS = 6_000;

export class Row {
  element = el('tr', { class: 'row' });
  /** @type {Animation | undefined} the row's way to a new place */
  movement;
  #score = -1;
  #rank = el('span', { class: 'medal' });
  #avatar = el('span', { class: 'avatar', 'aria-hidden': 'true' });
  #name = el('bdi', { class: 'name' });
  #you = el('span', { class: 'you' }, 'you');
  #bar = el('span', { class: 'bar', 'aria-hidden': 'true' });
  #arrow = el('span', { class: 'arrow' });
  #gain = el('span', { class: 'gain', 'aria-hidden': 'true' });
  #points = el('span', { class: 'points' });

  /** @param {string} userId */
  constructor(userId) {
    this.element.dataset.user = userId;
    this.element.style.setProperty('--_hue', String(hue(userId)));
    this.#you.hidden = true;
    const who = el('span', { class: 'who' }, this.#name, this.#you);
    this.element.append(
      el('td', { class: 'rank' }, this.#rank),
      el('th', { class: 'player', scope: 'row' }, this.#avatar, who, this.#bar),
      el('td', { class: 'change' }, this.#arrow),
      el('td', { class: 'score' }, this.#points, this.#gain),
    );
  }

  /**
   * @param {number} rank
   * @param {number} score
   * @param {number} share - of the best score, 0…1
   * @param {boolean} mine
   */
  show(rank, score, share, mine) {
    this.element.dataset.rank = this.#rank.textContent = String(rank);
    this.element.toggleAttribute('data-me', mine);
    this.element.style.setProperty('--_share', share.toFixed(4));
    this.#you.hidden = !mine;
    if (score === this.#score) return;
    this.#points.textContent = points(score);
    if (this.#score >= 0) this.#glow(score - this.#score);
    this.#score = score;
  }

  /** @param {string} name */
  name(name) {
    if (this.#name.textContent === name) return;
    this.#name.textContent = this.#name.title = name;
    this.#avatar.textContent = initial(name);
  }

  /** @param {number} places - gained, or lost if negative */
  moved(places) {
    if (!places) return;
    const up = places > 0;
    this.#arrow.classList.toggle('up', up);
    this.#arrow.replaceChildren(
      el('span', { class: 'unseen' }, `${up ? 'up' : 'down'} ${Math.abs(places)}`),
      el('span', { 'aria-hidden': 'true' }, `${up ? '▲' : '▼'} ${Math.abs(places)}`),
    );
    this.#arrow.getAnimations().forEach((fading) => fading.cancel());
    const steps = [{}, { opacity: 1, offset: 0.8 }, { opacity: 0 }];
    const fading = this.#arrow.animate(steps, MOVE_SHOWN_MS);
    fading.onfinish = () => this.#arrow.replaceChildren();
  }

  /** @param {number} gained - since what this screen showed before */
  #glow(gained) {
    this.#gain.textContent = gained > 0 ? `+${points(gained)}` : `−${points(-gained)}`;
    this.#gain.animate([{ opacity: 1 }, { opacity: 1, offset: 0.6 }, { opacity: 0 }], GLOW_MS);
    const glow = { color: 'var(--_accent)' };
    this.#points.animate([glow, { ...glow, offset: 0.5 }, {}], GLOW_MS);
    if (prefersStillness()) return;
    this.#points.animate([{ transform: 'translateY(.28em)', opacity: 0.3 }, {}], 260);
  }
}

/** A place that nobody has taken. @param {number} rank @returns {HTMLElement} */
export function vacancy(rank) {
  const blank = () => el('span', { class: 'blank' });
  return el(
    'tr',
    { class: 'row vacant', 'aria-hidden': 'true' },
    el('td', { class: 'rank' }, el('span', { class: 'medal' }, String(rank))),
    el('td', { class: 'player' }, blank()),
    el('td', { class: 'change' }),
    el('td', { class: 'score' }, blank()),
  );
}
