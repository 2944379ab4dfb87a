-- Let delayed runs begin that are due, and look for open runs that have no leader now.
-- KEYS runs delayed wake ; ARGV limit due_limit open_ttl_ms
-- Returns {ms, id, score...}: the open runs without a leader, each with its score, after the ms
-- until the next lease ends or the next delayed run is due (-1: there is none).
local now, next_ms = now_ms(), -1
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[2])
for _, run_id in ipairs(due) do begin(KEYS[2], KEYS[1], KEYS[3], run_id, ARGV[3]) end
for _, later in ipairs({
  redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1),
  redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES'),
}) do
  local left = later[2] and math.max(0, tonumber(later[2]) - now)
  if left and (next_ms < 0 or left < next_ms) then next_ms = left end
end
local out = {next_ms}
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for _, part in ipairs(found) do out[#out + 1] = part end
return out
