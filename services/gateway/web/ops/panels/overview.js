/** Services and health, and the live charts. */

import { el } from '../../dom.js';
import { Chart } from '../chart.js';
import { FIGURES } from '../figures.js';
import { trouble } from '../load.js';
import { badge, when } from '../show.js';

/** @type {Record<string, [string, import('../show.js').Tone]>} */
const HEALTH = { ok: ['OK', 'good'], unavailable: ['Not ready', 'warn'], down: ['Down', 'bad'] };
/** Said of a process that needs nothing. @type {Record<string, string>} */
const ANSWERS = { ok: 'answers', unavailable: 'not ready', down: 'does not answer' };

/** @param {import('../app.js').Place} place */
export function overview({ watch, left }) {
  const state = el('p', { class: 'since' });
  const wrong = el('div');
  const services = el('ul', { class: 'services', 'aria-label': 'Services' });
  const charts = FIGURES.map((figure) => new Chart(figure));
  const board = el('div', { class: 'charts' }, ...charts.map(({ element }) => element));
  const show = () => {
    const { report, samples } = watch;
    tell(wrong, watch.trouble);
    board.hidden = !report;
    if (!report) return;
    const sign = watch.trouble === null ? badge('Live', 'good') : badge('Stale', 'bad');
    state.replaceChildren(sign, el('span', {}, 'as of ', when(report.at)));
    services.replaceChildren(...report.services.map(service));
    const times = samples.map(({ time }) => time);
    charts.forEach((chart, figure) => {
      const lines = FIGURES[figure].lines.map((_line, line) =>
        samples.map(({ values }) => values[figure][line]),
      );
      chart.draw(times, lines);
    });
  };
  charts.forEach((chart) => chart.live(left));
  watch.addEventListener('change', show, { signal: left });
  show();
  return el('div', { class: 'stack' }, state, wrong, services, board);
}

/** Says it once, not every 2 s. @param {HTMLElement} place @param {unknown} error */
function tell(place, error) {
  if (!error) place.replaceChildren();
  else if (!place.hasChildNodes()) place.append(trouble(error));
}

/** @param {{ name: string, health: string, processes: any[] }} service */
function service({ name, health, processes }) {
  const several = processes.length > 1;
  return el(
    'li',
    { class: `service ${HEALTH[health][1]}` },
    el('header', {}, el('h2', {}, name), badge(...HEALTH[health])),
    ...processes.map((process) => details(process, several)),
  );
}

/** @param {{ address: string, health: string, checks: object }} process @param {boolean} named */
function details({ address, health, checks }, named) {
  const parts = Object.entries(checks).map(([name, answer]) =>
    el(
      'span',
      { class: answer === 'ok' ? 'check good' : 'check bad' },
      answer === 'ok' ? name : `${name}: ${answer}`,
    ),
  );
  if (parts.length === 0) parts.push(el('span', { class: 'check' }, ANSWERS[health]));
  if (named && address) parts.unshift(el('code', {}, address));
  return el('p', { class: 'process' }, ...parts);
}
