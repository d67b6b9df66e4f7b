-- Removes entries that a predicate has found, unless they are younger than the purge. ARGV: 1 epoch, 2 seq of the purge.
local seq, removed = struct.unpack('>I8', ARGV[2]), 0
for i = 6, #KEYS do
  local there = head_of(KEYS[i])
  if there and not (there.epoch == ARGV[1] and there.seq >= seq) then
    removed = removed + redis.call('UNLINK', KEYS[i])
  end
end
return removed
