-- Create an open run without a leader.
-- KEYS run attempts journal blobs runs index plan wake flows delayed [blob]...
--   [staged attempts, staged journal, staged blobs]
-- ARGV run_id plan_digest open_ttl_ms run_prefix identity header start_at_ms wakes(0/1) plan blobs
--   flow record token seeds [blob data]... [detail value]...
-- The plan is empty if the server should have it. Waking tells the processes that serve; the
-- first look of one that begins finds the run without it. A run that is to start later waits in
-- `delayed` until then, and all its keys live for so much longer.
-- With a token the journal begins with `seeds` entries, which `seed` has written under it.
-- Returns 1 created, 0 exists with the same identity, -1 exists with another one, -2 the plan is
-- not known here: send it, -3 the published flow has another record now ('': it is not asked), -4
-- the seeds are not there any more: write them again.
local identity = redis.call('HGET', KEYS[1], 'id')
if identity then return identity == ARGV[5] and 0 or -1 end
if ARGV[12] ~= '' and redis.call('HGET', KEYS[9], ARGV[11]) ~= ARGV[12] then return -3 end
if ARGV[9] == '' and redis.call('EXISTS', KEYS[7]) == 0 then return -2 end
local blobs, has_seeds, staged = tonumber(ARGV[10]), ARGV[13] ~= '', #KEYS - 3
if has_seeds and (redis.call('HGET', KEYS[staged + 1], '#') ~= ARGV[13]
    or redis.call('XLEN', KEYS[staged + 2]) ~= tonumber(ARGV[14])) then return -4 end
local now, first_detail = now_ms(), 15 + 2 * blobs
local delay = math.max(0, tonumber(ARGV[7]) - now)
local ttl = tonumber(ARGV[3]) + delay
local fields = {'st', 'open', 'ep', '0', 'ow', '', 'at', now, 'pd', ARGV[2], 'id', ARGV[5],
  'hd', ARGV[6]}
if delay > 0 then
  fields[#fields + 1] = 'sa'
  fields[#fields + 1] = ARGV[7]
end
for i = first_detail, #ARGV, 2 do
  fields[#fields + 1] = 'f:' .. ARGV[i]
  fields[#fields + 1] = ARGV[i + 1]
end
-- HSET comes first: it is denied when memory is full, so a refused creation leaves no trace.
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('PEXPIRE', KEYS[1], ttl)
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4])  -- big values are freed in the background
if has_seeds then
  for i = 1, 3 do
    if redis.call('EXISTS', KEYS[staged + i]) == 1 then
      redis.call('RENAME', KEYS[staged + i], KEYS[1 + i])
      redis.call('PEXPIRE', KEYS[1 + i], ttl)
      -- `prolong` gives the values a whole life next: it finds less than half of one.
      if i == 3 then redis.call('PEXPIRE', KEYS[1], math.floor(ttl / 2) - 1) end
    end
  end
end
redis.call('HSET', KEYS[2], '#', 0)
redis.call('PEXPIRE', KEYS[2], ttl)
for i = 11, 10 + blobs do
  local n = 15 + 2 * (i - 11)
  redis.call('SET', KEYS[i], ARGV[n + 1], 'PX', ttl)
  redis.call('SADD', KEYS[4], ARGV[n])
end
if blobs > 0 then redis.call('PEXPIRE', KEYS[4], ttl) end
if ARGV[9] == '' or not redis.call('SET', KEYS[7], ARGV[9], 'PX', ttl, 'NX') then
  keep_plan(KEYS[7], ttl)
end
if delay > 0 then
  redis.call('ZADD', KEYS[10], ARGV[7], ARGV[1])
  redis.call('PEXPIRE', KEYS[10], math.max(redis.call('PTTL', KEYS[10]), ttl))
else
  redis.call('ZADD', KEYS[5], 0, ARGV[1])
  redis.call('PEXPIRE', KEYS[5], ttl)
  if ARGV[8] == '1' then wake(KEYS[8], ARGV[1]) end
end
redis.call('ZADD', KEYS[6], now, ARGV[1])
redis.call('PEXPIRE', KEYS[6], math.max(redis.call('PTTL', KEYS[6]), ttl))
-- `finish` drops what has ended and expired; here go the oldest that expired without an end. Last,
-- since their records are not in KEYS: a cluster that moves the slot may refuse to look.
for _, old in ipairs(expired(KEYS[6], ARGV[4])) do redis.call('ZREM', KEYS[6], old) end
return 1
