-- One claim, whole or not at all. See routing/state/base.py.
-- ARGV: now ('' = the server's), id, lease, and how many windows, slots, purses, drops; then per window limit, amount;
-- per slot limit; per purse limit, amount. KEYS: windows, slots, purses, drops.
local now = clock(ARGV[1])
local id, lease = ARGV[2], tonumber(ARGV[3])
local nw, ns, np, nd = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local second = math.floor(now)
local arg = 8
local levels, totals, amounts = {}, {}, {}

local refused = nil
for i = 1, nw do
  local limit, amount = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1])
  arg = arg + 2
  local total, first, newest = window(KEYS[i], now)
  second = math.max(second, newest)
  totals[i], amounts[i] = total, amount
  levels[2 * i - 1] = total
  levels[2 * i] = total > 0 and ms(newest + WINDOW + 1 - now) or 0
  if not refused and total + amount > limit then
    refused = {1, i - 1, ms(room_after(KEYS[i], first, newest, total + amount - limit, now)), 0, 0, second}
  end
end
for i = 1, ns do
  local key, limit = KEYS[nw + i], tonumber(ARGV[arg])
  arg = arg + 1
  if not refused then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    if redis.call('ZCARD', key) >= limit and not redis.call('ZSCORE', key, id) then
      refused = {2, i - 1, 0, 0, 0, second}
    end
  end
end
for i = 1, np do
  local key, limit, amount = KEYS[nw + ns + i], tonumber(ARGV[arg]), tonumber(ARGV[arg + 1])
  arg = arg + 2
  if not refused then
    for _, lapsed in ipairs(redis.call('ZRANGEBYSCORE', key .. ':l', '-inf', now, 'LIMIT', 0, 100)) do
      drop(key, lapsed)
    end
    local found = redis.call('HMGET', key, 's', 'o', 'r:' .. id, 'c')
    if not found[1] then
      refused = {4, i - 1, 0, 0, 0, second}
    else
      local spent = tonumber(found[1]) + tonumber(found[4] or 0)
      local reserved = tonumber(found[2] or 0) - tonumber(found[3] or 0)
      if spent + reserved >= limit or spent + reserved + amount > limit then
        refused = {3, i - 1, 0, string.format('%.0f', spent), string.format('%.0f', reserved), second}
      end
    end
  end
end
if refused then
  for i = 1, 2 * nw do refused[6 + i] = levels[i] end
  return refused
end

for i = 1, nw do
  local key = KEYS[i]
  if amounts[i] > 0 then
    count(key, totals[i], amounts[i], second)
    levels[2 * i - 1], levels[2 * i] = totals[i] + amounts[i], ms(second + WINDOW + 1 - now)
  end
end
for i = 1, ns do
  redis.call('ZADD', KEYS[nw + i], now + lease, id)
  redis.call('EXPIRE', KEYS[nw + i], math.ceil(2 * lease))
end
for i = 1, nd do drop(KEYS[nw + ns + np + i], id) end
for i = 1, np do
  local key, amount = KEYS[nw + ns + i], ARGV[7 + 2 * nw + ns + 2 * i]
  drop(key, id)
  redis.call('HSET', key, 'r:' .. id, amount)
  redis.call('HINCRBY', key, 'o', amount)
  redis.call('ZADD', key .. ':l', now + lease, id)
  redis.call('EXPIRE', key, 172800)
  redis.call('EXPIRE', key .. ':l', 172800)
end
local granted = {0, 0, 0, 0, 0, second}
for i = 1, 2 * nw do granted[6 + i] = levels[i] end
return granted
