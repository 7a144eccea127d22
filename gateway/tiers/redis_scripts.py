"""What is done within Redis, so that nothing comes between its steps?

Every key has the same hash tag, so all keys of one script lie in one slot of a cluster. The hash of counters holds
`run` (the server's), `id` (the incarnation), `n` (how many messages there were) and a field for each counter that was
ever bumped, called by its row.
"""

from __future__ import annotations

from typing import Final

from gateway.tiers.redis_values import ROWS_AT

_FIELDS: Final = f"""local head = redis.call('GETRANGE', KEYS[1], {ROWS_AT}, {ROWS_AT + 2 * 255})
local fields = {{'id'}}
for i = 1, string.byte(head, 1) or 0 do
  local high, low = string.byte(head, 2 * i, 2 * i + 1)
  if low then fields[#fields + 1] = string.format('%d', high * 256 + low) end
end
"""
"""The fields of the table that the value under the first key must agree with: `fields`."""


def _claimed(key: str, gate: str, life: str) -> str:
    """The last lines of a block: make the gate's claim for so many milliseconds (1), unless another gate has one (0)."""
    return f"""local who = redis.call('GET', {key})
if who and who ~= {gate} then return 0 end
redis.call('SET', {key}, {gate}, 'PX', {life})
return 1"""


MEET: Final = """
local run = redis.call('HGET', KEYS[1], 'run')
if run ~= ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'id', ARGV[2], 'n', 0)
end
return redis.call('HGETALL', KEYS[1])
"""
"""The whole table; made anew by another run of the server, whatever that one may have found on its disk."""

BUMP: Final = """
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then return false end
local n = redis.call('HINCRBY', KEYS[1], 'n', 1)
local told = {n}
local text = ARGV[1] .. ' ' .. string.format('%d', n) .. ' ' .. ARGV[3]
for i = 4, #ARGV do
  local count = redis.call('HINCRBY', KEYS[1], ARGV[i], 1)
  told[#told + 1] = count
  text = text .. ' ' .. ARGV[i] .. '=' .. string.format('%d', count)
end
redis.call('PUBLISH', ARGV[2], text)
return told
"""
"""Raise the counters of these rows and tell everybody; nothing if the table is not the one that was known."""

COUNTERS: Final = f"""
{_FIELDS}return redis.call('HMGET', KEYS[2], unpack(fields))
"""
"""The incarnation and the counters that the value under the first key must agree with."""

TICK: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now))
local all = redis.call('HGETALL', KEYS[2])
local told = {redis.call('HGET', KEYS[1], 'id'), redis.call('HGET', KEYS[1], 'n'), time[1], time[2]}
for i = 1, #all, 2 do
  local heard, at = string.match(all[i + 1], '^(%d+) (%d+)$')
  if at and now - tonumber(at) <= tonumber(ARGV[3]) then
    told[#told + 1] = all[i]
    told[#told + 1] = heard
  else
    redis.call('HDEL', KEYS[2], all[i])
  end
end
return told
"""
"""Say that this replica lives and which message it heard last; what is the last message, what time it is, and who else lives."""

SEEK: Final = f"""
local size = redis.pcall('STRLEN', KEYS[1])
if type(size) ~= 'number' then return false end
if size == 0 and redis.call('EXISTS', KEYS[1]) == 0 then
  if #KEYS < 3 then return false end
  {_claimed("KEYS[3]", "ARGV[2]", "ARGV[3]")}
end
{_FIELDS}local told = redis.call('HMGET', KEYS[2], unpack(fields))
if size > tonumber(ARGV[1]) then return {{told}} end
return {{told, redis.call('GET', KEYS[1])}}
"""
"""The value under the first key, with the incarnation and the counters that it must agree with; without it if it is long.

Where there is no value, a claim to it is made under the third key, unless somebody has one: 1 or 0.
"""

CLAIM: Final = _claimed("KEYS[1]", "ARGV[1]", "ARGV[2]")
"""Make a claim for so many milliseconds, unless another gate has one. One of this gate's own is of a question that was given up."""

LEAVE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
"""Take a claim back, if it is this gate's."""

RENEW: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
"""Let a claim live for so many milliseconds more, if it is this gate's."""

OFFER: Final = """
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('SET', KEYS[2], ARGV[4], 'EX', ARGV[5])
return 1
"""
"""Agrees on a description, if what was agreed before is what the caller knows."""
