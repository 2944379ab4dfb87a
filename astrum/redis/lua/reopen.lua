-- Open an ended run again, without a leader.
-- KEYS run attempts journal blobs runs history untidied index wake
-- ARGV run_id entry state ttl_ms plan_prefix [task]...
-- The entry says which tasks run again; `task` are those of them that had succeeded, whose fences
-- are final. The state is the one that the asker has seen.
-- Returns 1 opened, 0 another state, -1 the run is gone, -2 a part of it has expired.
local h = redis.call('HMGET', KEYS[1], 'st', 'ep', 'pd')
if not h[1] then return -1 end
if h[1] ~= ARGV[3] then return 0 end
local plan, now, ttl = ARGV[5] .. (h[3] or ''), now_ms(), tonumber(ARGV[4])
if redis.call('EXISTS', KEYS[2]) + redis.call('EXISTS', plan) < 2 then return -2 end
local fences = {}
for i = 6, #ARGV do
  local fence = redis.call('HGET', KEYS[2], ARGV[i])
  local attempt, who = string.match(fence or '', '^(%d+)!(.*)$')
  if attempt then
    fences[#fences + 1] = ARGV[i]
    fences[#fences + 1] = attempt .. '=' .. who
  end
end
-- ZADD comes first: it is denied when memory is full, so a refused request leaves no trace.
redis.call('ZADD', KEYS[5], 0, ARGV[1])
-- At least the time: an epoch handed out before the server lost its last writes never returns.
local epoch = string.format('%.0f', math.max(tonumber(h[2]) + 1, now))
redis.call('HSET', KEYS[1], 'st', 'open', 'ep', epoch, 'ow', '')
redis.call('HDEL', KEYS[1], 'end', 'f:reason', 'f:failure', 'f:longest')
for i = 1, #fences, 2 do redis.call('HSET', KEYS[2], fences[i], fences[i + 1]) end
redis.call('XADD', KEYS[3], '*', 'd', ARGV[2])
-- `prolong` gives its blobs and all the rest a whole life next: it finds less than half of one.
for i = 1, 4 do
  local left = redis.call('PTTL', KEYS[i])
  if left < ttl / 2 then redis.call('PEXPIRE', KEYS[i], math.floor(ttl / 2) - 1) end
end
keep_plan(plan, ttl)
redis.call('PEXPIRE', KEYS[5], ttl)
redis.call('ZREM', KEYS[6], ARGV[1])
redis.call('ZREM', KEYS[7], ARGV[1])
redis.call('PEXPIRE', KEYS[8], math.max(redis.call('PTTL', KEYS[8]), ttl))
wake(KEYS[9], ARGV[1])
return 1
