-- Lines that are in the ledger now. ARGV per KEYS[i] two: id, amount.
for i, key in ipairs(KEYS) do
  redis.call('HINCRBY', key, 'v', 1)
  if drop(key, ARGV[2 * i - 1]) and redis.call('HEXISTS', key, 's') == 1 then
    redis.call('HINCRBY', key, 's', ARGV[2 * i])
  end
  redis.call('EXPIRE', key, 172800)
end
return 1
