-- Keep the newest state of each user, and say whether the top ten changed.
-- KEYS[1]  z     sorted set: member (16 hex digits of time, user id) -> minus points
-- KEYS[2]  v     hash: user id -> "ledger_epoch version score held member"
-- KEYS[3]  meta  hash: epoch, ledger_epoch, users, versions, points_hi, points_lo, off:<partition>;
--                rev, top; accepted (microseconds) and corrected (rev): what is not announced yet
-- ARGV[1]  epoch the caller believes in
-- ARGV[2]  JSON: [[partition, offset expected, offset reached], …]
-- ARGV[3]  JSON: [[user id, score, ledger_epoch, version, member, held (1 or 0)], …]; a user once
-- ARGV[4]  when the newest of them was accepted, in microseconds   ARGV[5]  1 if one is a correction
-- (JSON, because packing six arguments per user cost the caller more than all the rest.)
-- Returns {'EPOCH'}                          another board is current, or Redis was restarted since
--                                            this one was built: nothing was done
--         {'GAP', partition, offset}         this Redis went back in time: read again from there
--         {'OK', applied, rev}               the top ten is as it was
--         {'OK', applied, rev, 'member -points …'}   it changed; as one text, cheaper to read
local POINTS_BASE = 67108864 -- 2^26: sums of points in two halves, each exact in a double
local epoch, ledger_epoch, run_id =
    unpack(redis.call('HMGET', KEYS[3], 'epoch', 'ledger_epoch', 'run_id'))
if epoch ~= ARGV[1] then return {'EPOCH'} end
-- A restarted Redis may have lost its last writes: revs that screens have seen would be given again.
if not string.find(redis.call('INFO', 'server'), run_id, 1, true) then return {'EPOCH'} end
-- What an older ledger said of a user whom this one never knew is no news.
ledger_epoch = tonumber(ledger_epoch)

local offsets = {}
for _, entry in ipairs(cjson.decode(ARGV[2])) do
    local field, expected, reached = 'off:' .. entry[1], entry[2], entry[3]
    local stored = tonumber(redis.call('HGET', KEYS[3], field) or 0)
    if stored < expected then return {'GAP', tostring(entry[1]), stored} end
    if reached > stored then
        offsets[#offsets + 1] = field
        offsets[#offsets + 1] = string.format('%.0f', reached)
    end
end

local rows = cjson.decode(ARGV[3])
local users = {}
for n, row in ipairs(rows) do users[n] = row[1] end
local known = #users > 0 and redis.call('HMGET', KEYS[2], unpack(users)) or {}

local removed, added, kept = {}, {}, {}
local new_users, versions, high, low = 0, 0, 0, 0
for n, row in ipairs(rows) do
    local user, score, ledger, version, member, held = unpack(row)
    local old_ledger, old_version, old_score, old_held, old_member = ledger_epoch, 0, 0, '1', ''
    if known[n] then
        local a, b, c, d, e = string.match(known[n], '^(%d+) (%d+) (%d+) (%d) (.*)$')
        old_ledger, old_version, old_score, old_held, old_member = tonumber(a), tonumber(b), tonumber(c), d, e
    end
    if ledger > old_ledger or (ledger == old_ledger and version > old_version) then
        if old_held == '0' then removed[#removed + 1] = old_member end
        if held == 0 then
            added[#added + 1] = string.format('%.0f', -score)
            added[#added + 1] = member
        end
        kept[#kept + 1] = user
        kept[#kept + 1] =
            string.format('%.0f %.0f %.0f %.0f %s', ledger, version, score, held, member)
        if not known[n] then new_users = new_users + 1 end
        versions = versions + version - old_version
        high = high + math.floor(score / POINTS_BASE) - math.floor(old_score / POINTS_BASE)
        low = low + score % POINTS_BASE - old_score % POINTS_BASE
    end
end

if #removed > 0 then redis.call('ZREM', KEYS[1], unpack(removed)) end
if #added > 0 then redis.call('ZADD', KEYS[1], unpack(added)) end
if #offsets > 0 then redis.call('HSET', KEYS[3], unpack(offsets)) end
local rev = tonumber(redis.call('HGET', KEYS[3], 'rev'))
if #kept == 0 then return {'OK', 0, rev} end

redis.call('HSET', KEYS[2], unpack(kept))
redis.call('HINCRBY', KEYS[3], 'users', new_users)
redis.call('HINCRBY', KEYS[3], 'versions', string.format('%.0f', versions))
redis.call('HINCRBY', KEYS[3], 'points_hi', string.format('%.0f', high))
redis.call('HINCRBY', KEYS[3], 'points_lo', string.format('%.0f', low))

local top = redis.call('ZRANGE', KEYS[1], 0, 9, 'WITHSCORES')
local text = table.concat(top, ' ')
if redis.call('HGET', KEYS[3], 'top') == text then return {'OK', #kept / 2, rev} end
rev = redis.call('HINCRBY', KEYS[3], 'rev', 1)
local accepted = tonumber(redis.call('HGET', KEYS[3], 'accepted') or 0)
redis.call('HSET', KEYS[3], 'top', text,
    'accepted', string.format('%.0f', math.max(accepted, tonumber(ARGV[4]))))
if ARGV[5] == '1' then redis.call('HSET', KEYS[3], 'corrected', rev) end
return {'OK', #kept / 2, rev, text}
