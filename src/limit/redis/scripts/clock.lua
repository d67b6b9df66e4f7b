-- The server's own time, in microseconds.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- For how many milliseconds more than they matter keys are kept.
local margin = 0
