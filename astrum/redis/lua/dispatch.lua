-- Dispatch attempts of an open run: a stream entry and the fence, for each at most once.
-- KEYS run attempts stream queues want [exclusive stream: alone]
-- ARGV epoch group queue_ttl_ms stream_name run_id want_ms(0: nothing more is ready) rank
--   [task attempt data signature]...
-- Returns {'OK', length, weight, state...}: how many attempts are in the stream, the weight of all
-- runs that want to dispatch more to it, and for each attempt the entry id if that very attempt is
-- outstanding in this stream, else the task's fence (a:id/stream, a=who, a!who); {'STALE', epoch},
-- {'CLOSED', state} or {'GONE'}.
-- The first write is denied when memory is full, so a refused dispatch leaves no trace.
local h = redis.call('HMGET', KEYS[1], 'ep', 'st')
local tasks = {'#'}
for i = 8, #ARGV, 4 do tasks[#tasks + 1] = ARGV[i] end
local states = redis.call('HMGET', KEYS[2], unpack(tasks))
if not h[2] or not states[1] then return {'GONE'} end
if h[1] ~= ARGV[1] then return {'STALE', h[1]} end
if h[2] ~= 'open' then return {'CLOSED', h[2]} end
local out, changes, changed = {'OK', 0, 0}, {}, {}

local function add(data, signature)
  local entry = {'*', 'd', data}
  if signature ~= '' then entry = {'*', 'd', data, 's', signature} end
  local id = redis.call('XADD', KEYS[3], 'NOMKSTREAM', unpack(entry))
  if not id then
    redis.call('XGROUP', 'CREATE', KEYS[3], ARGV[2], '0', 'MKSTREAM')
    id = redis.call('XADD', KEYS[3], unpack(entry))
  end
  return id
end

for i = 8, #ARGV, 4 do
  local task, attempt = ARGV[i], ARGV[i + 1]
  local state = changed[task] or states[i / 4]  -- a task may come twice in one batch
  local last = state and tonumber(string.match(state, '^%d+')) or 0
  if tonumber(attempt) > last and not (state and string.find(state, '[:!]')) then
    local id = add(ARGV[i + 2], ARGV[i + 3])
    changed[task] = attempt .. ':' .. id .. '/' .. ARGV[4]
    changes[#changes + 1] = task
    changes[#changes + 1] = changed[task]
    out[#out + 1] = id
  else  -- a repeat: return its state, add nothing
    local last_attempt, id, stream = string.match(state, '^(%d+):(%d+%-%d+)/(.*)$')
    out[#out + 1] = last_attempt == attempt and stream == ARGV[4] and id or state
  end
end
if #changes > 0 then
  redis.call('HSET', KEYS[2], unpack(changes))
  redis.call('HINCRBY', KEYS[2], '#', #changes / 2)
  redis.call('SADD', KEYS[4], KEYS[3])
  -- An idle queue is about to expire; a queue outlives the runs that may have something in it.
  local long = tonumber(ARGV[3])
  if redis.call('PTTL', KEYS[3]) < long / 2 then live_long(KEYS[3], KEYS[4], long) end
  if KEYS[6] then
    redis.call('SADD', KEYS[6], KEYS[3])
    redis.call('PEXPIRE', KEYS[6], long)
  end
end

-- After the entries: ZREM is allowed when memory is full, and after it all writes would be. A look
-- without attempts is answered then too.
out[2] = redis.call('XLEN', KEYS[3])
out[3] = claimants(KEYS[5], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]))
return out
