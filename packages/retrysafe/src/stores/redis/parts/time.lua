-- The store's clock, in ms; `now_us` in µs. It stands still while a script runs.
local function read_clock_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
local now_us = read_clock_us()
local now = math.floor(now_us / 1000)
