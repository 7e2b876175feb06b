-- A start at a pace, if it is this process's turn. See routing/state/base.py.
-- KEYS: running (sorted set of ids by when they lapse), window of starts, the last start, the line (a hash: process ->
-- 'number until', one place for each process that has somebody waiting; a place that is not renewed lapses).
-- ARGV: now ('' = the server's), id, lease, at once, per minute, gap, process, seconds its place holds (0: it does not
-- wait). Returns granted (0 or 1), milliseconds until it makes sense to ask again, second that was counted.
local now = clock(ARGV[1])
local id, lease = ARGV[2], tonumber(ARGV[3])
local at_once, per_minute, gap = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local me, patience = ARGV[7], tonumber(ARGV[8])
local running, starts, last, line = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local second, wait, total, free = math.floor(now), 0, 0, true

if at_once > 0 then
  redis.call('ZREMRANGEBYSCORE', running, '-inf', now)
  free = redis.call('ZCARD', running) < at_once
end
if per_minute > 0 then
  local first, newest
  total, first, newest = window(starts, now)
  second = math.max(second, newest)
  if total + 1 > per_minute then wait = room_after(starts, first, newest, total + 1 - per_minute, now) end
end
if gap > 0 then
  wait = math.max(wait, math.min(gap, (tonumber(redis.call('GET', last)) or 0) + gap - now))
end

local places, own, last_number = redis.call('HGETALL', line), redis.call('HGET', line, me), 0
local number = own and tonumber(string.match(own, '^%S+'))
for i = 1, #places, 2 do
  local theirs, lapses = string.match(places[i + 1], '^(%S+) (%S+)$')
  theirs = tonumber(theirs)
  if tonumber(lapses) <= now then
    redis.call('HDEL', line, places[i])
  elseif places[i] ~= me then
    if not number or theirs < number then free = false end
    last_number = math.max(last_number, theirs)
  end
end

if not free or wait > 0 then
  if patience > 0 then
    redis.call('HSET', line, me, string.format('%d %.6f', number or last_number + 1, now + patience))
    redis.call('EXPIRE', line, 60)
  end
  return {0, ms(math.max(wait, 0)), 0}
end
redis.call('HDEL', line, me)
if at_once > 0 then
  redis.call('ZADD', running, now + lease, id)
  redis.call('EXPIRE', running, math.ceil(2 * lease))
end
if per_minute > 0 then count(starts, total, 1, second) end
if gap > 0 then redis.call('SET', last, string.format('%.6f', now), 'PX', ms(gap) + 1000) end
return {1, 0, second}
