-- Register a worker and give it its first lease in one step: a known worker is never without one.
-- KEYS leases worker ; ARGV worker_id lease_ms details_ttl_ms leases_ttl_ms served [detail value]...
-- Returns the server's time in ms.
-- PEXPIRE comes first: it is allowed when memory is full, and after it everything is. A worker
-- whose lease was over must be able to return and settle its attempts. One that was reported dead
-- and registers again is not.
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[2], 'served', ARGV[5], 'lz', ARGV[2], 'ended', '')
for i = 6, #ARGV, 2 do
  redis.call('HSET', KEYS[2], 'f:' .. ARGV[i], ARGV[i + 1])
end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local now = now_ms()
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return now
