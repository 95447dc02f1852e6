/** The page: puts the board, the reader's account and the theme together. */

import { ownBar, signInDialog } from './account.js';
import { LiveScoreboard } from './live-scoreboard.js';
import { Session } from './session.js';
import { themeSwitch } from './theme.js';

const board = /** @type {LiveScoreboard} */ (document.querySelector('live-scoreboard'));
const session = new Session();

themeSwitch(/** @type {HTMLButtonElement} */ (document.querySelector('#theme')));
signInDialog(document, session);
const showStanding = ownBar(document, session);

session.addEventListener('change', () => board.watchAs(session.user.id, () => session.ticket()));
board.addEventListener('standing', (event) => {
  const { detail } = /** @type {CustomEvent} */ (event);
  if (detail.user_id === session.user.id) showStanding(detail);
});
for (const place of document.querySelectorAll('[data-origin]')) place.textContent = location.origin;

session.resume();
