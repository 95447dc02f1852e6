-- Record sessions, one after the other, unless a limit is reached; renew those that are known.
-- A session that is known is within its limits: the call may be repeated when its answer was lost.
-- KEYS[1]   sessions   sorted set: session id -> when it expires, ms
-- KEYS[2]   ids        sorted set: the same ids, all with score 0, so that they can be paged through
-- ARGV[1]   prefix     of the keys of users, addresses and single sessions, in KEYS[1]'s slot
-- ARGV[2]   ttl, ms    ARGV[3]  limit per user    ARGV[4]  limit per address; 0: no limit
-- ARGV[5…]  sessions   as JSON: {"id", "user", "address", "node", "since", "transport"}
-- Returns for each session: "" if recorded, or "user" or "address", whose limit it would exceed.
local FORGOTTEN_PER_CALL = 1000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ttl = tonumber(ARGV[2])
local limits = { user = tonumber(ARGV[3]), address = tonumber(ARGV[4]) }

local function group(kind, name)
  return ARGV[1] .. ':' .. kind .. ':' .. name
end

local function is_full(kind, name, id)
  if limits[kind] == 0 or name == '' then
    return false
  end
  local key = group(kind, name)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  return redis.call('ZCARD', key) >= limits[kind] and not redis.call('ZSCORE', key, id)
end

local function forget_expired()
  local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, FORGOTTEN_PER_CALL)
  if #gone > 0 then
    redis.call('ZREM', KEYS[1], unpack(gone))
    redis.call('ZREM', KEYS[2], unpack(gone))
  end
end

local function add(key, id)
  redis.call('ZADD', key, now + ttl, id)
  redis.call('PEXPIRE', key, ttl)
end

forget_expired()
local answers = {}
for i = 5, #ARGV do
  local session = cjson.decode(ARGV[i])
  if is_full('user', session.user, session.id) then
    answers[#answers + 1] = 'user'
  elseif is_full('address', session.address, session.id) then
    answers[#answers + 1] = 'address'
  else
    add(KEYS[1], session.id)
    redis.call('ZADD', KEYS[2], 0, session.id)
    redis.call('PEXPIRE', KEYS[2], ttl)
    add(group('address', session.address), session.id)
    if session.user ~= '' then
      add(group('user', session.user), session.id)
    end
    redis.call('SET', group('session', session.id), ARGV[i], 'PX', ttl)
    answers[#answers + 1] = ''
  end
end
return answers
