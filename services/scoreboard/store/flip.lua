-- Show a finished board and drop the one before; or drop this one, if a newer is shown.
-- All in one step: a builder that dies can leave neither two boards that take updates, nor one
-- that nobody needs.
-- KEYS[1]  pointer to the current epoch   KEYS[2..4]  z, v, meta of the finished board
-- ARGV[1]  its epoch   ARGV[2]  what precedes an epoch in the names of a board's keys
-- Returns 1 if it is shown now, 0 if not.
local current = tonumber(redis.call('GET', KEYS[1]) or 0)
if current >= tonumber(ARGV[1]) then
    redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4])
    return 0
end
for n = 2, 4 do redis.call('PERSIST', KEYS[n]) end
redis.call('SET', KEYS[1], ARGV[1])
local old = ARGV[2] .. string.format('%.0f', current)
redis.call('UNLINK', old .. ':z', old .. ':v', old .. ':meta')
return 1
