-- Makes the fence anew where it has gone back: marks that were acknowledged are lost, so nothing is admitted any more. ARGV: 1 the epoch of
-- the new one, 2 the epoch and 3 the sequence number that were seen.
redis.call('DEL', SCRATCH)
local f = read_fence()
if not f or (f.epoch == ARGV[2] and f.seq < struct.unpack('>I8', ARGV[3])) then
  f = create_fence(ARGV[1])
end
return f.raw
