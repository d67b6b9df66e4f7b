-- What all scripts share. KEYS: 1 the fence, 2 lasting marks, 3 marks of keys, 4 soft marks, 5 a scratch key, 6... entries.
-- The fence is epoch, seq, floor and fill floor, 8 big-endian bytes each. Sequence numbers are microseconds and fit a double.
local FENCE, MARKS, OF_KEYS, SOFT, SCRATCH = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local KEY_MARK_LIFE = 300 * 1000000

-- An answer, or nil where there is none or the key holds another type.
local function ask(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err then return nil end
  return answer or nil
end

local function write_fence(f)
  local raw = f.epoch .. struct.pack('>I8I8I8', f.seq, f.floor, f.fill_floor)
  redis.call('SET', FENCE, raw)
  return raw
end

-- nil unless all of its parts are there: what has lost its marks admits nothing.
local function read_fence()
  local raw = ask('GET', FENCE)
  if not raw or #raw ~= 32 then return nil end
  local f = { raw = raw, epoch = string.sub(raw, 1, 8) }
  for _, set in ipairs({ MARKS, OF_KEYS, SOFT }) do
    if not ask('ZSCORE', set, 'epoch' .. f.epoch) then return nil end
  end
  f.seq, f.floor, f.fill_floor = struct.unpack('>I8I8I8', raw, 9)
  -- No sequence of ours: it could not grow any more.
  if f.seq >= 2 ^ 53 - 1 then return nil end
  return f
end

local function micros()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- A fence made anew: nothing that was stored before is admitted.
local function create_fence(epoch)
  redis.call('DEL', FENCE, MARKS, OF_KEYS, SOFT)
  for _, set in ipairs({ MARKS, OF_KEYS, SOFT }) do
    redis.call('ZADD', set, 0, 'epoch' .. epoch)
  end
  local now = micros()
  local f = { epoch = epoch, seq = now, floor = now, fill_floor = now }
  f.raw = write_fence(f)
  return f
end

-- The sequence must grow even when the clock stands still or steps back.
local function advance(f)
  f.seq = math.max(f.seq + 1, micros())
end

-- The youngest mark of a set.
local function youngest(set)
  local top = ask('ZREVRANGE', set, 0, 0, 'WITHSCORES')
  return top and tonumber(top[2]) or 0
end

-- Has a purge since `seq` struck one of these marks?
local function is_struck(marks, seq)
  for _, set in ipairs({ MARKS, OF_KEYS }) do
    if youngest(set) > seq then
      for at = 1, #marks, 16 do
        local score = ask('ZSCORE', set, string.sub(marks, at, at + 15))
        if score and tonumber(score) > seq then return true end
      end
    end
  end
  return false
end

local function admits(f, epoch, seq, marks)
  return epoch == f.epoch and f.floor <= seq and seq <= f.seq and not is_struck(marks, seq)
end

local function admits_fill(f, epoch, seq, marks)
  return f.fill_floor <= seq and admits(f, epoch, seq, marks)
end

-- The fixed part of what stands under a key, if it is an entry of this format.
local function head_of(key)
  local raw = ask('GETRANGE', key, 0, 87)
  if not raw or #raw < 88 or string.sub(raw, 1, 3) ~= 'Lr\1' then return nil end
  local head = { raw = raw, kind = string.byte(raw, 4), epoch = string.sub(raw, 9, 16), id = string.sub(raw, 25, 40) }
  head.seq = struct.unpack('>I8', raw, 17)
  head.keep = struct.unpack('>I8', raw, 57)
  head.marks, head.reserved, head.key, head.head, head.body = struct.unpack('>I2I2I4I4I4', raw, 65)
  return head
end

-- The same, if the fence admits it.
local function standing(f, key)
  local head = head_of(key)
  if not head then return nil end
  local marks = head.marks > 0 and ask('GETRANGE', key, 88, 87 + 16 * head.marks) or ''
  return admits(f, head.epoch, head.seq, marks) and head or nil
end
