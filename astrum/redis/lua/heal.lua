-- Correct leases after the server's clock was set. A holder's record has the length of its lease.
-- KEYS leases runs ; ARGV worker_prefix run_prefix limit jumped_ms
-- Returns how many were corrected.
-- The clock went back: leases that end later than they can are shortened, so that a dead holder is
-- noticed in time. It jumped ahead by `jumped_ms`: leases that ended by that are given again,
-- so that a live holder has time to renew its own. A live one renews it as usual in either case.
local now, healed = now_ms(), 0
local function heal(index, prefix, ends, is_wrong)
  for i = 1, #ends, 2 do
    local length = redis.pcall('HGET', prefix .. ends[i], 'lz')
    length = type(length) == 'string' and tonumber(length)
    if length and not is_wrong(tonumber(ends[i + 1]), length) then return end
    if length then
      redis.call('ZADD', index, now + length, ends[i])
      healed = healed + 1
    end
  end
end
redis.call('ZREM', KEYS[1], '')  -- changes nothing; after it a full memory allows all writes
for i = 1, 2 do
  local latest = redis.call('ZREVRANGEBYSCORE', KEYS[i], '+inf', '(' .. now, 'WITHSCORES',
    'LIMIT', 0, ARGV[3])
  -- The latest first: no other lease ends later than one that is right. One that is wrong and ends
  -- before it is too long by less than the longest lease, and is not looked for.
  heal(KEYS[i], ARGV[i], latest, function(lease_end, length) return lease_end > now + length end)
  local jumped = tonumber(ARGV[4])
  if jumped > 0 then
    local ended = redis.call('ZREVRANGEBYSCORE', KEYS[i], now, '(' .. (now - jumped), 'WITHSCORES')
    heal(KEYS[i], ARGV[i], ended, function() return true end)
  end
end
return healed
