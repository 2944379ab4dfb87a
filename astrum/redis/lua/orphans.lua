-- Open runs that have no leader now, each with its score, and when the next one may have none.
-- KEYS runs ; ARGV limit
-- Returns {the ms until then (-1: no such run), id, score...}.
local now = now_ms()
local later = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local out = {later[2] and tonumber(later[2]) - now or -1}
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for _, part in ipairs(found) do out[#out + 1] = part end
return out
