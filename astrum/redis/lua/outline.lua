-- Read a journal without the values of results, so that looking at a run costs little.
-- KEYS journal
-- ARGV after rows bytes kept...
-- Begins after the entry id `after` and ends after so many rows or so many bytes were looked at.
-- kept: the msgpack bytes of the task numbers whose values are wanted.
-- Returns 1 if the journal may go on, else 0, and [entry id, data]...: the data of an entry that is
-- not an array of records is unchanged.
-- Values are cut out in place; all other bytes stay, also those of fields unknown here.
local byte = string.byte
local after

local kept = {}
for i = 4, #ARGV do kept[ARGV[i]] = true end

local function number(s, p, bytes)
  local n = 0
  for i = p, p + bytes - 1 do n = n * 256 + byte(s, i) end
  return n
end

local function items(s, p, count)
  for _ = 1, count do p = after(s, p) end
  return p
end

-- By first byte: how long an item is that has one length only.
local FIXED = {[0xc0] = 1, [0xc2] = 1, [0xc3] = 1, [0xca] = 5, [0xcb] = 9, [0xcc] = 2,
  [0xcd] = 3, [0xce] = 5, [0xcf] = 9, [0xd0] = 2, [0xd1] = 3, [0xd2] = 5, [0xd3] = 9,
  [0xd4] = 3, [0xd5] = 4, [0xd6] = 6, [0xd7] = 10, [0xd8] = 18}
-- By first byte: how many bytes hold the length, and how many others precede the content.
local SIZED = {[0xc4] = {1, 0}, [0xc5] = {2, 0}, [0xc6] = {4, 0}, [0xc7] = {1, 1},
  [0xc8] = {2, 1}, [0xc9] = {4, 1}, [0xd9] = {1, 0}, [0xda] = {2, 0}, [0xdb] = {4, 0}}

-- The position behind the item that begins at p.
after = function(s, p)
  local b = byte(s, p)
  if b <= 0x7f or b >= 0xe0 then return p + 1 end
  if b <= 0x8f then return items(s, p + 1, 2 * (b - 0x80)) end
  if b <= 0x9f then return items(s, p + 1, b - 0x90) end
  if b <= 0xbf then return p + 1 + b - 0xa0 end
  if FIXED[b] then return p + FIXED[b] end
  local sized = SIZED[b]
  if sized then return p + 1 + sized[1] + sized[2] + number(s, p + 1, sized[1]) end
  local count = number(s, p + 1, b % 2 == 0 and 2 or 4)
  return items(s, p + (b % 2 == 0 and 3 or 5), b >= 0xde and 2 * count or count)
end

-- The position of the first field of a row that may hold a value: it has at least seven fields,
-- and does not begin with -1, as the events of leaders do.
local function fields_of(s, p)
  local b = byte(s, p)
  local first = b >= 0x97 and b <= 0x9f and p + 1
  if b == 0xdc and number(s, p + 1, 2) >= 7 then first = p + 3 end
  return first and byte(s, first) ~= 0xff and first
end

-- The entry without values, and how many rows it has. The value is a record's seventh field.
local function outline(s)
  if byte(s, 1) ~= 0xdd then return s, 1 end
  local rows, pieces, from, p = number(s, 2, 4), {}, 1, 6
  for _ = 1, rows do
    local first, next_row = fields_of(s, p), after(s, p)
    if first then
      local value = items(s, first, 6)
      local kind, behind = byte(s, value), after(s, value)
      local is_wanted = kept[string.sub(s, first, after(s, first) - 1)]
      if kind >= 0xc4 and kind <= 0xc6 and not is_wanted then
        pieces[#pieces + 1] = string.sub(s, from, value - 1)
        pieces[#pieces + 1] = '\192'
        from = behind
      end
    end
    p = next_row
  end
  pieces[#pieces + 1] = string.sub(s, from)
  return table.concat(pieces), rows
end

local out, last, rows, bytes = {1}, ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
while rows > 0 and bytes > 0 do
  local entry = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', 1)[1]
  if not entry then
    out[1] = 0
    break
  end
  last = entry[1]
  local data = ''
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'd' then data = entry[2][i + 1] end
  end
  local is_read, short, count = pcall(outline, data)
  out[#out + 1] = last
  out[#out + 1] = is_read and short or data
  rows = rows - (is_read and count or 1)
  bytes = bytes - #data
end
return out
