-- Give one replica of the region the turn to announce the board, and say what is to be told.
-- KEYS[1]  meta  hash, as in apply.lua; and said_rev, said_top (see said.lua), said_at
-- ARGV[1]  window   ARGV[2]  heartbeat, in microseconds
-- Returns {}                        there is no such board
--         {'QUIET', microseconds}   nothing is new; ask at the next change, or then
--         {'WAIT', microseconds}    something is, but the last announcement was just now
--         {'SAY', reason, rev, accepted, top, said_rev, said_top}
local epoch, rev, top, accepted, corrected, said_rev, said_top, said_at = unpack(redis.call('HMGET',
    KEYS[1], 'epoch', 'rev', 'top', 'accepted', 'corrected', 'said_rev', 'said_top', 'said_at'))
if not epoch then return {} end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local since = now - tonumber(said_at or 0)
if since < 0 then since = tonumber(ARGV[2]) end -- a clock that went back silences nobody

local reason = 'scores'
if not said_rev then
    reason = 'rebuild'
elseif top == said_top then
    reason = 'heartbeat'
elseif tonumber(corrected or -1) > tonumber(said_rev) then
    reason = 'correction'
end

local quiet = reason == 'heartbeat'
local pause = tonumber(ARGV[quiet and 2 or 1]) - since
if pause > 0 then return {quiet and 'QUIET' or 'WAIT', pause} end
redis.call('HSET', KEYS[1], 'said_at', string.format('%.0f', now))
local changed = reason == 'scores' or reason == 'correction'
return {'SAY', reason, rev, changed and accepted or '0', top, said_rev or rev, said_top or ''}
