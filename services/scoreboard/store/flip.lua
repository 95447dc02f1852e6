-- Show a finished board and drop the one before; or drop this one, if it must not be shown.
-- All in one step: a builder that dies can leave neither two boards that take updates, nor one
-- that nobody needs.
-- KEYS[1]  pointer to the current epoch   KEYS[2]  the builders' lock
-- KEYS[3..5]  z, v, meta of the finished board
-- ARGV[1]  its epoch   ARGV[2]  what precedes an epoch in the names of a board's keys
-- ARGV[3]  what its builder wrote into the lock
-- Returns 'SHOWN'; 'LATE' if a newer one is shown, or the lock was lost; 'LOST' if Redis was
-- restarted or emptied since it was begun, so that users may be missing.
local current = tonumber(redis.call('GET', KEYS[1]) or 0)
local built, run_id = unpack(redis.call('HMGET', KEYS[5], 'epoch', 'run_id'))
local late = current >= tonumber(ARGV[1]) or redis.call('GET', KEYS[2]) ~= ARGV[3]
local lost = not built or not string.find(redis.call('INFO', 'server'), run_id, 1, true)
if late or lost then
    redis.call('UNLINK', KEYS[3], KEYS[4], KEYS[5])
    return lost and 'LOST' or 'LATE'
end
local top = table.concat(redis.call('ZRANGE', KEYS[3], 0, 9, 'WITHSCORES'), ' ')
if redis.call('HGET', KEYS[5], 'top') ~= top then
    redis.call('HSET', KEYS[5], 'top', top)
    redis.call('HINCRBY', KEYS[5], 'rev', 1)
end
for n = 3, 5 do redis.call('PERSIST', KEYS[n]) end
redis.call('SET', KEYS[1], ARGV[1])
local old = ARGV[2] .. string.format('%.0f', current)
redis.call('UNLINK', old .. ':z', old .. ':v', old .. ':meta')
return 'SHOWN'
