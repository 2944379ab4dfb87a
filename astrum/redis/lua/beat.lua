-- Renew a worker's lease and store what it does now.
-- KEYS leases worker ; ARGV worker_id lease_ms details_ttl_ms leases_ttl_ms status('' for none)
-- Returns the server's time in ms; as a negative number if the lease was over or the registration
-- gone: register again, verify what is held.
-- A lease that ended at 0 is not renewed: the process of the worker was reported dead, and this
-- is a heartbeat that it had sent before. One that lives after all registers again.
-- PEXPIRE comes first: it is allowed when memory is full, and after it everything is.
local now = now_ms()
local lease_end = redis.call('ZSCORE', KEYS[1], ARGV[1])
local is_registered = redis.call('PEXPIRE', KEYS[2], ARGV[3]) == 1
if lease_end and tonumber(lease_end) == 0 then return -now end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
-- Else the set of leases has its life from the registration, and the worker prolongs it at times.
if not lease_end then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
if is_registered and ARGV[5] ~= '' then redis.call('HSET', KEYS[2], 'status', ARGV[5]) end
return (is_registered and lease_end and tonumber(lease_end) > now) and now or -now
