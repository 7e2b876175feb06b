-- What ended requests give back, in order. ARGV: now, then per KEYS[i] four: what, id or second, amount, lease.
-- what: 'f' frees a slot, 'c' corrects a window, 'p' settles a purse (amount 0 releases), 'k' keeps a slot for another
-- lease, 'q' a reservation; 'b' steps back from a line.
local now = clock(ARGV[1])
for i, key in ipairs(KEYS) do
  local what, id, amount, lease = ARGV[4 * i - 2], ARGV[4 * i - 1], ARGV[4 * i], tonumber(ARGV[4 * i + 1])
  if what == 'f' then
    redis.call('ZREM', key, id)
  elseif what == 'b' then
    redis.call('HDEL', key, id)
  elseif what == 'c' then
    local counted = redis.call('HGET', key, id)
    local total = redis.call('HGET', key, 't')
    if counted and total then
      local change = math.max(tonumber(amount), -tonumber(counted)) + 0
      redis.call('HINCRBY', key, id, change)
      redis.call('HINCRBY', key, 't', change)
    end
  elseif what == 'k' then
    redis.call('ZADD', key, 'XX', now + lease, id)
    redis.call('EXPIRE', key, math.ceil(2 * lease))
  elseif what == 'q' then
    redis.call('ZADD', key .. ':l', 'XX', 'GT', now + lease, id)
  elseif redis.call('HEXISTS', key, 's') == 1 then
    drop(key, id)
    if amount ~= '0' then
      redis.call('HSET', key, 'c:' .. id, amount)
      redis.call('HINCRBY', key, 'c', amount)
      redis.call('ZADD', key .. ':l', now + lease, id)
      redis.call('EXPIRE', key .. ':l', 172800)
    end
  end
end
return 1
