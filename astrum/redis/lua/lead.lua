-- Acquire, renew or release the leadership of an open run.
-- KEYS run plan attempts journal blobs runs
-- ARGV mode(acquire|renew|release) owner epoch lease_ms run_id open_ttl_ms blob_prefix
-- Returns the epoch that is led (after release: 1), or 0 for no.
local h = redis.call('HMGET', KEYS[1], 'st', 'ep', 'ow', 'lx')
if h[1] ~= 'open' then
  redis.call('ZREM', KEYS[6], ARGV[5])
  return 0
end
local now = now_ms()
local epoch = tonumber(h[2])
if ARGV[1] == 'acquire' then
  if h[3] ~= ARGV[2] and tonumber(h[4]) > now then return 0 end
  -- At least the time: an epoch handed out before the server lost its last writes never returns.
  epoch = math.max(epoch + 1, now)
elseif h[2] ~= ARGV[3] or h[3] ~= ARGV[2] then
  return 0
end
if ARGV[1] == 'release' then
  -- A new epoch fences whatever the old leader may still have under way.
  redis.call('HSET', KEYS[1], 'ep', string.format('%.0f', epoch + 1), 'ow', '', 'lx', '0')
  redis.call('ZADD', KEYS[6], 0, ARGV[5])
  return 1
end
local lease_end = now + tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'ep', string.format('%.0f', epoch), 'ow', ARGV[2], 'lx', string.format('%.0f', lease_end))
redis.call('ZADD', KEYS[6], lease_end, ARGV[5])
if redis.call('PTTL', KEYS[1]) < ARGV[6] / 2 then
  for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], ARGV[6]) end
  for _, digest in ipairs(redis.call('SMEMBERS', KEYS[5])) do
    redis.call('PEXPIRE', ARGV[7] .. digest, ARGV[6])
  end
end
return epoch
