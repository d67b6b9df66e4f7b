-- Decides about all quotas of a call in one step, by the arithmetic of `limit::rule`, to the unit.
--
-- KEYS: one for each quota. ARGV: the action (Acquire, Peek, Charge, GiveBack, Reset), then for each key its rule and what is asked of it, as
-- a byte and doubles. The answer: now, whether all are admitted, and for each key its receipt and what its standing
-- is worked out from.
--
-- All numbers are integers below 2^53, which doubles hold exactly. Times of GCRA have a part, in units of 1/rate of a microsecond. What cannot
-- be read, or is of another type, counts as a key that was never used, and is overwritten.
local action = ARGV[1]
local call, pcall = redis.call, redis.pcall
local pack, unpack, floor, fmod, max, min = struct.pack, struct.unpack, math.floor, math.fmod, math.max, math.min
local GCRA, FIXED, COUNTER, LOG, IN_FLIGHT = 1, 2, 3, 4, 5
-- No lease of a place is longer, in microseconds.
local LONGEST_LEASE = 600000000

-- Most calls are about one token bucket: they take what follows, and not what it costs to define everything below.
if action == 'A' and #KEYS == 1 and string.byte(ARGV[2]) == GCRA then
  local _, rate, room, room_part, cost, cost_part, most, most_part = unpack('<Bddddddd', ARGV[2])
  local tat, part = 0, 0
  local value = pcall('GET', KEYS[1])
  if type(value) == 'string' and #value == 16 then
    local whole, rest = unpack('<dd', value)
    if whole >= 0 and whole < 9007199254740992 and whole == floor(whole) and rest >= 0 and rest < rate and rest == floor(rest) then
      tat, part = whole, rest
    end
  end
  local owed, owed_part = tat - now, part
  if owed < 0 or owed > most or owed == most and part > most_part then
    owed, owed_part = 0, 0
  end
  if owed > room or owed == room and owed_part > room_part then
    return {now, 0, 0, tat, part}
  end
  if cost == 0 and cost_part == 0 then
    return {now, 1, 0, tat, part}
  end
  owed, part = owed + cost, owed_part + cost_part
  if part >= rate then
    owed, part = owed + 1, part - rate
  end
  call('SET', KEYS[1], pack('<dd', now + owed, part), 'PX', floor(owed / 1000) + 1 + margin)
  return {now, 1, now, now + owed, part}
end

local admitted = true
local answer = {now, 1}
local states = {}

local function digits(number)
  return string.format('%.0f', number)
end

-- The numbers of a string, if there are as many, and each is one that this script can have written.
local function stored(key, count, format)
  local value = pcall('GET', key)
  if type(value) ~= 'string' or #value ~= 8 * count then
    return nil
  end
  local numbers = {unpack(format, value)}
  for n = 1, count do
    local number = numbers[n]
    if not (number >= 0 and number < 9007199254740992 and number == floor(number)) then
      return nil
    end
  end
  return numbers
end

local function keep(key, value, micros)
  call('SET', key, value, 'PX', digits(floor(micros / 1000) + 1 + margin))
end

-- The product of a below 2^42 and b below 2^49, in two digits of 48 bits.
local function product(a, b)
  local a1, b1 = floor(a / 16777216), floor(b / 16777216)
  local a0, b0 = a - a1 * 16777216, b - b1 * 16777216
  local middle = a1 * b0 + a0 * b1
  local carried = floor(middle / 16777216)
  local high, low = a1 * b1 + carried, a0 * b0 + (middle - carried * 16777216) * 16777216
  if low >= 281474976710656 then
    return high + 1, low - 281474976710656
  end
  return high, low
end

-- Sorted sets hold entries of 16 bytes, which end in how much each of them counts, and the negated sum of all of them under `#`.
local function amount_of(entry)
  local amount = #entry == 16 and unpack('<d', entry, 9) or 0
  return amount > 0 and amount < 9007199254740992 and amount or 0
end

local function sum_of(key, from, to)
  local sum = 0
  for _, entry in ipairs(call('ZRANGEBYSCORE', key, from, to)) do
    sum = sum + amount_of(entry)
  end
  return sum
