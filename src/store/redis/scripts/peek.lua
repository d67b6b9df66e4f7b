-- The beginning of entries, up to their full key, and how long they are; nothing where a key holds something else.
local answers = {}
for i = 6, #KEYS do
  local there = head_of(KEYS[i])
  if there then
    local upto = 88 + 16 * there.marks + there.reserved + there.key
    answers[i - 5] = { redis.call('GETRANGE', KEYS[i], 0, upto - 1), redis.call('STRLEN', KEYS[i]) }
  else
    answers[i - 5] = {}
  end
end
return answers
