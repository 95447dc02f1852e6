-- Measure a batch of accepted increments, and say which rules their users cross.
-- KEYS[1]  the kill switch: while it exists, nothing is measured
-- ARGV[1]  prefix of all other keys; it has the hash tag of KEYS[1], so all are in one slot
-- ARGV[2]  JSON: [[rule, signal, window in ms, threshold], …]
-- ARGV[3]  JSON: [[user, fingerprint or "", accepted at in ms, points], …] in order of acceptance
-- ARGV[4]  increments per second that the rate limit lets through
-- Returns {'OFF'} or {'ON', user, n of the rule, value, n of the sighting that showed it, …}
-- (n from 1, value as text). The same user and rule are told of again after 15 minutes.
--   <prefix>:user:<user>                  what is known of a user, packed, 2 kB at most; another
--                                         layout needs another name
--   <prefix>:users:<window>:<n>:<fp>      HyperLogLog of the users with a fingerprint
--   <prefix>:tireless:<window>:<n>:<fp>   and of the tireless among them
--   <prefix>:trace:<slot>                 the last trace that fell into one of 65,536 slots
-- Time is that of the arguments alone; a TTL only cleans up. The board lives in the same Redis and
-- waits for this script, so a signal is worked out only when it can have grown.
local SECOND, HOUR, DAY = 1000, 3600000, 86400000
local INTERVALS = 50            -- at least, in a rhythm
local OFF_BEAT = 0.5            -- an interval so much longer or shorter than the mean ends a rhythm
local FINGERPRINTS = 32         -- that are told apart per user
local TIRELESS_HOURS = 8        -- of the last 24
local STEPS = 8                 -- of a trace: intervals, and points
local STEP_PRECISION = 10       -- intervals are equal within a tenth; replays are, people are not
local STEP_BYTES = 3            -- one for the interval, two for the points
local DIFFERENT = 5             -- intervals of the eight, or it is a beat and no trace …
local LASTS = 15 * SECOND       -- … and so it is when they are quicker: music, and bursts of a game
local SAMPLED = '0'             -- of the 16 digits with which a trace's hash may end
local TRACE_USERS = 32
local TELL_AGAIN = 900 * SECOND
local DAY_BITS = 2 ^ 24

if redis.call('EXISTS', KEYS[1]) == 1 then return {'OFF'} end
local prefix = ARGV[1]
local rate = tonumber(ARGV[4])
local floor = math.floor

local function whole(number) return string.format('%.0f', number) end

local function bit_count(bits)
    local count = 0
    while bits > 0 do
        count = count + bits % 2
        bits = floor(bits / 2)
    end
    return count
end

local function note_interval(user, at, points)
    local gap = at - user.at
    if user.at > 0 and gap >= 0 then
        local mean = user.sum / math.max(user.gaps, 1)
        if math.abs(gap - mean) > OFF_BEAT * mean then user.gaps, user.sum, user.squares = 0, 0, 0 end
        user.gaps = user.gaps + 1
        user.sum = user.sum + gap
        user.squares = user.squares + gap * gap
        local interval = floor(STEP_PRECISION * math.log(gap + 1) + 0.5)
        user.steps = string.sub(user.steps, -STEP_BYTES * (STEPS - 1))
            .. struct.pack('>I1I2', math.min(interval, 255), points % 65536)
    end
    user.at = math.max(user.at, at)
end

-- Returns whether the hour is a new one for this user.
local function note_hour(user, at)
    local passed = floor(at / HOUR) - user.hour
    if passed <= 0 then return false end
    user.hour = user.hour + passed
    user.hours = passed < 24 and (user.hours * 2 ^ passed) % DAY_BITS + 1 or 1
    return true
end

-- Returns when the user had this fingerprint before, 0 if not in living memory; nil if it is to be
-- passed over: there is none, or whoever turns up with ever new ones would fill the memory.
local function note_fingerprint(user, fp, at)
    if fp == '' then return end
    local before = user.fps[fp]
    user.fps[fp] = math.max(before or 0, at)
    if before then return before end
    local count, oldest = 0, fp
    for other, seen in pairs(user.fps) do
        count = count + 1
        if seen < user.fps[oldest] then oldest = other end
    end
    if count <= FINGERPRINTS then return 0 end
    local age = at - user.fps[oldest]
    user.fps[oldest] = nil
    if age >= HOUR then return 0 end
end

-- The users who were added in this window or the one before, whichever are more.
local function count_users(kind, window, s, added)
    local n = floor(s.at / window)
    local key = prefix .. kind .. whole(window) .. ':'
    local now = key .. whole(n) .. ':' .. s.fp
    if added then
        redis.call('PFADD', now, s.name)
        redis.call('PEXPIRE', now, whole(2 * window))
    end
    return math.max(redis.call('PFCOUNT', now),
        redis.call('PFCOUNT', key .. whole(n - 1) .. ':' .. s.fp))
end

-- Each is asked once per increment and window, and answers nil where nothing can have grown; a
-- second answer names all users whom it is about.
local measure = {}