end

local function total_of(key)
  local total = pcall('ZSCORE', key, '#')
  if not total then
    return 0
  end
  local sum = type(total) == 'string' and -total
  return sum and sum >= 0 and sum < 9007199254740992 and sum or nil
end

-- Reads what is kept under a key, and whether it admits what is asked.
local function look(i)
  local key, rule = KEYS[i], ARGV[i + 1]
  local kind = string.byte(rule)
  local s = {kind = kind}
  states[i] = s
  if kind == GCRA then
    local _, room, room_part
    _, s.rate, room, room_part, s.cost, s.cost_part, s.most, s.most_part, s.receipt = unpack('<Bdddddddd', rule)
    local kept = stored(key, 2, '<dd')
    if kept and kept[2] < s.rate then
      s.tat, s.part = kept[1], kept[2]
    else
      s.tat, s.part = 0, 0
    end
    local owed, part = s.tat - now, s.part
    if owed < 0 then
      owed, part = 0, 0
    elseif owed > s.most or owed == s.most and part > s.most_part then
      -- More cannot be owed: the clock has stepped back by more than a refill.
      owed, part = 0, 0
    end
    s.owed, s.owed_part = owed, part
    if owed > room or owed == room and part > room_part then
      admitted = false
    end
    return
  end
  if kind == FIXED then
    local _, alignment, offset
    _, s.amount, s.window, s.cost, s.receipt, alignment, offset = unpack('<Bdddddd', rule)
    local kept = stored(key, 2, '<dd')
    local begins, used = kept and kept[1] or 0, kept and min(kept[2], 2 * s.amount) or 0
    if used == 0 or now >= begins + s.window or begins > now + s.window then
      used = 0
      if alignment == 0 then
        begins = now - fmod(now, s.window)
      elseif alignment == 1 then
        begins = max(now - fmod(now + s.window - offset, s.window), 0)
      else
        begins = now
      end
      s.moved = true
    end
    s.begins, s.used = begins, used
    s.free = s.amount - used
  elseif kind == COUNTER then
    local _
    _, s.amount, s.window, s.cost, s.receipt = unpack('<Bdddd', rule)
    local kept = stored(key, 3, '<ddd')
    if not kept or kept[2] > 2 * s.amount or kept[3] > 2 * s.amount then
      kept = {0, 0, 0}
    end
    local begins, used, before = kept[1], kept[2], kept[3]
    local start = now - fmod(now, s.window)
    if begins ~= start and not (begins > now and begins - now <= s.window) then
      if begins + s.window == start then
        before = used
      else
        before = 0
      end
      begins, used = start, 0
      s.moved = true
    end
    s.begins, s.used, s.before = begins, used, before
    s.free = s.amount - used
    local free = s.free - s.cost
    if free >= 0 and before > free then
      local covered, covered_low = product(before, s.window - min(max(now - begins, 0), s.window))
      local room, room_low = product(free, s.window)
      if covered > room or covered == room and covered_low > room_low then
        s.free = -1
      end
    end
  else
    local _
    if kind == LOG then
      _, s.amount, s.window, s.cost, s.receipt = unpack('<Bdddd', rule)
      s.gone, s.last = digits(now - s.window), '(' .. digits(now + s.window)
    else
      _, s.amount, s.lease, s.cost, s.held, s.id = unpack('<Bddddc8', rule)
      s.gone, s.last = digits(now), '(' .. digits(now + LONGEST_LEASE)
    end
    local total = total_of(key)
    s.foreign = not total
    s.total, s.sum = total or 0, total or 0
    if s.sum > 0 then
      s.sum = s.sum - sum_of(key, 0, s.gone)
      if kind == LOG then
        s.sum = s.sum - sum_of(key, s.last, '+inf')
      end
      s.sum = max(s.sum, 0)
    end
    s.free = s.amount - s.sum
  end
  if s.cost > 0 and s.cost > s.free then
    admitted = false
  end
end

