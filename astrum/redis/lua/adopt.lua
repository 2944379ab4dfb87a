-- Acquire the leadership of open runs that have no leader. A lease ends at its score in `runs`.
-- A delayed run is not there before its time.
-- KEYS runs delayed [run attempts journal]... ; ARGV owner lease_ms open_ttl_ms versions run_id...
-- The first leader's default for `versions` is kept with a run that does not say its own.
-- Returns {time, row...}, a row for each run: {epoch, record, counts, size of its history}, 0
-- for no, or the error of a damaged run.
local now, lease_ms, out = now_ms(), tonumber(ARGV[2]), {}
-- PEXPIRE comes first: it is allowed when memory is full, and after it everything is.
redis.call('PEXPIRE', KEYS[1], ARGV[3])

local function adopt(run_id, run, attempts, journal)
  local h = redis.call('HMGET', run, 'st', 'ep', 'ow', 'f:versions', 'sa')
  if h[1] ~= 'open' then
    redis.call('ZREM', KEYS[1], run_id)
    return 0
  end
  local lease_end = redis.call('ZSCORE', KEYS[1], run_id)
  if h[3] ~= ARGV[1] and lease_end and tonumber(lease_end) > now then return 0 end
  if not lease_end and h[5] then
    if tonumber(h[5]) > now then return 0 end
    redis.call('ZREM', KEYS[2], run_id)
  end
  local counts = redis.call('HMGET', attempts, '#', '~')
  -- The fence has one field without any attempt.
  local history = redis.call('XLEN', journal) + math.max(redis.call('HLEN', attempts) - 1, 0)
  -- At least the time: an epoch handed out before the server lost its last writes never returns.
  local epoch = math.max(tonumber(h[2]) + 1, now)
  redis.call('HSET', run, 'ep', string.format('%.0f', epoch), 'ow', ARGV[1], 'lz', ARGV[2])
  if ARGV[4] ~= '' and not h[4] then redis.call('HSET', run, 'f:versions', ARGV[4]) end
  redis.call('ZADD', KEYS[1], now + lease_ms, run_id)
  return {epoch, redis.call('HGETALL', run), counts, history}
end

for i = 5, #ARGV do
  local k = 3 + 3 * (i - 5)
  -- One damaged run must not cost the others their leader.
  local is_read, row = pcall(adopt, ARGV[i], KEYS[k], KEYS[k + 1], KEYS[k + 2])
  if not is_read then row = type(row) == 'table' and row.err or tostring(row) end
  out[#out + 1] = row
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {now, out}
