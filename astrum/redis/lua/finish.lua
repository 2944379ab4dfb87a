-- End a run: its state, a limited life for all its keys, a place in the history.
-- KEYS run plan attempts journal blobs runs history
-- ARGV epoch state ttl_ms tails run_id blob_prefix run_prefix [fact value]...
-- Returns 1 ended (now, or before by the same epoch in the same state), 0 attempts are
-- outstanding, -1 another epoch leads or ended it, -2 no such run.
local h = redis.call('HMGET', KEYS[1], 'ep', 'st')
if not h[2] then return -2 end
if h[1] ~= ARGV[1] then return -1 end
if h[2] ~= 'open' then return h[2] == ARGV[2] and 1 or -1 end
local outstanding = tonumber(redis.call('HGET', KEYS[3], '#') or '0')
if outstanding > 0 and ARGV[4] ~= '1' then return 0 end
local now = now_ms()
-- First a command that a full memory does not forbid; after it, none is.
redis.call('ZREM', KEYS[6], ARGV[5])
redis.call('HSET', KEYS[1], 'st', ARGV[2], 'end', now)
for i = 8, #ARGV, 2 do
  redis.call('HSET', KEYS[1], 'f:' .. ARGV[i], ARGV[i + 1])
end
for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], ARGV[3]) end
for _, digest in ipairs(redis.call('SMEMBERS', KEYS[5])) do
  redis.call('PEXPIRE', ARGV[6] .. digest, ARGV[3])
end
for _, old in ipairs(redis.call('ZRANGE', KEYS[7], 0, 99)) do
  if redis.call('EXISTS', ARGV[7] .. old) == 0 then redis.call('ZREM', KEYS[7], old) end
end
redis.call('ZADD', KEYS[7], now, ARGV[5])
redis.call('PEXPIRE', KEYS[7], math.max(redis.call('PTTL', KEYS[7]), tonumber(ARGV[3])))
return 1
