-- The marks since a node last looked. ARGV: 1 the epoch of a fence that has to be made, 2 the epoch that the node knows, 3 up to which
-- sequence number it knows all marks, 4 how many marks of each set it takes at once. The answer: the fence, and the three sets as members
-- and scores, oldest first.
local f = read_fence()
if not f then
  redis.call('DEL', SCRATCH)
  f = create_fence(ARGV[1])
end
local known = ARGV[2] == f.epoch and ARGV[3] or '0'
local answer = { f.raw }
for _, set in ipairs({ MARKS, OF_KEYS, SOFT }) do
  answer[#answer + 1] = redis.call('ZRANGEBYSCORE', set, '(' .. known, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
end
return answer
