"""
Strangers at the doors: requests, tokens and frames that nobody sensible sends.

`documents` asks every service everything that its OpenAPI document allows, and what it forbids;
`tokens` shows forged sign-ins; `streams` and `senders` speak broken WebSocket and broken HTTP. Each
says how often it tried, and what must hold: no 5xx, an answer as documented, nobody else disturbed.
"""
