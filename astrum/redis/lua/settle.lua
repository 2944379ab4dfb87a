-- Record the one end of attempts: the gate that every outcome passes.
-- KEYS attempts journal stream [x: leases] [c, u: run] [exclusive stream: alone]
-- ARGV mode who group stream_name [task attempt entry_id final record]...
-- mode w: worker `who` reports. x: `who` is dead and its attempts are lost. c: the leader of epoch
-- `who` revokes. u: it takes back what no worker has claimed; what one has is fenced and stays.
-- Returns {'OK', verdict...} with 1 settled, 2 settled before by the same party, 0 fenced;
-- {'ALIVE'} (x) or {'STALE'} (c, u).
-- A worker's end that is fenced came too late: the field '~' of a run that is here counts them.
-- XACK comes first: it is allowed when memory is full, and after it everything is. The journal
-- comes before the fence: if it cannot be written, the attempt must not look settled.
if ARGV[1] == 'x' then
  local lease_end = redis.call('ZSCORE', KEYS[4], ARGV[2])
  if lease_end and tonumber(lease_end) > now_ms() then return {'ALIVE'} end
elseif ARGV[1] == 'c' or ARGV[1] == 'u' then
  if redis.call('HGET', KEYS[4], 'ep') ~= ARGV[2] then return {'STALE'} end
end
local tasks = {'#'}
for i = 5, #ARGV, 5 do tasks[#tasks + 1] = ARGV[i] end
if #tasks == 1 then return {'OK'} end
local states = redis.call('HMGET', KEYS[1], unpack(tasks))
local run_is_here = states[1]
local out, ids, changes, records, changed, late = {'OK'}, {}, {}, {}, {}, 0

local function is_claimed(id)
  local pending = redis.pcall('XPENDING', KEYS[3], ARGV[3], id, id, 1)
  return not pending.err and #pending > 0  -- an error: the stream is gone, and its entries with it
end

for k = 2, #tasks do
  local i, task = 4 + 5 * (k - 2), tasks[k]
  local attempt, id, final, record = ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
  -- One malformed id would fail the whole XACK.
  local is_id = string.find(id, '^%d+%-%d+$')
  local is_kept = ARGV[1] == 'u' and is_id and is_claimed(id)
  if is_id and not is_kept then ids[#ids + 1] = id end
  local mark = attempt .. (final == '1' and '!' or '=') .. ARGV[2]
  local state = changed[task] or states[k]  -- a task may come twice in one batch
  local verdict = 0
  if is_kept then
    verdict = 0
  elseif run_is_here and state == attempt .. ':' .. id .. '/' .. ARGV[4] then
    verdict = 1
    changed[task] = mark
    changes[#changes + 1] = task
    changes[#changes + 1] = mark
    records[#records + 1] = record
  elseif state == attempt .. '=' .. ARGV[2] or state == attempt .. '!' .. ARGV[2] then
    verdict = 2
  elseif run_is_here and ARGV[1] == 'w' then
    late = late + 1
  end
  out[#out + 1] = verdict
end
if #ids > 0 then redis.call('XACK', KEYS[3], ARGV[3], unpack(ids)) end
local n = #records
if n > 0 then
  -- The header of a msgpack array of n items: the records are joined, nothing is decoded.
  local header = string.char(0xdd, math.floor(n / 16777216) % 256, math.floor(n / 65536) % 256,
    math.floor(n / 256) % 256, n % 256)
  local entry = header .. table.concat(records)
  if not redis.call('XADD', KEYS[2], 'NOMKSTREAM', '*', 'd', entry) then
    redis.call('XADD', KEYS[2], '*', 'd', entry)
    redis.call('PEXPIRE', KEYS[2], math.max(redis.call('PTTL', KEYS[1]), 1))
  end
  redis.call('HSET', KEYS[1], unpack(changes))
  redis.call('HINCRBY', KEYS[1], '#', -n)
end
if #ids > 0 then
  redis.call('XDEL', KEYS[3], unpack(ids))
  local alone = KEYS[ARGV[1] == 'w' and 4 or 5]
  if alone and redis.call('XLEN', KEYS[3]) == 0 then redis.call('SREM', alone, KEYS[3]) end
  if late > 0 then redis.call('HINCRBY', KEYS[1], '~', late) end
end
return out
