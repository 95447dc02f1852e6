-- Where users stand, as of one moment.
-- KEYS[1]  z   KEYS[2]  v   KEYS[3]  meta   ARGV  user ids
-- Returns {epoch, rev, user, place from 0, points, user, …}; who is not on the board is left out.
local answer = {redis.call('HGET', KEYS[3], 'epoch') or '', redis.call('HGET', KEYS[3], 'rev') or ''}
local known = redis.call('HMGET', KEYS[2], unpack(ARGV))
for n, user in ipairs(ARGV) do
    local member = known[n] and string.match(known[n], '^%d+ %d+ %d+ 0 (.*)$')
    if member then
        answer[#answer + 1] = user
        answer[#answer + 1] = redis.call('ZRANK', KEYS[1], member)
        answer[#answer + 1] = string.match(known[n], '^%d+ %d+ (%d+)')
    end
end
return answer
