-- Makes a fence anew that has gone back: marks that were acknowledged are lost, so nothing is admitted any more. ARGV: 1 the epoch of the
-- new one, 2 that of the one that has gone back; another has been made anew already.
redis.call('DEL', SCRATCH)
local f = read_fence()
if not f or f.epoch == ARGV[2] then
  f = create_fence(ARGV[1])
end
return f.raw
