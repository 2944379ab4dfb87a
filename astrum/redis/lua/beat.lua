-- Renew a worker's lease.
-- KEYS leases worker ; ARGV worker_id lease_ms facts_ttl_ms
-- Returns 1; 0 if the lease was over or the registration gone: register again, verify what is held.
local now = now_ms()
local lease_end = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
local is_registered = redis.call('PEXPIRE', KEYS[2], ARGV[3]) == 1
return (is_registered and lease_end and tonumber(lease_end) > now) and 1 or 0
