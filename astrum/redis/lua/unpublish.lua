-- Remove a published flow; its plan lives on like any other, for the runs that use it.
-- KEYS flows plan delayed ; ARGV name record open_ttl_ms
-- Returns 1, or 0 if the record is not this one any more: read it again.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], life_of_plan(KEYS[3], ARGV[3]))
return 1
