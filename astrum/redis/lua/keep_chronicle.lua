-- Keep the chronicle of an ended run; the oldest ones make room for it.
-- KEYS run chronicle chronicles sizes
-- ARGV run_id data life_ms max_bytes chronicle_prefix epoch
-- The record remembers under which epoch the run ended of which a chronicle was made: of a run that
-- was reopened, a chronicle of an earlier end is refused, and another one is made at the next end.
-- `sizes` has the bytes of each chronicle, and of all under '#'. `chronicles` has the time at which
-- each expires, so the oldest of one life is the first.
-- Returns 1 kept, 0 the run is open, gone, or ended under another epoch, -1 there is no room for it.
local run_id, life_ms, max_bytes = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local record = redis.call('HMGET', KEYS[1], 'st', 'ep')
if not record[1] or record[1] == 'open' or record[2] ~= ARGV[6] then return 0 end
local function drop(old)
  local size = tonumber(redis.call('HGET', KEYS[4], old) or '0')
  redis.call('UNLINK', ARGV[5] .. old)
  redis.call('ZREM', KEYS[3], old)
  redis.call('HDEL', KEYS[4], old)
  redis.call('HINCRBY', KEYS[4], '#', 0 - size)  -- no "-0"
end
-- This comes first: it is refused while memory is full, and a chronicle should not use more.
redis.call('HINCRBY', KEYS[4], '#', 0)
redis.call('PEXPIRE', KEYS[4], math.max(redis.call('PTTL', KEYS[4]), life_ms))
drop(run_id)
redis.call('HSET', KEYS[1], 'pc', ARGV[6])
local now, size = now_ms(), #ARGV[2]
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 100)) do
  drop(old)
end
local room = max_bytes - size
for _, old in ipairs(redis.call('ZRANGE', KEYS[3], 0, 999)) do
  if tonumber(redis.call('HGET', KEYS[4], '#')) <= room then break end
  drop(old)
end
if tonumber(redis.call('HGET', KEYS[4], '#')) > room then return -1 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', life_ms)
redis.call('HSET', KEYS[4], run_id, size)
redis.call('HINCRBY', KEYS[4], '#', size)
redis.call('ZADD', KEYS[3], now + life_ms, run_id)
redis.call('PEXPIRE', KEYS[3], math.max(redis.call('PTTL', KEYS[3]), life_ms))
return 1
