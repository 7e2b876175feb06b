-- Set what the ledger says. ARGV: version, spent, ids whose lines are in that sum. 0 when the version has changed.
local key = KEYS[1]
if tonumber(redis.call('HGET', key, 'v') or 0) ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', key, 's', ARGV[2])
for i = 3, #ARGV do
  local held = redis.call('HGET', key, 'r:' .. ARGV[i])
  if held then
    redis.call('HINCRBY', key, 'o', held == '0' and 0 or '-' .. held)
    redis.call('HDEL', key, 'r:' .. ARGV[i])
    redis.call('ZREM', key .. ':l', ARGV[i])
  end
end
redis.call('EXPIRE', key, 172800)
return 1
