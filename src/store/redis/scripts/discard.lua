-- Removes an entry that could not be read, unless another stands there by now. ARGV: 1 what it begins with.
if ask('GETRANGE', KEYS[6], 0, #ARGV[1] - 1) == ARGV[1] then
  return redis.call('UNLINK', KEYS[6])
end
return 0
