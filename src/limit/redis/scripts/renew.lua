-- Renews the leases of places that a node holds, and takes those anew that are gone.
--
-- KEYS: quotas in flight. ARGV: the lease in microseconds, then for each key its places of 16 bytes each: a name of 8, and how much it counts.
-- The answer: the names of the places that were gone.
local lease = ARGV[1]
local LONGEST_LEASE = 600000000
local call = redis.call
local expires = string.format('%.0f', now + lease)
local gone = {}
for i, key in ipairs(KEYS) do
  local total = redis.pcall('ZSCORE', key, '#')
  if type(total) == 'table' then
    call('DEL', key)
    total = nil
  end
  total = total and math.max(-total, 0) or 0
  local places = ARGV[i + 1]
  for at = 1, #places, 16 do
    local place = string.sub(places, at, at + 15)
    if call('ZADD', key, expires, place) == 1 then
      total = total + struct.unpack('<d', place, 9)
      gone[#gone + 1] = string.sub(place, 1, 8)
    end
  end
  call('ZADD', key, string.format('%.0f', -total), '#')
  call('PEXPIRE', key, string.format('%.0f', LONGEST_LEASE / 1000))
end
return gone
