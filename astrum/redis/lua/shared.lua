-- In front of every script: the server's time in ms. It is the only clock that decides anything.
local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Let a queue live on, and with it the set that names it: that must outlive all it names.
local function live_long(stream, queues, ttl_ms)
  redis.call('PEXPIRE', stream, ttl_ms)
  redis.call('PEXPIRE', queues, ttl_ms)
end

-- Tell the processes that serve of a run without a leader. It is a hint: without any such process
-- there is no stream, and what cannot be added is found by a look at `runs`.
local function wake(stream, run_id)
  redis.pcall('XADD', stream, 'NOMKSTREAM', 'MAXLEN', '~', 10000, '*', 'd', run_id)
end

-- Let a run that waits in `delayed` begin: from now on it is open without a leader. Returns whether
-- it waited. ZREM comes first: it is allowed when memory is full.
local function begin(delayed, runs, stream, run_id, ttl_ms)
  if redis.call('ZREM', delayed, run_id) == 0 then return false end
  redis.call('ZADD', runs, 0, run_id)
  redis.call('PEXPIRE', runs, ttl_ms)
  wake(stream, run_id)
  return true
end

-- How long a plan must live that any delayed run may have: `ttl_ms` after the last one begins.
local function life_of_plan(delayed, ttl_ms)
  local last = redis.call('ZREVRANGE', delayed, 0, 0, 'WITHSCORES')
  return tonumber(ttl_ms) + math.max(0, tonumber(last[2] or '0') - now_ms())
end

-- Let a plan live for so long at least; one without an expiry is published, and stays so.
local function keep_plan(plan, ttl_ms)
  local left = redis.call('PTTL', plan)
  if left >= 0 and left < ttl_ms then redis.call('PEXPIRE', plan, ttl_ms) end
end

-- Note whether a run wants to dispatch more to a stream than it may, for a while, and return the
-- weight of all runs that do. `want_ms` is 0 for a run that does not. A run of rank 0 has the weight
-- 512, and half as much with each rank more, up to 9. The score of a run is its rank, as the upper
-- bits of an exact number, and the ms until which it counts.
local RANK = 2 ^ 42
local function claimants(want, run_id, want_ms, rank)
  if want_ms == 0 and redis.call('ZCARD', want) == 0 then return 0 end  -- as for most runs
  local now = now_ms()
  if want_ms == 0 then
    redis.call('ZREM', want, run_id)
  elseif type(redis.pcall('ZADD', want, rank * RANK + now + want_ms, run_id)) == 'number' then
    redis.call('PEXPIRE', want, want_ms)
  end
  local weight, from, behind_all = 0, 0, string.format('(%.0f', 10 * RANK)
  while true do  -- once for each rank that any run has
    local first = redis.call('ZRANGEBYSCORE', want, from, behind_all, 'WITHSCORES', 'LIMIT', 0, 1)
    if not first[2] then return weight end
    local found = math.floor(tonumber(first[2]) / RANK)
    from = (found + 1) * RANK
    local base = found * RANK + now
    redis.call('ZREMRANGEBYSCORE', want, found * RANK, base)
    -- Ends of a minute ahead and more are from before the server's clock was set back.
    weight = weight + 2 ^ (9 - found) * redis.call('ZCOUNT', want, base, base + 60000)
  end
end

-- Return runs of an index whose records have expired, oldest first. It looks at few of the oldest
-- hundred, since every creation and every end of a run comes here: at the first ones, at the next
-- ones as long as it finds any, and at others by turns, since some runs are kept for longer.
local function expired(index, run_prefix)
  local gone = {}
  local function look(rank)
    local before = #gone
    for _, run_id in ipairs(redis.call('ZRANGE', index, rank, rank + 3)) do
      if redis.call('EXISTS', run_prefix .. run_id) == 0 then gone[#gone + 1] = run_id end
    end
    return #gone > before
  end
  local rank = 0
  while look(rank) and rank < 96 do rank = rank + 4 end
  if rank < 96 then look(rank + 4 * (1 + now_ms() % ((96 - rank) / 4))) end
  return gone
end
