-- Publish what a coordinator is and does, and the counts of the runs that it leads.
-- KEYS coordinators coordinator run...
-- ARGV owner life_ms status number_of_details [detail value]... [epoch counts]...
-- The counts of a run that another epoch leads, or that is over or gone, are not written.
local now, life = now_ms(), tonumber(ARGV[2])
-- This comes first: it is allowed when memory is full, and after it everything is.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + life, ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), life))
redis.call('HSET', KEYS[2], 'status', ARGV[3], 'at', now)
local runs_from = 5 + 2 * tonumber(ARGV[4])
for i = 5, runs_from - 1, 2 do
  redis.call('HSET', KEYS[2], 'f:' .. ARGV[i], ARGV[i + 1])
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
for k = 3, #KEYS do
  local i = runs_from + 2 * (k - 3)
  -- One damaged record must not cost the other runs their counts.
  local h = redis.pcall('HMGET', KEYS[k], 'st', 'ep', 'ow')
  if h[1] == 'open' and h[2] == ARGV[i] and h[3] == ARGV[1] then
    redis.call('HSET', KEYS[k], 'n', ARGV[i + 1])
  end
end
return 1
