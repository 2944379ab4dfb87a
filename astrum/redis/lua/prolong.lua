-- Let the keys of an open run live on once half of their life is over, its blobs part by part.
-- KEYS run attempts journal blobs index ; ARGV cursor ttl_ms count blob_prefix plan_prefix
-- A delayed run lives for so much longer.
-- Returns the cursor of the next part, '0' if nothing is left to do.
-- The run's own record comes last: until all parts are done, it has less than half of its life
-- left, so the next leader begins again. The other keys come first: a blob that is stored
-- meanwhile takes its life from `attempts`.
local h = redis.call('HMGET', KEYS[1], 'st', 'pd', 'sa')
if h[1] ~= 'open' then return '0' end
local ttl = tonumber(ARGV[2]) + math.max(0, (tonumber(h[3]) or 0) - now_ms())
if redis.call('PTTL', KEYS[1]) >= ttl / 2 then return '0' end
if ARGV[1] == '0' then
  for i = 2, 4 do redis.call('PEXPIRE', KEYS[i], ttl) end
  redis.call('PEXPIRE', KEYS[5], math.max(redis.call('PTTL', KEYS[5]), ttl))
end
local part = redis.call('SSCAN', KEYS[4], ARGV[1], 'COUNT', ARGV[3])
for _, digest in ipairs(part[2]) do redis.call('PEXPIRE', ARGV[4] .. digest, ttl) end
if part[1] == '0' then
  keep_plan(ARGV[5] .. (h[2] or ''), ttl)
  redis.call('PEXPIRE', KEYS[1], ttl)
end
return part[1]
