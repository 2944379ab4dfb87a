-- In front of every script: the server's time in ms. It is the only clock that decides anything.
local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Let all keys of an open run live on once half of their life is over.
-- run_keys: run plan attempts journal blobs
local function prolong(run_keys, ttl_ms, blob_prefix)
  if redis.call('PTTL', run_keys[1]) >= tonumber(ttl_ms) / 2 then return end
  for _, key in ipairs(run_keys) do redis.call('PEXPIRE', key, ttl_ms) end
  for _, digest in ipairs(redis.call('SMEMBERS', run_keys[5])) do
    redis.call('PEXPIRE', blob_prefix .. digest, ttl_ms)
  end
end
