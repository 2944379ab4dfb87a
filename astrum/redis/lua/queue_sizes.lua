-- Return how much waits in streams, and since when.
-- KEYS stream...
-- ARGV group
-- Returns for each: entries that wait, entries that workers hold, id of the oldest that waits ('').
-- Entries are delivered in order and deleted when they are settled, so what waits comes after
-- the last one that is held. (The group's own "lag" is unknown after a deletion, and in Redis 6.2.)
local out = {}
for i, stream in ipairs(KEYS) do
  local length, held = redis.pcall('XLEN', stream), redis.pcall('XPENDING', stream, ARGV[1])
  local waiting, holding, oldest = 0, 0, ''
  if type(length) == 'number' then
    waiting = length
    local first = '-'
    if not held.err and held[1] > 0 then
      holding, first = held[1], '(' .. held[3]
    end
    waiting = math.max(0, length - holding)
    local entry = waiting > 0 and redis.call('XRANGE', stream, first, '+', 'COUNT', 1)[1]
    if entry then oldest = entry[1] end
  end
  out[#out + 1] = waiting
  out[#out + 1] = holding
  out[#out + 1] = oldest
end
return out