function measure.regularity(s, window)
    local gaps, sum = s.user.gaps, s.user.sum
    if gaps < INTERVALS or sum < window then return end
    local mean = sum / gaps
    return 1 - math.sqrt(math.max(0, s.user.squares / gaps - mean * mean)) / mean
end

function measure.rate_share(s, window)
    local n, rates, name = floor(s.at / window), s.user.rates, tostring(window)
    local counts = rates[name]
    if not counts then
        counts = {n, 0, 0}
        rates[name] = counts
    elseif n > counts[1] then
        counts[3] = n == counts[1] + 1 and counts[2] or 0
        counts[1], counts[2] = n, 0
    end
    counts[2] = counts[2] + 1
    local rest = 1 - (s.at - n * window) / window
    return (counts[2] + counts[3] * rest) / (rate * window / SECOND)
end

function measure.active_hours(s, window)
    if not s.new_hour then return end
    return bit_count(s.user.hours % 2 ^ math.min(24, math.ceil(window / HOUR)))
end

function measure.fingerprints_per_user(s, window)
    if not s.fp_before or s.at - s.fp_before < window then return end
    local count = 0
    for _, seen in pairs(s.user.fps) do
        if s.at - seen < window then count = count + 1 end
    end
    return count
end

function measure.users_per_trace(s, window)
    local steps = s.user.steps
    if #steps < STEP_BYTES * STEPS then return end
    local hash = redis.sha1hex(steps)
    if string.sub(hash, -1) ~= SAMPLED then return end
    local intervals, different, lasts = {}, 0, 0
    for n = 1, #steps, STEP_BYTES do
        local interval = string.byte(steps, n)
        lasts = lasts + math.exp(interval / STEP_PRECISION)
        if not intervals[interval] then different = different + 1 end
        intervals[interval] = true
    end
    if different < DIFFERENT or lasts < LASTS then return end
    local key = prefix .. ':trace:' .. string.sub(hash, 1, 4)
    local packed = redis.call('GET', key)
    local trace = packed and cmsgpack.unpack(packed)
    if not trace or trace.steps ~= steps or s.at - trace.at > window then
        trace = {steps = steps, at = s.at, users = {}}
    end
    local is_new = #trace.users < TRACE_USERS
    for _, known in ipairs(trace.users) do is_new = is_new and known ~= s.name end
    if is_new then
        table.insert(trace.users, s.name)
        redis.call('SET', key, cmsgpack.pack(trace), 'PX', whole(window))
    end
    return #trace.users, trace.users
end

function measure.users_per_fingerprint(s, window)
    if not s.fp_before or floor(s.fp_before / window) == floor(s.at / window) then return end
    return count_users(':users:', window, s, true)
end

function measure.tireless_per_fingerprint(s, window)
    if not s.fp_before or not s.new_hour then return end
    local tireless = bit_count(s.user.hours) >= TIRELESS_HOURS
    local count = count_users(':tireless:', window, s, tireless)
    local all = count_users(':users:', window, s, true)
    return 2 * count >= all and count or 0
end

-- Two rules may ask for the same, and a measure also notes: it must not twice.
local questions, by_name = {}, {}
for n, rule in ipairs(cjson.decode(ARGV[2])) do
    local name, signal, window, threshold = unpack(rule)
    local question = by_name[signal .. window]
    if not question then
        question = {measure = measure[signal], window = window, least = threshold, rules = {}}
        by_name[signal .. window] = question
        questions[#questions + 1] = question
    end
    question.least = math.min(question.least, threshold)
    table.insert(question.rules, {n = n, name = name, threshold = threshold})
end

local users, told = {}, {'ON'}

local function known_user(name)
    if not users[name] then
        local packed = redis.call('GET', prefix .. ':user:' .. name)
        users[name] = packed and cmsgpack.unpack(packed) or {at = 0, gaps = 0, sum = 0, squares = 0,
            steps = '', hour = 0, hours = 0, fps = {}, rates = {}, told = {}}
    end
    return users[name]
end

local function tell(name, rule, value, n, at)
    local user = known_user(name)
    if at - (user.told[rule.name] or -TELL_AGAIN) < TELL_AGAIN then return end
    user.told[rule.name] = at
    for _, part in ipairs({name, rule.n, string.format('%.6g', value), n}) do
        told[#told + 1] = part
    end
end

for n, sighting in ipairs(cjson.decode(ARGV[3])) do
    local name, fp, at, points = unpack(sighting)
    local user = known_user(name)
    note_interval(user, at, points)
    local s = {user = user, name = name, fp = fp, at = at, new_hour = note_hour(user, at),
        fp_before = note_fingerprint(user, fp, at)}
    for _, question in ipairs(questions) do
        local value, whom = question.measure(s, question.window)
        if value and value >= question.least then
            for _, rule in ipairs(question.rules) do
                if value >= rule.threshold then
                    for _, suspect in ipairs(whom or {name}) do tell(suspect, rule, value, n, at) end
                end
            end
        end
    end
end
for name, user in pairs(users) do
    redis.call('SET', prefix .. ':user:' .. name, cmsgpack.pack(user), 'PX', DAY + HOUR)
end
return told
