-- Claim at most `count` entries over several streams, the earlier streams first, without waiting.
-- KEYS stream... ; ARGV group worker_id count
-- Returns what XREADGROUP does; fails for a missing group only if nothing was claimed before it,
-- because the caller must learn what was claimed.
local out, left = {}, tonumber(ARGV[3])
for i = 1, #KEYS do
  if left <= 0 then break end
  local reply = redis.pcall('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', left, 'STREAMS', KEYS[i], '>')
  if reply and reply.err then
    if #out > 0 then break end
    return reply
  end
  if reply then
    out[#out + 1] = reply[1]
    left = left - #reply[1][2]
  end
end
return out
