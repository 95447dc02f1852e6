-- Remember what was announced, unless something newer was.
-- KEYS[1]  meta   ARGV[1]  rev   ARGV[2]  top, as the board kept it at that rev
local rev, said_rev = unpack(redis.call('HMGET', KEYS[1], 'rev', 'said_rev'))
if not rev or tonumber(said_rev or -1) >= tonumber(ARGV[1]) then return end
redis.call('HSET', KEYS[1], 'said_rev', ARGV[1], 'said_top', ARGV[2])
if rev == ARGV[1] then redis.call('HDEL', KEYS[1], 'accepted') end
