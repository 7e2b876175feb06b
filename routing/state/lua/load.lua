-- Set what the ledger says. ARGV: version, spent, ids whose lines are in that sum. 0 when the version has changed.
local key = KEYS[1]
if tonumber(redis.call('HGET', key, 'v') or 0) ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', key, 's', ARGV[2])
for i = 3, #ARGV do drop(key, ARGV[i]) end
redis.call('EXPIRE', key, 172800)
return 1
