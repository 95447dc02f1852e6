/** What is drawn: which figures of a status report, in which unit, and rates of those that grow. */

/**
 * @typedef {object} Line
 * @property {string} name
 * @property {(report: any, before: any) => number | null} of - null: nobody knows
 */

/**
 * @typedef {object} Figure
 * @property {string} title
 * @property {string} about
 * @property {(value: number) => string} write
 * @property {boolean} [whole] - there are no halves of it
 * @property {Line[]} lines
 */

const NUMBER = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

/** @param {number} value */
const count = (value) => NUMBER.format(value);

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 1) return `${NUMBER.format(seconds * 1000)} ms`;
  return seconds < 120 ? `${NUMBER.format(seconds)} s` : `${NUMBER.format(seconds / 60)} min`;
}

/** @param {string} name @param {string} total @returns {Line} how much it grows in a second */
const rate = (name, total) => ({
  name,
  of({ at, figures }, before) {
    const [now, then] = [figures[total], before?.figures[total]];
    if (now == null || then == null || now < then) return null; // a process started anew
    return (now - then) / ((Date.parse(at) - Date.parse(before.at)) / 1000);
  },
});

/** @param {string} name @param {string} figure @returns {Line} */
const plain = (name, figure) => ({ name, of: ({ figures }) => figures[figure] ?? null });

/** @param {string} name @param {string} transport @returns {Line} */
const streams = (name, transport) => ({
  name,
  of: ({ figures }) => figures.streams && (figures.streams[transport] ?? 0),
});

/** @param {any} report @returns {number | null} the latest waking of any event loop, in seconds */
function worstLoop({ services }) {
  const lags = services.flatMap((/** @type {any} */ service) =>
    service.processes.map((/** @type {any} */ process) => process.loop_lag_seconds),
  );
  const known = lags.filter((/** @type {number | null} */ lag) => lag != null);
  return known.length ? Math.max(...known) : null;
}

/** @type {Figure[]} */
export const FIGURES = [
  {
    title: 'Updates per second',
    about: 'Increments counted, and refused',
    write: count,
    lines: [rate('accepted', 'accepted_total'), rate('refused', 'refused_total')],
  },
  {
    title: 'Freshness',
    about: 'From acceptance to the sockets, last minute',
    write: duration,
    lines: [
      { name: 'p99, at most', of: ({ figures }) => figures.freshness?.p99_seconds ?? null },
      { name: 'mean', of: ({ figures }) => figures.freshness?.mean_seconds ?? null },
    ],
  },
  {
    title: 'Streams',
    about: 'Open connections of watchers',
    write: count,
    whole: true,
    lines: [streams('WebSocket', 'websocket'), streams('SSE', 'sse')],
  },
  {
    title: 'Consumer lag',
    about: 'Events not yet on the board',
    write: count,
    whole: true,
    lines: [plain('records', 'consumer_lag_records')],
  },
  {
    title: 'Outbox age',
    about: 'Oldest batch not yet in Kafka',
    write: duration,
    lines: [plain('oldest', 'outbox_oldest_seconds')],
  },
  {
    title: 'Outbox depth',
    about: 'Batches not yet in Kafka',
    write: count,
    whole: true,
    lines: [plain('batches', 'outbox_batches')],
  },
  {
    title: 'Drift',
    about: 'Board against ledger, at the last audit',
    write: count,
    whole: true,
    lines: [plain('points', 'drift_points'), plain('users', 'drift_users')],
  },
  {
    title: 'Loop lag',
    about: 'How late an event loop woke, the worst',
    write: duration,
    lines: [{ name: 'worst', of: worstLoop }],
  },
  {
    title: 'Open reviews',
    about: 'Suspicions that wait for a person',
    write: count,
    whole: true,
    lines: [plain('open', 'open_reviews')],
  },
];
