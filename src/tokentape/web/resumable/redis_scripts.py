"""The scripts that Redis or Valkey runs, each as one step: nothing happens between two of its commands.

A response with the key K has: the hash K (`epoch`, `status`, `first` and `last` event that are kept, their `bytes`,
`stop` if it is to be stopped), the list K:events, the key K:lease, which expires unless the worker that reads the
provider renews it, and the sorted set K:readers of the other workers that have readers, with the time in ms until
which that holds. Each change is published on the channel K: `changed`, `stop`, `readers`.
"""

from __future__ import annotations

from typing import Final

from tokentape.web.resumable.log import OFFSET_SIZE

KEYS: Final = ("", ":events", ":lease", ":readers")
"""What follows K in the names of the keys, in the order in which each script has them."""

_NAMES: Final = "local K, EVENTS, LEASE, READERS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]\n"

_WHOLE: Final = """
local function whole(first, last)
  if redis.call('LLEN', EVENTS) == last - first + 1 then return true end
  redis.call('DEL', K, EVENTS, LEASE, READERS) -- Redis has dropped the events: its memory is full
  redis.call('PUBLISH', K, 'changed')
  return false
end
"""

_ADD: Final = f"""
local function add(from, number, most)
  local first, last, bytes = unpack(redis.call('HMGET', K, 'first', 'last', 'bytes'))
  first, last, bytes = tonumber(first), tonumber(last), tonumber(bytes)
  for index = from, #ARGV do
    if number == last + 1 then
      redis.call('RPUSH', EVENTS, ARGV[index])
      last, bytes = number, bytes + #ARGV[index] + {OFFSET_SIZE}
    end
    number = number + 1
  end
  while bytes > most and first < last do
    bytes, first = bytes - #redis.call('LPOP', EVENTS) - {OFFSET_SIZE}, first + 1
  end
  redis.call('HSET', K, 'first', first, 'last', last, 'bytes', bytes)
  return last
end
"""

_END: Final = """
local function finish(status, kept)
  redis.call('HSET', K, 'status', status)
  redis.call('DEL', LEASE, READERS)
  redis.call('PEXPIRE', K, kept)
  redis.call('PEXPIRE', EVENTS, kept)
end
"""

_CREATE: Final = f"""{_NAMES}
-- ARGV: epoch, whether it may replace another, the ms of the lease, and for which the keys are kept without one.
local epoch = redis.call('HGET', K, 'epoch')
if epoch == ARGV[1] then return 1 end
if epoch then
  if ARGV[2] == '0' then return 0 end
  redis.call('DEL', K, EVENTS, LEASE, READERS)
end
redis.call('HSET', K, 'epoch', ARGV[1], 'status', 'running', 'first', 1, 'last', 0, 'bytes', 0)
redis.call('SET', LEASE, 1, 'PX', ARGV[3])
redis.call('PEXPIRE', K, ARGV[4])
redis.call('PUBLISH', K, 'changed')
return 1
"""

_APPEND: Final = f"""{_NAMES}{_WHOLE}{_ADD}{_END}
-- ARGV: epoch, most bytes, the ms of the lease and of the keys, status, number of the first event, events.
-- An event that is there already is not added again. Returns -1 if the response is gone or has ended, 1 if it is to be
-- stopped.
local epoch, status, stop, first, last = unpack(redis.call('HMGET', K, 'epoch', 'status', 'stop', 'first', 'last'))
if epoch ~= ARGV[1] or not whole(first, last) then return -1 end
if status ~= 'running' then
  return (status == ARGV[5] and tonumber(last) == ARGV[6] + #ARGV - 7) and 0 or -1
end
add(7, tonumber(ARGV[6]), tonumber(ARGV[2]))
if ARGV[5] == 'running' then
  redis.call('SET', LEASE, 1, 'PX', ARGV[3])
  redis.call('PEXPIRE', K, ARGV[4])
  redis.call('PEXPIRE', EVENTS, ARGV[4])
else
  finish(ARGV[5], ARGV[4])
end
redis.call('PUBLISH', K, 'changed')
return stop and 1 or 0
"""

_FETCH: Final = f"""{_NAMES}{_WHOLE}
-- ARGV: known epoch, number of the last known event, most events. Returns false if the response is gone.
local epoch, status, first, last = unpack(redis.call('HMGET', K, 'epoch', 'status', 'first', 'last'))
if not epoch or not whole(first, last) then return false end
local after = epoch == ARGV[1] and tonumber(ARGV[2]) or 0
if after < first - 1 then after = first - 1 end
local from = after - first + 1
local events = redis.call('LRANGE', EVENTS, from, from + ARGV[3] - 1)
return {{epoch, status, after, tonumber(last), redis.call('EXISTS', LEASE), events}}
"""

_RENEW: Final = f"""{_NAMES}
-- ARGV: epoch, the ms of the lease and of the keys. Returns how many other workers have readers, and whether the
-- response is to be stopped; false if it is gone or has ended.
local epoch, status, stop = unpack(redis.call('HMGET', K, 'epoch', 'status', 'stop'))
if epoch ~= ARGV[1] or status ~= 'running' then return false end
redis.call('SET', LEASE, 1, 'PX', ARGV[2])
redis.call('PEXPIRE', K, ARGV[3])
redis.call('PEXPIRE', EVENTS, ARGV[3])
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', READERS, '-inf', time[1] * 1000 + time[2] / 1000)
return {{redis.call('ZCARD', READERS), stop and 1 or 0}}
"""

_BURY: Final = f"""{_NAMES}{_WHOLE}{_ADD}{_END}
-- ARGV: epoch, most bytes, the ms of the keys, events. Ends a response whose worker is lost.
local epoch, status, first, last = unpack(redis.call('HMGET', K, 'epoch', 'status', 'first', 'last'))
if epoch ~= ARGV[1] or status ~= 'running' or redis.call('EXISTS', LEASE) == 1 or not whole(first, last) then
  return 0
end
add(4, last + 1, tonumber(ARGV[2]))
finish('failed', ARGV[3])
redis.call('PUBLISH', K, 'changed')
return 1
"""

_STOP: Final = """
-- Returns whether the response was running.
if redis.call('HGET', KEYS[1], 'status') ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], 'stop', 1)
redis.call('PUBLISH', KEYS[1], 'stop')
return 1
"""

_FORGET: Final = f"""{_NAMES}
-- ARGV: epoch.
if redis.call('HGET', K, 'epoch') ~= ARGV[1] then return 0 end
return redis.call('DEL', K, EVENTS, LEASE, READERS)
"""

_READ: Final = f"""{_NAMES}
-- ARGV: worker, for how many ms it has readers (0: no longer), whether that is new.
if redis.call('HGET', K, 'status') ~= 'running' then return 0 end
if ARGV[2] == '0' then
  redis.call('ZREM', READERS, ARGV[1])
else
  local time = redis.call('TIME')
  redis.call('ZADD', READERS, time[1] * 1000 + time[2] / 1000 + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', READERS, ARGV[2])
end
if ARGV[3] == '1' then redis.call('PUBLISH', K, 'readers') end
return 1
"""

SCRIPTS: Final = {
    "create": _CREATE,
    "append": _APPEND,
    "fetch": _FETCH,
    "renew": _RENEW,
    "bury": _BURY,
    "stop": _STOP,
    "forget": _FORGET,
    "read": _READ,
}
