-- May these users pass? The generic cell rate algorithm, one step per key, on Redis' own clock.
-- KEYS[i]  the user's theoretical arrival time in microseconds; a user may appear twice
-- ARGV[1]  microseconds between two requests   ARGV[2]  burst
-- Returns a text, three numbers per key: allowed (1 or 0), remaining, wait in microseconds. One
-- reply of many numbers would cost the caller more than the script costs Redis.
local interval = tonumber(ARGV[1])
local window = interval * tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local answers = {}
for i, key in ipairs(KEYS) do
    local tat = math.min(math.max(tonumber(redis.call('GET', key) or 0), now), now + window)
    local after = tat + interval
    local wait = after - window - now
    if wait > 0 then
        answers[#answers + 1] = 0
        answers[#answers + 1] = 0
        answers[#answers + 1] = string.format('%.0f', wait)
    else
        redis.call('SET', key, string.format('%.0f', after),
            'PX', math.ceil((after - now) / 1000))
        answers[#answers + 1] = 1
        answers[#answers + 1] = math.floor((now + window - after) / interval)
        answers[#answers + 1] = 0
    end
end
return table.concat(answers, ' ')
