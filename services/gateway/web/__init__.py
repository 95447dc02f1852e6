"""
The web pages and the embeddable element: plain ES modules, served as they are.

`index.html` is the page, `live-scoreboard.js` the element it is built on, `embed.js` the same
element for other sites (`docs/embed.md`); `ops/` is the operator's page. Nothing here is built,
minified or loaded from elsewhere.
"""
