-- Forget a worker, some streams at a time. A consumer that still has pending entries stays:
-- deleting it would lose them.
-- KEYS leases worker stream... ; ARGV worker_id group leaves(0/1) is_last(0/1) held
-- leaves: the worker itself goes; else only a worker without a live lease is dropped.
-- held: in how many streams of earlier parts it holds something; is_last: there are no more parts.
-- Returns in how many streams it holds something so far, or -1 if it is alive.
local lease_end = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ARGV[3] ~= '1' and lease_end and tonumber(lease_end) > now_ms() then return -1 end
local held = tonumber(ARGV[5])
for i = 3, #KEYS do
  local pending = redis.pcall('XPENDING', KEYS[i], ARGV[2], '-', '+', 1, ARGV[1])
  if pending.err then
    -- A key of another type in a queue's place holds nothing; it must not keep dead workers forever.
    if not (string.find(pending.err, 'NOGROUP', 1, true)
        or string.find(pending.err, 'WRONGTYPE', 1, true)) then return pending end
  elseif #pending > 0 then
    held = held + 1
  else
    redis.call('XGROUP', 'DELCONSUMER', KEYS[i], ARGV[2], ARGV[1])
  end
end
if ARGV[4] == '1' and (held == 0 or ARGV[3] == '1') then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('DEL', KEYS[2])
end
return held
