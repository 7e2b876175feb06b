-- Before every script. A purse is a hash: 's' spent by the ledger, 'o' reserved, 'c' spent by requests whose line is
-- not in the ledger yet, 'v' version, 'r:<id>' and 'c:<id>' of each request; and a sorted set ('<key>:l') of ids by when
-- they lapse. A window is a hash as well: second -> amount, 't' total, 'f' oldest second, 'n' newest. The clock may go
-- back: by less than a window, what comes next counts at the newest second; by more, the window is of another time and
-- begins anew.
local WINDOW = 60
local function clock(given)
  local now = tonumber(given)
  if now then return now end
  local t = redis.call('TIME')
  return tonumber(t[1]) + tonumber(t[2]) / 1000000
end
local function take_from(key, total, name)
  local held = redis.call('HGET', key, name)
  if not held then return false end
  if held ~= '0' then redis.call('HINCRBY', key, total, '-' .. held) end
  redis.call('HDEL', key, name)
  return true
end
local function drop(key, id)
  local reserved, settled = take_from(key, 'o', 'r:' .. id), take_from(key, 'c', 'c:' .. id)
  redis.call('ZREM', key .. ':l', id)
  return reserved or settled
end
local function ms(seconds) return math.ceil(seconds * 1000) end
local function window(key, now)
  local second = math.floor(now)
  local found = redis.call('HMGET', key, 't', 'f', 'n')
  if not found[1] then return 0, second, second end
  local total, first, newest = tonumber(found[1]), tonumber(found[2]), tonumber(found[3])
  if newest + WINDOW + 1 <= now or newest > now + WINDOW then
    redis.call('DEL', key)
    return 0, second, second
  end
  local moved = false
  while first + WINDOW + 1 <= now do
    local amount = redis.call('HGET', key, first)
    if amount then
      total = total - tonumber(amount)
      redis.call('HDEL', key, first)
    end
    first, moved = first + 1, true
  end
  if moved then redis.call('HSET', key, 't', total, 'f', first) end
  return total, first, newest
end
local function room_after(key, first, newest, over, now)
  for s = first, newest do
    over = over - tonumber(redis.call('HGET', key, s) or 0)
    if over <= 0 then return s + WINDOW + 1 - now end
  end
  return WINDOW
end
local function count(key, total, amount, second)
  if total == 0 and redis.call('HEXISTS', key, 'f') == 0 then redis.call('HSET', key, 'f', second) end
  redis.call('HINCRBY', key, second, amount)
  redis.call('HSET', key, 't', total + amount, 'n', second)
  redis.call('EXPIRE', key, 2 * WINDOW + 2)
end
