-- How it stands with what a name is for, said by who does it. KEYS: as claim. ARGV: holder, digest, how it stands
-- ('' gives it up), words, milliseconds. 0 when it is somebody else's by now.
local key, holder, digest, how, words, lease = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local held = redis.call('HGET', key, 'h')
if held and held ~= holder then return 0 end
if how == '' then
  redis.call('DEL', key)
else
  redis.call('HSET', key, 'd', digest, 'h', holder, 'w', how, 't', words)
  redis.call('PEXPIRE', key, lease)
end
return 1
