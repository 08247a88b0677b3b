-- Begins a step of an operation, or answers what it gave before. Sent twice by the same attempt, it has begun once.
-- Without a line of flags: a full server begins nothing new.
--
-- KEYS     the record; its steps
-- ARGV     fence; owner; id; input (fingerprint); on_crash (r or f); max_attempts
-- Answers  begun: b, attempt; exists: e, value; unknown: u, attempt; changed: c; lost: l
--!include write
--!include lapse
--!include step
local fence = tonumber(ARGV[1])
local r = load_record()
if not is_mine(r, fence, ARGV[2]) or r.state ~= 'r' then return { 'l' } end
local s = load_step(r, ARGV[3])
if s == nil then
  -- Asked first: after a DEL a full server would take the step.
  if r.steps == 0 and redis.call('EXISTS', KEYS[2]) == 1 then redis.call('DEL', KEYS[2]) end
  put_step(ARGV[3], { fence = fence, attempt = 1, input = ARGV[4] })
  r.steps = r.steps + 1
  put_header(r, '')
  return { 'b', 1 }
end
if s.input ~= ARGV[4] then return { 'c' } end
if s.value then return { 'e', s.value } end
if s.fence == fence then return { 'b', s.attempt } end
-- An older attempt began it and told nothing: the policy counts per step.
if ARGV[5] == 'f' or s.attempt >= tonumber(ARGV[6]) then return { 'u', s.attempt } end
s.attempt, s.fence = s.attempt + 1, fence
put_step(ARGV[3], s)
return { 'b', s.attempt }
