-- Delete an ended run with its values, part by part; the record goes last, so a deletion that
-- was interrupted can be repeated.
-- KEYS run attempts journal blobs runs history untidied index
-- ARGV run_id cursor count blob_prefix
-- Returns the cursor of the next part, '0' if this was the last one, 'OPEN', or 'GONE'.
-- Its plan stays, since other runs may have it too: it expires by itself.
-- UNLINK frees the memory of big keys in the background.
local state = redis.call('HGET', KEYS[1], 'st')
if state == 'open' then return 'OPEN' end
local part = redis.call('SSCAN', KEYS[4], ARGV[2], 'COUNT', ARGV[3])
if not state and part[1] == '0' and #part[2] == 0 then return 'GONE' end
for _, digest in ipairs(part[2]) do redis.call('UNLINK', ARGV[4] .. digest) end
if part[1] == '0' then
  for i = 1, 4 do redis.call('UNLINK', KEYS[i]) end
  for i = 5, 8 do redis.call('ZREM', KEYS[i], ARGV[1]) end
end
return part[1]
