-- Lines that are in the ledger now. ARGV per KEYS[i] two: id, amount.
for i, key in ipairs(KEYS) do
  local id, amount = ARGV[2 * i - 1], ARGV[2 * i]
  redis.call('HINCRBY', key, 'v', 1)
  local held = redis.call('HGET', key, 'r:' .. id)
  if held then
    redis.call('HINCRBY', key, 'o', held == '0' and 0 or '-' .. held)
    redis.call('HDEL', key, 'r:' .. id)
    redis.call('ZREM', key .. ':l', id)
    if redis.call('HEXISTS', key, 's') == 1 then redis.call('HINCRBY', key, 's', amount) end
  end
  redis.call('EXPIRE', key, 172800)
end
return 1
