-- Make sure that streams and their group exist. From 0: what is already there must be read.
-- KEYS queues stream... ; ARGV group
-- Returns the number of groups that were missing.
local made = 0
for i = 2, #KEYS do
  local reply = redis.pcall('XGROUP', 'CREATE', KEYS[i], ARGV[1], '0', 'MKSTREAM')
  if not reply.err then
    made = made + 1
  elseif not string.find(reply.err, 'BUSYGROUP', 1, true) then
    return reply
  end
  redis.call('SADD', KEYS[1], KEYS[i])
end
return made
