-- A name for something that is done once, with a lease. KEYS: a hash: 'd' of what, 'h' by whom, 'w' how it stands
-- ('running', or how it ended), 't' words. ARGV: holder, digest, milliseconds, holder that was waited for ('' nobody's).
-- Returns how it stands for who asks, holder, words, milliseconds left.
local key, holder, digest, lease, waited = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local found = redis.call('HMGET', key, 'd', 'h', 'w', 't')
local free = not found[1] or (found[3] == 'failed' and (found[2] ~= waited or found[1] ~= digest))
if free then
  redis.call('DEL', key)
  redis.call('HSET', key, 'd', digest, 'h', holder, 'w', 'running', 't', '')
  redis.call('PEXPIRE', key, lease)
  return {'mine', holder, '', lease}
end
if found[1] ~= digest then return {'other', found[2], '', 0} end
return {found[3], found[2], found[4], redis.call('PTTL', key)}
