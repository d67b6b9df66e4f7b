-- Changes of entries, each atomic for its key. ARGV: 1 the time of the node; then nine for each entry in KEYS[6...]: what, how, id, ttl in
-- ms (empty for ever), epoch, seq, marks, value, number. The answer to each is a word, or a number that was counted.
local f = read_fence() or { epoch = '', seq = 0, floor = 0, fill_floor = 0 }

local now = struct.unpack('>I8', ARGV[1])

-- What stands there for the node that asks: the server removes what is over by its own clock, perhaps a little later.
local function lasting(key)
  local there = standing(f, key)
  return there and there.keep > now and there or nil
end

local function write(key, value, ttl)
  if ttl == '' then
    redis.call('SET', key, value)
  elseif tonumber(ttl) > 0 then
    redis.call('SET', key, value, 'PX', ttl)
  else
    redis.call('UNLINK', key)
  end
end

-- The soft marks since a sequence number, read once: what goes together mostly has one stamp.
local softened, softened_since = {}, nil

-- Has a soft purge since `seq` struck one of these marks? A value that is written, not filled, would be stale as soon as it stands there:
-- its writer asks for a younger stamp.
local function is_softened(marks, seq)
  if youngest(SOFT) <= seq then return false end
  if softened_since ~= seq then
    softened, softened_since = {}, seq
    for _, member in ipairs(ask('ZRANGEBYSCORE', SOFT, string.format('(%.0f', seq), '+inf') or {}) do
      softened[string.sub(member, 1, 16)] = true
    end
  end
  for at = 1, #marks, 16 do
    if softened[string.sub(marks, at, at + 15)] then return true end
  end
  return false
end

local function put(key, how, id, ttl, epoch, seq, marks, value)
  if not admits_fill(f, epoch, seq, marks) then return 'outlawed' end
  local is_written = how == 'always' or how == 'absent'
  if is_written and string.byte(value, 4) >= 3 and is_softened(marks, seq) then return 'outlawed' end
  if how ~= 'always' then
    local there = lasting(key)
    if how == 'absent' and there then return 'refused' end
    if how == 'fenced' and there and there.seq > seq then return 'refused' end
    if how == 'same' and not (there and there.id == id) then return 'refused' end
  end
  write(key, value, ttl)
  return 'stored'
end

local function remove(key, how, id)
  if how == 'same' then
    local there = head_of(key)
    if not (there and there.id == id) then return 'nothing' end
  end
  return redis.call('UNLINK', key) > 0 and 'removed' or 'nothing'
end

local function count(key, how, id, ttl, epoch, seq, marks, value, by)
  local there = lasting(key)
  if not there then
    if how ~= 'create' then return 'nothing' end
    if not admits_fill(f, epoch, seq, marks) or is_softened(marks, seq) then return 'outlawed' end
    write(key, value, ttl)
    return by
  end
  if there.kind ~= 4 then return 'nan' end
  local body_at = 88 + 16 * there.marks + there.reserved + there.key + there.head
  local text = redis.call('GETRANGE', key, body_at, -1)
  -- A double has 53 bits: the server counts with 64.
  redis.call('SET', SCRATCH, text)
  local counted = redis.pcall('INCRBY', SCRATCH, by)
  local sum = redis.call('GET', SCRATCH)
  redis.call('DEL', SCRATCH)
  if type(counted) == 'table' then
    return string.find(counted.err, 'overflow') and 'overflow' or 'nan'
  end
  local head = string.sub(there.raw, 1, 24) .. id .. string.sub(there.raw, 41, 76)
    .. struct.pack('>I4', #sum) .. string.sub(there.raw, 81, 88)
  redis.call('SET', key, head .. redis.call('GETRANGE', key, 88, body_at - 1) .. sum, 'KEEPTTL')
  return sum
end

local function live(key, how, id, ttl, times)
  local there = lasting(key)
  if not there then return 'nothing' end
  if how == 'same' and there.id ~= id then return 'nothing' end
  if ttl ~= '' and tonumber(ttl) <= 0 then
    redis.call('UNLINK', key)
    return 'stored'
  end
  redis.call('SETRANGE', key, 48, times)
  if ttl == '' then
    redis.call('PERSIST', key)
  else
    redis.call('PEXPIRE', key, ttl)
  end
  return 'stored'
end

local answers = {}
for i = 6, #KEYS do
  local at = (i - 6) * 9 + 1
  local what, how, id, ttl = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local epoch, marks, value, number = ARGV[at + 5], ARGV[at + 7], ARGV[at + 8], ARGV[at + 9]
  local seq = #ARGV[at + 6] == 8 and struct.unpack('>I8', ARGV[at + 6]) or 0
  local key = KEYS[i]
  if what == 'put' then
    answers[i - 5] = put(key, how, id, ttl, epoch, seq, marks, value)
  elseif what == 'remove' then
    answers[i - 5] = remove(key, how, id)
  elseif what == 'count' then
    answers[i - 5] = count(key, how, id, ttl, epoch, seq, marks, value, number)
  else
    answers[i - 5] = live(key, how, id, ttl, value)
  end
end
return answers
