/**
 * One live chart: a headline of what is true now, and lines of the last ten minutes.
 *
 * All charts share one cursor: over any of them, every headline tells its value at that time.
 * Colours are read from the legend's, so they follow the theme.
 */

import { el } from '../dom.js';
import { unseen } from './show.js';
import { KEPT_SECONDS } from './watch.js';

const HEIGHT = 132;
const AXIS_WIDTH = 46;
const LEAST_SECONDS = 120;
const LEAST_COUNT = 4;
const TICK_SECONDS = [60, 120];
const WHOLE = Array.from({ length: 45 }, (_, n) => [1, 2, 5][n % 3] * 10 ** Math.floor(n / 3));
const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const EXACT = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const { uPlot } = /** @type {any} */ (globalThis);

/** @typedef {import('./figures.js').Figure} Figure */

export class Chart {
  #canvas = el('div', { class: 'canvas', role: 'img' });
  #time = el('span', { class: 'at' });
  /** @type {{ key: HTMLElement, value: HTMLElement }[]} */
  #heads;
  #figure;
  /** @type {(number | null)[][]} times, then the values of each line */
  #data;
  #plot;

  /** @param {Figure} figure */
  constructor(figure) {
    this.#figure = figure;
    this.#heads = figure.lines.map((_line, index) => ({
      key: el('span', { class: `key key-${index}`, 'aria-hidden': 'true' }),
      value: el('b'),
    }));
    const legend = figure.lines.map(({ name }, index) => {
      const { key, value } = this.#heads[index];
      return el('span', { class: 'reading' }, value, el('span', { class: 'line' }, key, name));
    });
    const title = el('h3', {}, figure.title, unseen(`: ${figure.about}`));
    title.title = figure.about;
    this.element = el(
      'section',
      { class: 'chart', 'aria-label': figure.title },
      el('header', {}, title, this.#time),
      el('div', { class: 'readings' }, ...legend),
      this.#canvas,
    );
    this.#data = [[], ...figure.lines.map(() => [])];
    this.#plot = new uPlot(this.#options(), this.#data, this.#canvas);
  }

  /** Follow the width and the theme. @param {AbortSignal} left - ends it */
  live(left) {
    const sized = new ResizeObserver(([{ contentRect }]) =>
      this.#plot.setSize({ width: Math.floor(contentRect.width), height: HEIGHT }),
    );
    const themed = new MutationObserver(() => this.#plot.redraw(false));
    const dark = matchMedia('(prefers-color-scheme: dark)');
    sized.observe(this.#canvas);
    themed.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    dark.addEventListener('change', () => this.#plot.redraw(false), { signal: left });
    left.addEventListener('abort', () => {
      sized.disconnect();
      themed.disconnect();
      this.#plot.destroy();
    });
  }

  /** @param {number[]} times - seconds since 1970 @param {(number | null)[][]} lines */
  draw(times, lines) {
    this.#data = [times, ...lines];
    this.#plot.setData(this.#data);
    this.#tell(this.#plot.cursor.idx);
    this.#canvas.setAttribute('aria-label', this.#summary());
  }

  /** @param {number | null | undefined} index - where the cursor is, if it is anywhere */
  #tell(index) {
    const [times, ...lines] = this.#data;
    const place = index ?? times.length - 1;
    lines.forEach((values, line) => {
      this.#heads[line].value.textContent = this.#write(values[place]);
    });
    this.#time.textContent = index == null ? '' : EXACT.format(Number(times[index]) * 1000);
  }

  #summary() {
    const [, ...lines] = this.#data;
    const told = this.#figure.lines.map(({ name }, line) => {
      const known = lines[line].filter((value) => value !== null);
      if (known.length === 0) return `${name}: not known`;
      const [least, most] = [Math.min(...known), Math.max(...known)].map((v) => this.#write(v));
      return `${name}: ${this.#write(lines[line].at(-1))} now, ${least} to ${most} in ten minutes`;
    });
    return told.join('; ');
  }

  /** @param {number | null | undefined} value */
  #write(value) {
    return value == null ? '–' : this.#figure.write(value);
  }

  #options() {
    const muted = () => getComputedStyle(this.#canvas).color;
    const grid = { stroke: () => getComputedStyle(this.#canvas).borderTopColor, width: 1 };
    const axis = {
      stroke: muted,
      grid,
      ticks: { show: false },
      font: '11px Inter, system-ui, sans-serif',
    };
    const colour = (/** @type {number} */ line) => () =>
      getComputedStyle(this.#heads[line].key).color;
    const tint = () => getComputedStyle(this.#heads[0].key).outlineColor;
    return {
      width: 300,
      height: HEIGHT,
      padding: [8, 14, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false },
        sync: { key: 'operations' },
        points: { size: 6 },
      },
      scales: {
        x: { range: lastMinutes },
        y: { range: fromZero(this.#figure.whole ? LEAST_COUNT : 0) },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 24,
          incrs: TICK_SECONDS,
          space: 44,
          values: (/** @type {any} */ _plot, /** @type {number[]} */ ticks) =>
            ticks.map((tick) => CLOCK.format(tick * 1000)),
        },
        {
          ...axis,
          size: AXIS_WIDTH,
          gap: 6,
          space: 28,
          ...(this.#figure.whole ? { incrs: WHOLE } : {}),
          values: (/** @type {any} */ _plot, /** @type {number[]} */ ticks) =>
            ticks.map((tick) => this.#write(tick)),
        },
      ],
      series: [
        {},
        ...this.#figure.lines.map((_line, line) => ({
          stroke: colour(line),
          width: 1.75,
          points: { show: false },
          ...(line === 0 ? { fill: tint } : {}),
        })),
      ],
      hooks: {
        setCursor: [(/** @type {any} */ plot) => this.#tell(plot.cursor.idx)],
      },
    };
  }
}

/** @param {any} _plot @param {number} from @param {number} to */
const lastMinutes = (_plot, from, to) => {
  const end = to || Date.now() / 1000;
  const length = Math.min(KEPT_SECONDS, Math.max(LEAST_SECONDS, end - (from || end)));
  return [end - length, end];
};

/** @param {number} least - the height of a line that is flat */
const fromZero =
  (least) => (/** @type {any} */ _plot, /** @type {any} */ _from, /** @type {number} */ most) => [
    0,
    Math.max(least, most * 1.15) || 1,
  ];
