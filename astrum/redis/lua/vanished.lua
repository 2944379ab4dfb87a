-- Which of these attempts are outstanding although their stream entry is not there.
-- KEYS attempts stream ; ARGV [task attempt:entry_id/stream_name]...
-- Returns their tasks. No worker will ever end them: what a worker runs keeps its entry.
local out = {}
for i = 1, #ARGV, 2 do
  local id = string.match(ARGV[i + 1], ':([^/]*)/')
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] and #redis.call('XRANGE', KEYS[2], id, id) == 0 then
    out[#out + 1] = tonumber(ARGV[i])
  end
end
return out
