-- Register a worker and give it its first lease in one step: a known worker is never without one.
-- KEYS leases worker ; ARGV worker_id lease_ms facts_ttl_ms served [fact value]...
redis.call('HSET', KEYS[2], 'served', ARGV[4])
for i = 5, #ARGV, 2 do
  redis.call('HSET', KEYS[2], 'f:' .. ARGV[i], ARGV[i + 1])
end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('ZADD', KEYS[1], now_ms() + tonumber(ARGV[2]), ARGV[1])
return 1
