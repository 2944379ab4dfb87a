-- Append an event that is not the end of an attempt to the journal of an open run.
-- KEYS run journal [delayed runs wake] ; ARGV entry epoch ('' for any) [run_id open_ttl_ms]
-- With the further keys, a delayed run begins by it, before its time.
-- Returns 1 appended, 0 the run is over or gone, -1 another epoch leads.
local h = redis.call('HMGET', KEYS[1], 'st', 'ep')
if h[1] ~= 'open' then return 0 end
if ARGV[2] ~= '' and h[2] ~= ARGV[2] then return -1 end
-- This command changes nothing. It is allowed when memory is full, and after it all writes of this
-- script are: a cancel must not wait for memory that the cancelled run may hold.
redis.call('HDEL', KEYS[1], '')
redis.call('XADD', KEYS[2], '*', 'd', ARGV[1])
if redis.call('XLEN', KEYS[2]) == 1 then
  redis.call('PEXPIRE', KEYS[2], math.max(redis.call('PTTL', KEYS[1]), 1))
end
if KEYS[3] and begin(KEYS[3], KEYS[4], KEYS[5], ARGV[3], ARGV[4]) then
  redis.call('HDEL', KEYS[1], 'sa')
end
return 1
