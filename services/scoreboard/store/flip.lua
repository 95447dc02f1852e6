-- Make a finished board the current one, unless a newer one is.
-- KEYS[1]  pointer to the current epoch   ARGV[1]  epoch
-- Returns the epoch that was current before (0 for none), or -1 if nothing was done.
local current = tonumber(redis.call('GET', KEYS[1]) or 0)
if current >= tonumber(ARGV[1]) then return -1 end
redis.call('SET', KEYS[1], ARGV[1])
return current
