-- A purse's version, and the ids that hold something of it.
local found = {tonumber(redis.call('HGET', KEYS[1], 'v') or 0)}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1] .. ':l', 0, -1)) do found[#found + 1] = id end
return found