-- What lies further ahead than a lease was written before the clock has stepped back: else a place of a node that is gone would last as long
-- as the step.
local function pull_back(key, s)
  for _, place in ipairs(call('ZRANGEBYSCORE', key, s.last, '+inf')) do
    call('ZADD', key, digits(now + s.lease), place)
  end
end

-- Counts in a window. What is cut, as more cannot be owed, has no receipt: to give it back would free what others have used.
local function count(s)
  local used = min(s.used + s.cost, 2 * s.amount)
  s.got = used - s.used == s.cost and s.begins or 0
  s.used = used
end

local function take(i)
  local key, s = KEYS[i], states[i]
  if s.kind == GCRA then
    local owed, part = s.owed + s.cost, s.owed_part + s.cost_part
    if part >= s.rate then
      owed, part = owed + 1, part - s.rate
    end
    if owed > s.most or owed == s.most and part > s.most_part then
      owed, part = s.most, s.most_part
    else
      s.got = now
    end
    s.tat, s.part = now + owed, part
    keep(key, pack('<dd', s.tat, part), owed)
  elseif s.kind == FIXED then
    count(s)
    keep(key, pack('<dd', s.begins, s.used), s.begins + s.window - now)
  elseif s.kind == COUNTER then
    count(s)
    keep(key, pack('<ddd', s.begins, s.used, s.before), s.begins + 2 * s.window - now)
  else
    if s.foreign or s.total == 0 and call('EXISTS', key) == 1 then
      -- What is there is not of this script.
      call('DEL', key)
    elseif s.total > s.sum then
      call('ZREMRANGEBYSCORE', key, 0, s.gone)
      if s.kind == LOG then
        call('ZREMRANGEBYSCORE', key, s.last, '+inf')
      end
    end
    if s.kind == LOG then
      local counts = min(s.cost, max(2 * s.amount - s.sum, 0))
      s.sum = s.sum + counts
      if counts > 0 then
        local moment, taken = now, counts
        local newest = call('ZREVRANGE', key, 0, 0)[1]
        if newest and #newest == 16 then
          local last, before = unpack('<dd', newest)
          -- The log stays in order and short: what is owed beyond its length makes the newest count longer.
          if last >= now or call('ZCARD', key) > s.amount then
            call('ZREM', key, newest)
            moment, taken = max(now, last), before + counts
          end
        end
        s.got = counts == s.cost and moment or 0
        call('ZADD', key, digits(moment), pack('<dd', moment, taken), digits(-s.sum), '#')
        call('PEXPIRE', key, digits(floor((moment + s.window - now) / 1000) + 1 + margin))
      end
    else
      local place = s.id .. pack('<d', s.cost)
      -- A call that was sent twice takes one place.
      s.sum = s.sum + s.cost * call('ZADD', key, digits(now + s.lease), place)
      call('ZADD', key, digits(-s.sum), '#')
      call('PEXPIRE', key, digits(LONGEST_LEASE / 1000))
      s.got = 1
    end
    s.total = s.sum
  end
end

local function give_back(i)
  local key, s = KEYS[i], states[i]
  if s.kind == GCRA then
    -- Without it, that much less would be owed, but for what may have been worked off in the meantime.
    local back, part = s.cost - max(now - s.receipt, 0), s.cost_part
    if s.receipt == 0 or back < 0 then
      return
    end
    s.tat, s.part = s.tat - back, s.part - part
    if s.part < 0 then
      s.tat, s.part = s.tat - 1, s.part + s.rate
    end
    if s.tat < 0 then
      s.tat, s.part = 0, 0
    end
    keep(key, pack('<dd', s.tat, s.part), max(s.tat - now, 0))
  elseif s.cost == 0 or s.receipt == 0 then
    return
  elseif s.kind == FIXED then
    if s.begins == s.receipt then
      s.used = max(s.used - s.cost, 0)
    elseif not s.moved then
      return
    end
    keep(key, pack('<dd', s.begins, s.used), s.begins + s.window - now)
  elseif s.kind == COUNTER then
    if s.receipt == s.begins then
      s.used = max(s.used - s.cost, 0)
    elseif s.receipt + s.window == s.begins then
      s.before = max(s.before - s.cost, 0)
    elseif not s.moved then
      return
    end
    keep(key, pack('<ddd', s.begins, s.used, s.before), s.begins + 2 * s.window - now)
  elseif not s.foreign then
    local entry, score, held
    if s.kind == LOG then
      score = digits(s.receipt)
      entry = call('ZRANGEBYSCORE', key, score, score)[1]
      held = entry and amount_of(entry)
    else
      entry = s.id .. pack('<d', s.held)
      score = call('ZSCORE', key, entry)
      held = score and s.held
    end
    if not held then
      return
    end
    local back = min(s.cost, held)
    call('ZREM', key, entry)
    if s.total <= back then
      call('DEL', key)
    else
      call('ZADD', key, digits(back - s.total), '#')
      if held > back then
        call('ZADD', key, score, string.sub(entry, 1, 8) .. pack('<d', held - back))
      end
    end
    s.total = max(s.total - back, 0)
    s.sum = s.kind == LOG and s.total or max(s.sum - back, 0)
    if s.kind == LOG and s.total > 0 then
      s.sum = max(s.total - sum_of(key, 0, s.gone) - sum_of(key, s.last, '+inf'), 0)
    end
  end
