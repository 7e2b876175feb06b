-- How many requests hold each slot. ARGV: now ('' = the server's). Nothing is changed.
local now, found = clock(ARGV[1]), {}
for i, key in ipairs(KEYS) do found[i] = redis.call('ZCOUNT', key, '(' .. string.format('%.6f', now), '+inf') end
return found
