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
