-- End the leadership of an open run, so that others may lead it at once.
-- KEYS run runs ; ARGV owner epoch run_id open_ttl_ms
-- Returns 1, or 0 if this epoch does not lead it.
local h = redis.call('HMGET', KEYS[1], 'st', 'ep', 'ow')
-- PEXPIRE comes first: it is allowed when memory is full, and after it everything is.
redis.call('PEXPIRE', KEYS[2], ARGV[4])
if h[1] ~= 'open' then redis.call('ZREM', KEYS[2], ARGV[3]) end
if h[1] ~= 'open' or h[2] ~= ARGV[2] or h[3] ~= ARGV[1] then return 0 end
-- A new epoch fences all that the old leader may still have under way.
redis.call('HSET', KEYS[1], 'ep', string.format('%.0f', tonumber(h[2]) + 1), 'ow', '',
  'ra', now_ms(), 'rb', ARGV[1])
redis.call('ZADD', KEYS[2], 0, ARGV[3])
return 1
