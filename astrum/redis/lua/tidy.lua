-- Give the blobs of an ended run the life that is left to its record, part by part.
-- KEYS run blobs untidied ; ARGV run_id cursor count blob_prefix
-- Returns the cursor of the next part, '0' if this was the last one.
-- The run stays in `untidied`, with the time at which its blobs expire, and their list keeps
-- its life until the last part is done: others continue where a coordinator died.
local ends_at = redis.call('ZSCORE', KEYS[3], ARGV[1])
if not ends_at then return '0' end
if redis.call('HGET', KEYS[1], 'st') == 'open' then  -- another run under the same id
  redis.call('ZREM', KEYS[3], ARGV[1])
  return '0'
end
local life = string.format('%.0f', tonumber(ends_at) - now_ms())
local function shorten(key)
  if tonumber(life) > 0 then redis.call('PEXPIRE', key, life) else redis.call('UNLINK', key) end
end
local part = redis.call('SSCAN', KEYS[2], ARGV[2], 'COUNT', ARGV[3])
for _, digest in ipairs(part[2]) do shorten(ARGV[4] .. digest) end
if part[1] == '0' then
  shorten(KEYS[2])
  redis.call('ZREM', KEYS[3], ARGV[1])
end
return part[1]
