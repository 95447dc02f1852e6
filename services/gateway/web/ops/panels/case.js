/** One case: how far it is, and what may be done with it. */

import { el } from '../../dom.js';
import { ask } from '../ask.js';
import { button } from '../form.js';
import { fill, path } from '../load.js';
import { card, facts, when } from '../show.js';
import { preview } from './preview.js';
import { caseState, described, progress } from './reversals.js';

const AGAIN_MS = 1_000;
const UNDER_WAY = ['applying', 'reverting'];

/** What can be asked for in each state; whether it is granted is the server's to say. */
const ACTS = {
  awaiting_approval: ['approve', 'withdraw'],
  applied: ['revert'],
  revert_awaiting_approval: ['approve', 'withdraw'],
};
const QUESTIONS = {
  approve: {
    verb: 'Approve',
    noReason: true,
    text: 'Its requester cannot approve it: this takes a second person. It begins at once.',
  },
  withdraw: { verb: 'Withdraw', text: 'What waits for an approval is called off.' },
  revert: { verb: 'Revert', text: 'Gives back exactly what the case took.' },
};

/** @param {import('../app.js').Place} place - `rest`: the case */
export function reversalCase({ send, say, left, rest: [caseId = ''] }) {
  const head = el('div', { class: 'stack' });
  const acts = el('div', { class: 'pair' });
  const below = el('div', { class: 'stack' });
  let shownFor = '';
  let timer = 0;
  left.addEventListener('abort', () => clearTimeout(timer));

  /** @param {keyof typeof QUESTIONS} name */
  const act = async (name) => {
    const answer = await ask({
      ...QUESTIONS[name],
      title: `${QUESTIONS[name].verb} ${caseId}?`,
      harsh: name !== 'withdraw',
      act: (reason) =>
        send(
          'POST',
          `${path`/api/admin/reversals/${caseId}`}/${name}`,
          name === 'approve' ? {} : { reason },
        ),
    });
    if (!answer || left.aborted) return;
    say(`Case ${answer.case_id}: ${answer.state.replaceAll('_', ' ')}.`);
    await refresh();
  };
  const draw = (/** @type {any} */ now) => {
    if (!left.aborted && UNDER_WAY.includes(now.state)) timer = setTimeout(refresh, AGAIN_MS);
    if (shownFor !== now.case_id) {
      below.replaceChildren(preview(now.preview)); // frozen when the case was opened
      shownFor = now.case_id;
    }
    const names = /** @type {Record<string, (keyof typeof QUESTIONS)[]>} */ (ACTS)[now.state] ?? [];
    acts.replaceChildren(
      ...names.map((name) => button(`${QUESTIONS[name].verb}…`, () => act(name))),
    );
    return [el('p', { class: 'pair' }, caseState(now.state), progress(now)), facts(...told(now))];
  };
  const refresh = () => {
    clearTimeout(timer);
    return fill(head, async () => draw(await send('GET', path`/api/admin/reversals/${caseId}`)));
  };
  refresh();
  const buttons = el('div', { class: 'acts' }, acts, button('Refresh', refresh));
  return el('div', { class: 'stack' }, card(`Case ${caseId}`, head, buttons), below);
}

/** @param {any} now @returns {[string, import('../show.js').Part][]} */
function told(now) {
  /** @type {[string, any][]} */
  const acts = [
    ['Requested', now.requested],
    ['Approved', now.approved],
    ['Revert requested', now.revert_requested],
    ['Revert approved', now.revert_approved],
  ];
  const lines = acts
    .filter(([, act]) => act)
    .map(([name, act]) => /** @type {[string, Node]} */ ([name, deed(act)]));
  if (now.finished_at) lines.push(['Finished', /** @type {Node} */ (when(now.finished_at))]);
  return [['Selection', described(now.selector)], ...lines];
}

/** @param {{ by: string, at: string, reason: string }} act */
const deed = ({ by, at, reason }) =>
  el('span', {}, `${by}, `, when(at), reason ? `: ${reason}` : '');
