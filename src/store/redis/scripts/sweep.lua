-- Removes entries that a predicate has found, whatever stands there by now under the same keys.
local removed = 0
for i = 6, #KEYS do
  removed = removed + redis.call('UNLINK', KEYS[i])
end
return removed
