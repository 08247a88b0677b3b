-- An outcome for the payload that made it, answered without more than it takes: most claims of a busy key are such.
local head = redis.call('GETRANGE', KEYS[1], '0', '2047')
do
  local version, size, state
  if #head > 65 then version, size, state = struct.unpack('<BHc1', head) end
  if version == 1 and state == 'c' and size <= #head then
    local fence, _, _, expires_at, _, completed_at = struct.unpack('<I7I6I6I6I6I6', head, 10)
    local _, raw = struct.unpack('<Hc0Hc0', head, 65)
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    if raw == ARGV[1] and expires_at > now then
      local answer = { 'c', fence, math.max(0, now - completed_at), expires_at, #head - size }
      if #head < 2048 then
        answer[6] = string.sub(head, size + 1)
      else
        answer[5] = redis.call('STRLEN', KEYS[1]) - size
        if answer[5] <= 65536 then answer[6] = redis.call('GETRANGE', KEYS[1], size, -1) end
      end
      return answer
    end
  end
end
