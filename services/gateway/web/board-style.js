/**
 * How the element looks. Every colour is a custom property with a default for light and dark;
 * which of the two holds is decided by `color-scheme`, the page's or the `theme` attribute's.
 */

export const boardStyle = new CSSStyleSheet();

boardStyle.replaceSync(`
:host {
  --_ink: var(--scoreboard-ink, light-dark(#1c1b19, #eceae6));
  --_muted: var(--scoreboard-muted, light-dark(#69655d, #a09d96));
  --_card: var(--scoreboard-card, light-dark(#fff, #191a1c));
  --_line: var(--scoreboard-line, light-dark(#ece9e3, #2a2b2e));
  --_accent: var(--scoreboard-accent, light-dark(#12704f, #58cfa3));
  --_warn: light-dark(#8a5200, #f0b25a);
  --_bad: light-dark(#b3261e, #ff9a90);
  --_radius: var(--scoreboard-radius, 20px);
  --_row: 56px;
  --_ease: cubic-bezier(.2, .8, .2, 1);
  display: block;
  container-type: inline-size;
  color: var(--_ink);
  font: 400 16px/1.3 var(--scoreboard-font, Inter, ui-sans-serif, system-ui, sans-serif);
  font-variant-numeric: tabular-nums;
}
:host([hidden]) { display: none; }
:host([theme=light]) { color-scheme: light; }
:host([theme=dark]) { color-scheme: dark; }

.card {
  background: var(--_card);
  border: 1px solid var(--_line);
  border-radius: var(--_radius);
  overflow: clip;
}
header { display: flex; align-items: center; gap: 12px; padding: 18px 24px 10px; min-height: 28px; }
h2, ::slotted([slot=title]) { flex: 1; margin: 0; font-size: 17px; font-weight: 650; letter-spacing: -.01em; }
.state { display: flex; align-items: center; gap: 8px; margin: 0; color: var(--_muted); font-size: 13px; font-weight: 550; }
.dot { width: 8px; height: 8px; border-radius: 50%; background: currentColor; }
:host([data-state=live]) .state { color: var(--_accent); }
:host([data-state=reconnecting]) .state { color: var(--_warn); }
:host([data-state=stale]) .state, :host([data-state=closed]) .state { color: var(--_bad); }
.again { font: inherit; font-size: 13px; color: inherit; background: none; border: 1px solid var(--_line); border-radius: 99px; padding: 4px 12px; cursor: pointer; }
.again:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; }

.rows { position: relative; }
table { width: 100%; border-spacing: 0; }
caption { height: 0; }
thead th { height: 32px; padding: 0; color: var(--_muted); font-size: 12px; font-weight: 500; text-align: start; }
.rank { width: 34px; padding: 0 0 0 24px; text-align: center; }
.change { padding: 0 16px; text-align: center; }
.score { position: relative; padding: 0 24px 0 0; text-align: end; white-space: nowrap; }
thead .rank { padding-inline-start: 24px; text-align: center; }
thead .score { padding-inline-end: 24px; text-align: end; }
thead .player { padding-inline-start: 16px; }

.row { height: var(--_row); position: relative; background: var(--_card); }
.row.rising { z-index: 1; }
.row > * { border-top: 1px solid var(--_line); height: var(--_row); box-sizing: border-box; }
.row[data-me] { background: color-mix(in oklab, var(--_accent) 9%, var(--_card)); }
.medal { display: inline-grid; place-items: center; width: 30px; height: 30px; border-radius: 50%; color: var(--_muted); font-size: 15px; font-weight: 550; }
[data-rank="1"] .medal { color: #4d3800; background: linear-gradient(160deg, #ffe08a, #eab308); }
[data-rank="2"] .medal { color: #33383f; background: linear-gradient(160deg, #eef1f4, #b4bcc6); }
[data-rank="3"] .medal { color: #48240a; background: linear-gradient(160deg, #f4c9a0, #cd8a52); }
.player { position: relative; width: 100%; max-width: 0; padding: 0 0 0 16px; text-align: start; font-weight: 550; white-space: nowrap; }
.avatar {
  position: absolute; inset: calc(50% - 18px) auto auto 16px;
  display: grid; place-items: center; width: 36px; height: 36px; border-radius: 50%;
  color: light-dark(oklch(.42 .09 var(--_hue)), oklch(.86 .07 var(--_hue)));
  background: light-dark(oklch(.93 .045 var(--_hue)), oklch(.33 .05 var(--_hue)));
  font-size: 14px; font-weight: 650; overflow: hidden;
}
.who { display: flex; align-items: center; gap: 8px; margin-inline-start: 50px; }
.name { overflow: hidden; text-overflow: ellipsis; line-height: 1.5; }
[data-rank="1"] .name { font-weight: 650; }
.you { padding: 1px 8px; border-radius: 99px; color: var(--_accent); background: color-mix(in oklab, var(--_accent) 14%, transparent); font-size: 12px; font-weight: 600; }
.you[hidden] { display: none; }
.bar { display: block; height: 3px; margin: 5px 0 0 50px; border-radius: 3px; background: var(--_line); overflow: hidden; }
.bar::before { content: ''; display: block; height: 100%; border-radius: 3px; background: light-dark(oklch(.74 .075 var(--_hue)), oklch(.62 .07 var(--_hue))); transform-origin: left; transform: scaleX(var(--_share)); transition: transform .5s var(--_ease); }
.arrow { display: inline-block; min-width: 34px; color: var(--_warn); font-size: 12px; font-weight: 600; white-space: nowrap; }
.arrow.up { color: var(--_accent); }
.points { display: block; font-size: 17px; line-height: 24px; font-weight: 600; letter-spacing: -.01em; }
.gain { position: absolute; inset: auto 24px 4px auto; opacity: 0; color: var(--_accent); font-size: 12px; line-height: 14px; font-weight: 600; }

.vacant .medal { opacity: .55; }
.blank { display: block; height: 8px; border-radius: 8px; }
.vacant .player .blank { width: 34%; margin-inline-start: 50px; }
.vacant .score .blank { width: 48px; margin-inline-start: auto; }
:host([data-phase=waiting]) .blank { background: var(--_line); animation: breathe 1.6s ease-in-out infinite alternate; }
@keyframes breathe { from { opacity: 1; } to { opacity: .4; } }
.empty { display: none; }
:host([data-phase=empty]) .empty { position: absolute; inset: 33px 0 0; display: grid; place-content: center; justify-items: center; padding: 24px; background: var(--_card); color: var(--_muted); text-align: center; }

:host([data-state=stale]) table, :host([data-state=closed]) table { filter: grayscale(1); }
table { transition: filter .4s; }
footer { display: flex; justify-content: space-between; gap: 16px; padding: 13px 24px 15px; border-top: 1px solid var(--_line); color: var(--_muted); font-size: 12.5px; }
.unseen { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

@container (max-width: 520px) {
  header { padding-inline: 16px; }
  .rank, thead .rank { padding-inline-start: 10px; }
  .player, thead .player { padding-inline-start: 10px; }
  .avatar { inset-inline-start: 10px; width: 32px; height: 32px; inset-block-start: calc(50% - 16px); }
  .who, .bar, .vacant .player .blank { margin-inline-start: 42px; }
  .change { padding: 0 8px; }
  .score, thead .score { padding-inline-end: 16px; }
  .points { font-size: 16px; }
  .gain { inset-inline-end: 16px; }
  footer { padding-inline: 16px; }
}
@media (prefers-reduced-motion: reduce) {
  .bar::before, table { transition: none; }
  .blank { animation: none !important; }
}
@media (forced-colors: active) {
  .bar, .dot { forced-color-adjust: none; }
  .row[data-me] > * { border-block: 1px solid Highlight; }
}
`);
