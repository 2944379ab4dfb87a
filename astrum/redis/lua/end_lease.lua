-- End the lease of a worker whose process has ended; its record keeps how, and its last heartbeat.
-- KEYS leases worker ; ARGV worker_id details_ttl_ms ended
-- Returns 1, or 0 if it has no lease: it has left, or was dropped.
-- The end 0 is for good: no late heartbeat and no correction of the server's clock gives such a
-- lease again, only a new registration.
-- PEXPIRE comes first: it is allowed when memory is full, and after it everything is.
local lease_end = redis.call('ZSCORE', KEYS[1], ARGV[1])
local is_registered = redis.call('PEXPIRE', KEYS[2], ARGV[2]) == 1
if not lease_end then return 0 end
if is_registered then
  redis.call('HSET', KEYS[2], 'ended', ARGV[3])
  local length = tonumber(redis.call('HGET', KEYS[2], 'lz'))
  if length and tonumber(lease_end) > 0 then
    redis.call('HSET', KEYS[2], 'beat', string.format('%.0f', tonumber(lease_end) - length))
  end
end
redis.call('ZADD', KEYS[1], 0, ARGV[1])
return 1
