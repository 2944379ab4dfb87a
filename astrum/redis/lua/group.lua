-- Make sure that streams and their group exist. From 0: what is already there must be read.
-- KEYS queues stream... ; ARGV group queue_ttl_ms
-- Returns the number of streams that were named and had lost their group, or were gone: an idle
-- one that was dropped was not named any more.
local made = 0
-- This command changes nothing. It is allowed when memory is full, and after it all writes of this
-- script are: a worker must be able to claim from its other queues.
redis.call('SREM', KEYS[1], '')
for i = 2, #KEYS do
  local reply = redis.pcall('XGROUP', 'CREATE', KEYS[i], ARGV[1], '0', 'MKSTREAM')
  if not reply.err then
    made = made + redis.call('SISMEMBER', KEYS[1], KEYS[i])
  elseif not string.find(reply.err, 'BUSYGROUP', 1, true) then
    return reply
  end
  redis.call('SADD', KEYS[1], KEYS[i])
  live_long(KEYS[i], KEYS[1], ARGV[2])
end
return made
