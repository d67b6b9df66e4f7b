-- A purge, in one step: raises the fence, and marks what is struck. ARGV: 1 the epoch of a fence that has to be made, 2 how many marks a
-- set may hold, 3 what is struck (marks, keys, soft, fills, all), 4 epoch, 5 seq and 6 marks of a fill on whose behalf it is done (empty:
-- none), 7... marks. The answer: the fence as it stood before and as it stands now, which of the entries were valid and are removed, and
-- whether that fill was admitted until then.

-- The first write decides whether memory is to be had: a purge must be taken also by a server that is full.
redis.call('DEL', SCRATCH)
local f = read_fence() or create_fence(ARGV[1])
local is_admitted = #ARGV[5] == 8 and admits_fill(f, ARGV[4], struct.unpack('>I8', ARGV[5]), ARGV[6])
local stood, bound, what, removed = f.raw, tonumber(ARGV[2]), ARGV[3], {}
advance(f)

if what == 'keys' then
  for i = 6, #KEYS do
    removed[i - 5] = standing(f, KEYS[i]) and 1 or 0
    redis.call('UNLINK', KEYS[i])
  end
end

local sets = { marks = MARKS, keys = OF_KEYS, soft = SOFT }
local set = sets[what]
if set then
  for i = 7, #ARGV do
    redis.call('ZADD', set, f.seq, ARGV[i])
  end
end

-- Forgets the oldest marks of a set beyond its bound, and says what they stood at. The first member holds the epoch.
local function forget(set, over)
  if over <= 0 then return 0 end
  local last = redis.call('ZRANGE', set, over, over, 'WITHSCORES')
  redis.call('ZREMRANGEBYRANK', set, 1, over)
  return tonumber(last[2])
end

-- Of a mark that was set softly again and again, only the last time counts.
local function forget_repeated()
  local seen, old = {}, {}
  for _, member in ipairs(redis.call('ZREVRANGE', SOFT, 0, -1)) do
    local mark = string.sub(member, 1, 16)
    if #member == 24 then
      if seen[mark] then old[#old + 1] = member end
      seen[mark] = true
    end
  end
  for i = 1, #old, 1000 do
    redis.call('ZREM', SOFT, unpack(old, i, math.min(i + 999, #old)))
  end
end

if what == 'soft' and redis.call('ZCARD', SOFT) - 1 > bound then forget_repeated() end
if what == 'keys' then
  local old = redis.call('ZCOUNT', OF_KEYS, 1, f.seq - KEY_MARK_LIFE)
  local over = math.max(old, redis.call('ZCARD', OF_KEYS) - 1 - bound)
  f.fill_floor = math.max(f.fill_floor, forget(OF_KEYS, over))
elseif what == 'fills' then
  f.fill_floor = f.seq
elseif what == 'all' then
  f.floor, f.fill_floor = f.seq, f.seq
elseif set then
  f.floor = math.max(f.floor, forget(set, redis.call('ZCARD', set) - 1 - bound))
end
return { stood, write_fence(f), removed, is_admitted and 1 or 0 }
