-- Store the log of an attempt as a value of its run, in place of an earlier part of it. All logs of a
-- run have a limit together; `sizes`, a value of the run too, says what they have and what was left out.
-- KEYS attempts blob blobs sizes ; ARGV data name sizes_name most limit whole cost
-- `most` is what all logs may have once this one is stored, `limit` is only noted. `whole` is 1 for
-- the last part of a log: only then is it counted as left out. A log costs `cost` bytes more than its own.
-- Returns 1 if it is stored, 2 if it is left out, 0 if there is no such run.
local life = redis.call('PTTL', KEYS[1])
if life <= 0 then return 0 end
local told = redis.call('GETRANGE', KEYS[4], 0, -1)
local bytes, left, since = string.match(told, '^(%d+) (%d+) (%d+)')
bytes, left, since = tonumber(bytes or 0), tonumber(left or 0), tonumber(since or 0)
local before = #redis.call('GETRANGE', KEYS[2], 0, -1)
local after = bytes - before + #ARGV[1] + (before > 0 and 0 or ARGV[7])
local fits = after <= tonumber(ARGV[4])
if fits then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', life)
  bytes = after
else
  if since == 0 then since = now_ms() end
  if ARGV[6] == '1' then left = left + 1 end
end
told = string.format('%.0f %.0f %.0f %s', bytes, left, since, ARGV[5])
redis.call('SET', KEYS[4], told, 'PX', life)
local added = redis.call('SADD', KEYS[3], ARGV[3])
if fits then added = added + redis.call('SADD', KEYS[3], ARGV[2]) end
if added > 0 and redis.call('SCARD', KEYS[3]) == added then redis.call('PEXPIRE', KEYS[3], life) end
return fits and 1 or 2
