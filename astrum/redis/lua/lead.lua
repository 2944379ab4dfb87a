-- Acquire or release the leadership of an open run. Its lease ends at its score in `runs`.
-- KEYS run runs
-- ARGV mode(acquire|release) owner epoch lease_ms run_id open_ttl_ms versions
-- The first leader's default for `versions` is kept with a run that does not say its own.
-- Returns the epoch that is led (after release: 1), or 0 for no.
local h = redis.call('HMGET', KEYS[1], 'st', 'ep', 'ow', 'f:versions')
if h[1] ~= 'open' then
  redis.call('ZREM', KEYS[2], ARGV[5])
  return 0
end
local epoch = tonumber(h[2])
-- PEXPIRE comes first: it is allowed when memory is full, and after it everything is.
redis.call('PEXPIRE', KEYS[2], ARGV[6])
if ARGV[1] == 'release' then
  if h[2] ~= ARGV[3] or h[3] ~= ARGV[2] then return 0 end
  -- A new epoch fences all that the old leader may still have under way.
  redis.call('HSET', KEYS[1], 'ep', string.format('%.0f', epoch + 1), 'ow', '',
    'ra', now_ms(), 'rb', ARGV[2])
  redis.call('ZADD', KEYS[2], 0, ARGV[5])
  return 1
end
local now = now_ms()
local lease_end = redis.call('ZSCORE', KEYS[2], ARGV[5])
if h[3] ~= ARGV[2] and lease_end and tonumber(lease_end) > now then return 0 end
-- At least the time: an epoch handed out before the server lost its last writes never returns.
epoch = math.max(epoch + 1, now)
redis.call('HSET', KEYS[1], 'ep', string.format('%.0f', epoch), 'ow', ARGV[2], 'lz', ARGV[4])
if ARGV[7] ~= '' and not h[4] then redis.call('HSET', KEYS[1], 'f:versions', ARGV[7]) end
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[4]), ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
return epoch
