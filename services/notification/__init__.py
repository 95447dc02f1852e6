"""
Tells everyone: streams the newest top ten to whoever watches, by WebSocket or SSE.

Owns the live connections, and in Redis the tickets and sessions. Reads the topic
`leaderboard_updated`, and scoreboard's ranks for private streams. Promises that no stream ever
goes back: each frame's `(epoch, rev)` is newer than the last. Keeps no history: who was away gets
the newest snapshot, and nothing else.
"""
