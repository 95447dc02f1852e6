-- Note that a node is up, and tell it what it was ordered to do.
-- KEYS[1]  nodes    sorted set: node -> when it was last heard, ms
-- KEYS[2]  node     hash: "sessions", and "draining" = "1" once it was told or does
-- KEYS[3]  closing  set: ids of this node's sessions that are to be closed
-- ARGV[1]  node     ARGV[2]  open sessions    ARGV[3]  1 if it is draining, else 0
-- ARGV[4]  how long a silent node is remembered, ms
-- Returns {1 if it must drain, else 0; the ids in KEYS[3]}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[4]))
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('HSET', KEYS[2], 'sessions', ARGV[2])
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[2], 'draining', '1')
end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return { redis.call('HEXISTS', KEYS[2], 'draining'), redis.call('SMEMBERS', KEYS[3]) }
