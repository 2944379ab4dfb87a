-- Let queues that are in use live on, and drop those that were idle for long, with their names.
-- KEYS queues alone stream... ; ARGV in_use_ttl_ms idle_ttl_ms spare_ms
-- A queue is in use while it holds an entry or a worker reads it. A dispatch to an idle queue
-- gives it a long life again in the same step. An idle one is dropped here when only `spare_ms` of
-- its life is left, so that it never expires while it is still named.
local long, short, spare = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local function is_read(stream)
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    for i = 1, #group, 2 do
      if group[i] == 'consumers' and group[i + 1] > 0 then return true end
    end
  end
  return false
end

-- `alone` names the exclusive streams that hold something. A message that was set aside may have
-- been the last of its stream.
local function note_alone(stream, length)
  if not string.find(stream, ':x:', 1, true) then return end
  if length == 0 then
    redis.call('SREM', KEYS[2], stream)
  elseif type(redis.pcall('SADD', KEYS[2], stream)) == 'number' then
    redis.call('PEXPIRE', KEYS[2], long)
  end
end

for i = 3, #KEYS do
  local length = redis.pcall('XLEN', KEYS[i])
  if type(length) == 'number' then  -- else a key of another type is in its place, which stays
    local left = redis.call('PTTL', KEYS[i])
    note_alone(KEYS[i], length)
    if left == -2 then
      redis.call('SREM', KEYS[1], KEYS[i])
    elseif length > 0 or is_read(KEYS[i]) then
      if left < long / 2 then live_long(KEYS[i], KEYS[1], long) end
    elseif left < 0 or left > short + spare then
      redis.call('PEXPIRE', KEYS[i], short + spare)
    elseif left <= spare then
      redis.call('UNLINK', KEYS[i])
      redis.call('SREM', KEYS[1], KEYS[i])
    end
  end
end
return 1
