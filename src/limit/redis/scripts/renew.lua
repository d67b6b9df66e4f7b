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
  local sum = total and type(total) == 'string' and -total or 0
  if total and (type(total) ~= 'string' or not (sum >= 0 and sum < 9007199254740992)) then
    call('DEL', key)
    sum = 0
  end
  local places = ARGV[i + 1]
  for at = 1, #places, 16 do
    local place = string.sub(places, at, at + 15)
    if call('ZADD', key, expires, place) == 1 then
      sum = sum + struct.unpack('<d', place, 9)
      gone[#gone + 1] = string.sub(place, 1, 8)
    end
  end
  call('ZADD', key, string.format('%.0f', -sum), '#')
  call('PEXPIRE', key, string.format('%.0f', LONGEST_LEASE / 1000))
end
return gone
