-- Publish a flow, or a new version of it.
-- KEYS flows plan delayed ; ARGV name record plan plan_prefix old_record old_digest open_ttl_ms
-- A published plan has no expiry. That of the version before lives on like any other plan, for the
-- runs that use it.
-- Returns 1, or 0 if the record is not `old_record` any more: read it again.
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[5] then return 0 end
redis.call('SET', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local old = ARGV[4] .. ARGV[6]
if ARGV[6] ~= '' and old ~= KEYS[2] then
  redis.call('PEXPIRE', old, life_of_plan(KEYS[3], ARGV[7]))
end
return 1
