/** A user's account: who it is, and whether they may sign in. */

import { el } from '../../dom.js';
import { ask } from '../ask.js';
import { button } from '../form.js';
import { fill, path } from '../load.js';
import { badge, card, facts, several, when } from '../show.js';

/** @type {Record<string, { verb: string, text: string, harsh: boolean, noReason?: boolean }>} */
const ACTS = {
  ban: {
    verb: 'Ban',
    text: 'All their sessions and streams end; nobody signs in as them until they are unbanned.',
    harsh: true,
  },
  unban: { verb: 'Unban', text: 'They may sign in again.', harsh: false },
  logout: {
    verb: 'Log out',
    text: 'All their sessions and streams end; they may sign in again.',
    harsh: true,
  },
  sessions: {
    verb: 'Close streams',
    text: 'Their open streams close within 5 s; they may open new ones.',
    harsh: true,
    noReason: true,
  },
};

/** @param {import('../app.js').Place} place @param {string} user */
export function account({ send, say, left }, user) {
  const here = path`/api/admin/users/${user}`;
  const body = el('div');
  const acts = Object.keys(ACTS).map((name) => button(`${ACTS[name].verb}…`, () => act(name)));
  const [ban, unban] = acts;

  /** @param {string} name @param {string} reason @returns {Promise<string>} what came of it */
  const perform = async (name, reason) => {
    if (name === 'sessions') {
      const { sessions } = await send('DELETE', `${here}/sessions`);
      return `${several(sessions, 'stream')} of ${user} told to close.`;
    }
    const now = await send('POST', `${here}/${name}`, { reason });
    if (name === 'logout') return `${user} is logged out everywhere.`;
    return `${user} is ${now.banned ? 'banned' : 'not banned'}.`;
  };
  const act = async (/** @type {string} */ name) => {
    const question = { ...ACTS[name], title: `${ACTS[name].verb}: ${user}?` };
    const said = await ask({ ...question, act: (reason) => perform(name, reason) });
    if (!said || left.aborted) return;
    say(said);
    refresh();
  };
  const refresh = () =>
    fill(body, async () => {
      const now = await send('GET', here);
      ban.hidden = now.banned;
      unban.hidden = !now.banned;
      return facts(
        ['Name', el('bdi', {}, now.display_name)],
        ['Id', el('code', {}, now.user_id)],
        ['Roles', now.roles.join(', ') || 'none'],
        ['State', now.banned ? badge('banned', 'bad') : badge('may sign in', 'good')],
        ['Since', when(now.created_at)],
      );
    });
  refresh();
  return card('Account', body, el('div', { class: 'acts' }, ...acts));
}
