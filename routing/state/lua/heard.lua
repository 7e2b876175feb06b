-- What is remembered: names and milliseconds that are left, in turns. ARGV: now.
local now, found = clock(ARGV[1]), {}
for i, word in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.6f', now), '+inf', 'WITHSCORES')) do
  found[i] = i % 2 == 1 and word or ms(tonumber(word) - now)
end
return found
