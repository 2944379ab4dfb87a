-- Let a worker make room for an attempt that must run alone, or take that back.
-- KEYS exclusive leases ; ARGV worker_id ttl_ms('0' to take it back)
-- Returns 1 if it may; 0 while a quarter of the live workers (at least one) do so already.
if ARGV[2] == '0' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return 1
end
local now = now_ms()
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
-- No worker asks for minutes: an end that far ahead is from before the server's clock went back.
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + 120000, '+inf')
local allowed = math.max(1, math.floor(redis.call('ZCOUNT', KEYS[2], now, '+inf') / 4))
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= allowed then
  return 0
end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[2])))
return 1
