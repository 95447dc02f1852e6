"""
Our own load generator: increments by HTTP, watchers of the board, and the time between the two.

`posts` sends (closed and open loop), `crowd` watches (WebSocket and server-sent events), `screen`
times the way from a POST to each screen. It costs little enough to stand beside what it measures,
counts everything that goes wrong, and leaves out no wait. Linux only.
"""
