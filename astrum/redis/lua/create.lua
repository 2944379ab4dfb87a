-- Create an open run without a leader.
-- KEYS run plan attempts journal blobs runs index
-- ARGV run_id plan digest open_ttl_ms run_prefix [detail value]...
-- Returns 1 created, 0 exists with the same plan, -1 exists with another plan.
local digest = redis.call('HGET', KEYS[1], 'pd')
if digest then
  return digest == ARGV[3] and 0 or -1
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4])
redis.call('UNLINK', KEYS[3], KEYS[4], KEYS[5])  -- big values are freed in the background
local now = now_ms()
redis.call('HSET', KEYS[1], 'st', 'open', 'ep', '0', 'ow', '', 'at', now, 'pd', ARGV[3])
for i = 6, #ARGV, 2 do
  redis.call('HSET', KEYS[1], 'f:' .. ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[3], '#', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
redis.call('ZADD', KEYS[6], 0, ARGV[1])
redis.call('PEXPIRE', KEYS[6], ARGV[4])
redis.call('ZADD', KEYS[7], now, ARGV[1])
redis.call('PEXPIRE', KEYS[7], math.max(redis.call('PTTL', KEYS[7]), ARGV[4]))
-- `finish` drops what has ended and expired; here go the oldest that expired without an end. Last,
-- since their records are not in KEYS: a cluster that moves the slot may refuse to look.
for _, old in ipairs(redis.call('ZRANGE', KEYS[7], 0, 99)) do
  if redis.call('EXISTS', ARGV[5] .. old) == 0 then redis.call('ZREM', KEYS[7], old) end
end
return 1