end

-- How long until so much of a log no longer counts.
local function until_gone(key, s, surplus)
  local gone = 0
  if surplus <= 0 then
    return 0
  end
  for _, entry in ipairs(call('ZRANGEBYSCORE', key, '(' .. s.gone, digits(now + s.window), 'LIMIT', 0, digits(surplus))) do
    gone = gone + amount_of(entry)
    if gone >= surplus and #entry == 16 then
      return unpack('<d', entry) + s.window - now
    end
  end
  return 0
end

local function tell(i, taken)
  local s = states[i]
  local n = #answer
  if s.kind == GCRA then
    answer[n + 1], answer[n + 2], answer[n + 3] = s.got or 0, s.tat, s.part
  elseif s.kind == FIXED then
    answer[n + 1], answer[n + 2], answer[n + 3] = s.got or 0, s.begins, s.used
  elseif s.kind == COUNTER then
    answer[n + 1], answer[n + 2], answer[n + 3], answer[n + 4] = s.got or 0, s.begins, s.used, s.before
  elseif s.kind == LOG then
    local key, newest, wait, next_one = KEYS[i], 0, 0, 0
    if s.sum > 0 and not s.foreign then
      local last = call('ZREVRANGEBYSCORE', key, digits(now + s.window), '(' .. s.gone, 'LIMIT', 0, 1)[1]
      newest = last and #last == 16 and unpack('<d', last) or 0
      next_one = until_gone(key, s, s.sum + max(s.amount - s.sum, 0) + 1 - s.amount)
      if not taken and s.cost <= s.amount then
        wait = until_gone(key, s, s.sum + s.cost - s.amount)
      end
    end
    answer[n + 1], answer[n + 2], answer[n + 3], answer[n + 4], answer[n + 5] = s.got or 0, s.sum, wait, next_one, newest
  else
    answer[n + 1], answer[n + 2] = s.got or 0, s.sum
  end
end

if action == 'A' then
  for i = 1, #KEYS do
    look(i)
  end
  if not admitted then
    answer[2] = 0
  end
  for i = 1, #KEYS do
    local s = states[i]
    if admitted and (s.cost > 0 or s.cost_part and s.cost_part > 0) then
      take(i)
      s.foreign = false
    end
    if s.lease and s.total > 0 then
      pull_back(KEYS[i], s)
    end
    tell(i, admitted)
  end
  return answer
end
for i = 1, #KEYS do
  -- Places in flight are in use, whatever is forgotten.
  if action == 'R' and string.byte(ARGV[i + 1]) ~= IN_FLIGHT then
    call('DEL', KEYS[i])
  end
  look(i)
  local s = states[i]
  if action == 'C' then
    if s.cost > 0 or s.cost_part and s.cost_part > 0 then
      take(i)
      s.foreign = false
    end
  elseif action == 'G' then
    give_back(i)
  end
  tell(i, action ~= 'P')
end
if not admitted then
  answer[2] = 0
end
return answer
