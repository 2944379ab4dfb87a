-- Create an open run without a leader.
-- KEYS run plan attempts journal blobs runs
-- ARGV run_id plan digest open_ttl_ms [detail value]...
-- Returns 1 created, 0 exists with the same plan, -1 exists with another plan.
local digest = redis.call('HGET', KEYS[1], 'pd')
if digest then
  return digest == ARGV[3] and 0 or -1
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4])
redis.call('UNLINK', KEYS[3], KEYS[4], KEYS[5])  -- big values are freed in the background
redis.call('HSET', KEYS[1], 'st', 'open', 'ep', '0', 'ow', '', 'at', now_ms(), 'pd', ARGV[3])
for i = 5, #ARGV, 2 do
  redis.call('HSET', KEYS[1], 'f:' .. ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[3], '#', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
redis.call('ZADD', KEYS[6], 0, ARGV[1])
redis.call('PEXPIRE', KEYS[6], ARGV[4])
return 1
