-- End a run: its state, a limited life for all its keys, a place in the history.
-- KEYS run attempts journal blobs runs history untidied done index
-- ARGV epoch state ttl_ms tails run_id run_prefix plan_prefix counts [detail value]...
-- The life is what the run says of itself, else what the caller gives; ten years at most, since
-- the server refuses much longer ones.
-- A run that has blobs is noted in `untidied`, with the time at which they expire: `tidy`
-- shortens their lives part by part. If nothing does, they expire by themselves.
-- The entry in `done` wakes the processes that wait for it; they read the state from the run.
-- Returns 1 ended, 2 ended with blobs to tidy, or before by the same epoch in the same state, 0
-- attempts are outstanding, -1 another epoch leads or ended it, -2 no such run.
local DAY_MS = 86400000  -- at least so long another coordinator can continue with `untidied`
local LONGEST_MS = 3650 * DAY_MS
local h = redis.call('HMGET', KEYS[1], 'ep', 'st', 'f:result_ttl_s', 'pd')
if not h[2] then return -2 end
if h[1] ~= ARGV[1] then return -1 end
if h[2] ~= 'open' then return h[2] == ARGV[2] and 2 or -1 end
local outstanding = tonumber(redis.call('HGET', KEYS[2], '#') or '0')
if outstanding > 0 and ARGV[4] ~= '1' then return 0 end
local now = now_ms()
-- ZREM comes first: it is allowed when memory is full, and after it everything is.
redis.call('ZREM', KEYS[5], ARGV[5])
redis.call('HSET', KEYS[1], 'st', ARGV[2], 'end', now, 'n', ARGV[8])
for i = 9, #ARGV, 2 do
  redis.call('HSET', KEYS[1], 'f:' .. ARGV[i], ARGV[i + 1])
end
local own = tonumber(h[3] or '')
local ttl = own and own > 0 and math.max(1, math.floor(own * 1000)) or tonumber(ARGV[3])
ttl = math.min(ttl, LONGEST_MS)
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ttl) end
redis.pcall('XADD', KEYS[8], 'MAXLEN', '~', 10000, '*', 'd', ARGV[5])
redis.call('PEXPIRE', KEYS[8], math.max(redis.call('PTTL', KEYS[8]), ttl))
local blobs_live = redis.call('PTTL', KEYS[4])
if blobs_live ~= -2 then
  redis.call('ZADD', KEYS[7], now + ttl, ARGV[5])
  redis.call('PEXPIRE', KEYS[7], math.max(redis.call('PTTL', KEYS[7]), blobs_live, ttl, DAY_MS))
end
redis.call('ZADD', KEYS[6], now, ARGV[5])
redis.call('PEXPIRE', KEYS[6], math.max(redis.call('PTTL', KEYS[6]), ttl))
redis.call('PEXPIRE', KEYS[9], math.max(redis.call('PTTL', KEYS[9]), ttl))
keep_plan(ARGV[7] .. (h[4] or ''), ttl)
-- Last, since these records are not in KEYS: a cluster that moves the slot may refuse to look.
for _, old in ipairs(expired(KEYS[6], ARGV[6])) do
  redis.call('ZREM', KEYS[6], old)
  redis.call('ZREM', KEYS[9], old)
end
return blobs_live == -2 and 1 or 2
