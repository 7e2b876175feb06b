-- Before every script. A purse is a hash: 's' spent by the ledger, 'o' reserved, 'c' spent by requests whose line is
-- not in the ledger yet, 'v' version, 'r:<id>' and 'c:<id>' of each request; and a sorted set ('<key>:l') of ids by when
-- they lapse.
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
