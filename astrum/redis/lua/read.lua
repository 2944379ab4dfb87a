-- Read a run's journal after a cursor: at most `count` entries, and about as many bytes as asked.
-- KEYS journal ; ARGV cursor count bytes
-- Returns entries as XRANGE does. A few are read at a time, since only then their sizes are known.
local step = 8
local out, size, left, cursor = {}, 0, tonumber(ARGV[2]), ARGV[1]
while left > 0 and size < tonumber(ARGV[3]) do
  local rows = redis.call('XRANGE', KEYS[1], '(' .. cursor, '+', 'COUNT', math.min(step, left))
  for _, row in ipairs(rows) do
    out[#out + 1] = row
    for _, part in ipairs(row[2]) do size = size + #part end
  end
  if #rows < step then break end
  cursor, left = rows[#rows][1], left - #rows
end
return out
