/** What other sites load: defines `<live-scoreboard>`. See docs/embed.md. */
import './web/live-scoreboard.js';
