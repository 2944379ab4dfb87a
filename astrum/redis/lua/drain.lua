-- Ask a live worker to drain: it reads that with its next heartbeat.
-- KEYS leases worker ; ARGV worker_id request
-- Returns 0 if the worker is not alive.
local lease_end = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not lease_end or tonumber(lease_end) <= now_ms() then return 0 end
local left = redis.call('PTTL', KEYS[2])
if left < 0 then return 0 end
-- PEXPIRE comes first: it is allowed when memory is full, and after it everything is.
redis.call('PEXPIRE', KEYS[2], left)
redis.call('HSET', KEYS[2], 'drain', ARGV[2])
return 1
