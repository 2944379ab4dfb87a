-- Shorten leases that end later than a lease can: the server's clock has gone back since.
-- KEYS leases runs ; ARGV worker_prefix run_prefix limit
-- Returns how many. A live holder renews its lease as ever; a dead one is noticed in time. Each
-- holder's record tells how long its leases are.
local now, healed = now_ms(), 0
local function heal(index, prefix)
  local latest = redis.call('ZREVRANGEBYSCORE', index, '+inf', '(' .. now, 'WITHSCORES',
    'LIMIT', 0, ARGV[3])
  for i = 1, #latest, 2 do
    local length = redis.pcall('HGET', prefix .. latest[i], 'lz')
    length = type(length) == 'string' and tonumber(length)
    if length and tonumber(latest[i + 1]) > now + length then
      redis.call('ZADD', index, now + length, latest[i])
      healed = healed + 1
    end
  end
end
redis.call('ZREM', KEYS[1], '')  -- changes nothing; after it a full memory forbids nothing
heal(KEYS[1], ARGV[1])
heal(KEYS[2], ARGV[2])
return healed
