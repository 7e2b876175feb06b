-- Lines that are in the ledger now. ARGV per KEYS[i] two: id, amount. Returns the i - 1 of those with an amount that no
-- entry of a loaded purse waited for.
local unknown = {}
for i, key in ipairs(KEYS) do
  local amount = ARGV[2 * i]
  redis.call('HINCRBY', key, 'v', 1)
  local dropped = drop(key, ARGV[2 * i - 1])
  if amount ~= '0' and redis.call('HEXISTS', key, 's') == 1 then
    if dropped then
      redis.call('HINCRBY', key, 's', amount)
    else
      unknown[#unknown + 1] = i - 1
    end
  end
  redis.call('EXPIRE', key, 172800)
end
return unknown
