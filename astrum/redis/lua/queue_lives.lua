-- Let queues that are in use live on, and idle ones expire soon; forget those that expired.
-- KEYS queues stream... ; ARGV in_use_ttl_ms idle_ttl_ms
-- A queue is in use while it holds an entry or a worker reads it. A dispatch to an idle queue
-- gives it a long life again in the same step.
local long, short = tonumber(ARGV[1]), tonumber(ARGV[2])

local function is_read(stream)
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    for i = 1, #group, 2 do
      if group[i] == 'consumers' and group[i + 1] > 0 then return true end
    end
  end
  return false
end

for i = 2, #KEYS do
  local length = redis.pcall('XLEN', KEYS[i])
  if type(length) == 'number' then  -- else a key of another type is in its place, which stays
    local left = redis.call('PTTL', KEYS[i])
    if left == -2 then
      redis.call('SREM', KEYS[1], KEYS[i])
    elseif length > 0 or is_read(KEYS[i]) then
      if left < long / 2 then live_long(KEYS[i], KEYS[1], long) end
    elseif left < 0 or left > short then
      redis.call('PEXPIRE', KEYS[i], short)
    end
  end
end
return 1
