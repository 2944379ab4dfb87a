-- Delete the chronicle of a run.
-- KEYS chronicle chronicles sizes ; ARGV run_id
-- Returns whether there was one.
local size = redis.call('HGET', KEYS[3], ARGV[1])
if size then
  redis.call('HDEL', KEYS[3], ARGV[1])
  redis.call('HINCRBY', KEYS[3], '#', -tonumber(size))
end
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('UNLINK', KEYS[1])
