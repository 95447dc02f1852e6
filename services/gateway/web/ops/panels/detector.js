/** The detector's rules, and the switch that stops them all. */

import { el } from '../../dom.js';
import { ask } from '../ask.js';
import { button } from '../form.js';
import { Listing, pagesOf } from '../listing.js';
import { fill } from '../load.js';
import { badge, card, code, hint } from '../show.js';

const HERE = '/api/admin/bots';

/** @param {import('../app.js').Place} place */
export function detector({ send, say }) {
  const body = el('div', { class: 'stack' });

  const turn = async (/** @type {boolean} */ enabled) => {
    const now = await ask({
      title: enabled ? 'Switch the detector on?' : 'Switch the detector off?',
      text: enabled
        ? 'Its rules are asked again, from now on.'
        : 'No rule is asked any more. What is held stays held; nothing waits for it.',
      verb: enabled ? 'Switch on' : 'Switch off',
      harsh: !enabled,
      act: (reason) => send('PUT', HERE, { enabled, reason }),
    });
    if (!now) return;
    say(`The detector is ${now.enabled ? 'on' : 'off'}.`);
    fill(body, async () => draw(now));
  };
  const draw = (/** @type {any} */ { enabled, rules }) => [
    card(
      'Switch',
      el('p', { class: 'pair' }, enabled ? badge('on', 'good') : badge('off', 'bad')),
      el(
        'div',
        { class: 'acts' },
        button(enabled ? 'Switch off…' : 'Switch on…', () => turn(!enabled)),
      ),
    ),
    card(
      'Rules',
      hint('A rule in shadow counts what it would have done, and does nothing.'),
      table(rules),
    ),
  ];
  fill(body, async () => draw(await send('GET', HERE)));
  return body;
}

/** @param {any[]} rules */
function table(rules) {
  const listing = new Listing({
    name: 'Rules',
    empty: 'There are no rules.',
    page: pagesOf(rules, rules.length + 1),
    columns: [
      { title: 'Rule', cell: ({ name }) => code(name) },
      { title: 'Signal', cell: ({ signal }) => signal },
      { title: 'Window', number: true, cell: ({ window_seconds }) => `${window_seconds} s` },
      { title: 'Threshold', number: true, cell: ({ threshold }) => String(threshold) },
      {
        title: 'Action',
        cell: ({ action }) => badge(action, action === 'hold' ? 'warn' : 'plain'),
      },
      { title: 'State', cell: ({ shadow }) => (shadow ? badge('shadow') : badge('acts', 'good')) },
    ],
  });
  listing.refresh();
  return listing.element;
}
