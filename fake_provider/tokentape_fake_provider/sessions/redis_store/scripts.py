"""The scripts that the store's server runs, each as one step: nothing happens between two of its commands.

A session with the key K has: the hash K (`epoch` names this life of it, `format` its layout, `change` counts its
changes, `items` those of its queue; `requests`, `added`, `kept`, `forgotten`, `bytes` are those of its journal), the
hash K:fields with its document, field by field, the sorted set K:changes with the change that last wrote each field
(but for `part:` fields, which are read one by one), the list K:queue, the hash K:leases with the items of the queue
whose answers have not begun, and the stream K:journal. The keys of a session that nobody uses expire.
"""

from __future__ import annotations

from typing import Final

UNUSED_S: Final = 86_400
"""The time in s after which a session that nobody uses is forgotten."""

MOST_ENTRIES: Final = 10_000
MOST_BYTES: Final = 64_000_000
"""How many requests a journal keeps, and about how many bytes."""

FORMAT: Final = "2"
"""The number of the layout of all this and of the records: another one for each change of it. K has it as `format`."""

OF_SESSION: Final = "SESSION "
"""What the error of a script begins with that concerns one session."""

_KEEP: Final = f"""
local function keep(base)
  for _, part in ipairs({{'', ':fields', ':changes', ':queue', ':leases', ':journal'}}) do
    redis.call('EXPIRE', base .. part, {UNUSED_S})
  end
end
"""

_APPENDING: Final = f"""
local function append(base, kind, record)
  redis.call('XADD', base .. ':journal', '*', kind, record)
  local bytes = redis.call('HINCRBY', base, 'bytes', #record)
  local kept = tonumber(redis.call('HGET', base, 'kept') or '0')
  if kind == 'request' then kept = redis.call('HINCRBY', base, 'kept', 1) end
  while kept > 1 and (kept > {MOST_ENTRIES} or bytes > {MOST_BYTES}) do
    local oldest = redis.call('XRANGE', base .. ':journal', '-', '+', 'COUNT', 1)[1]
    if not oldest then break end
    redis.call('XDEL', base .. ':journal', oldest[1])
    bytes = redis.call('HINCRBY', base, 'bytes', -#oldest[2][2])
    if oldest[2][1] == 'request' then
      kept = redis.call('HINCRBY', base, 'kept', -1)
      redis.call('HINCRBY', base, 'forgotten', 1)
    end
  end
end
"""

_EVICTED: Final = """
local function evicted(base)
  local change, items, kept = unpack(redis.call('HMGET', base, 'change', 'items', 'kept'))
  if redis.call('LLEN', base .. ':queue') ~= tonumber(items or '0') then return true end
  local document = redis.call('EXISTS', base .. ':fields', base .. ':changes')
  if document ~= (tonumber(change or '0') > 0 and 2 or 0) then return true end
  return tonumber(kept or '0') > 0 and redis.call('EXISTS', base .. ':journal') == 0
end
"""

_SYNC: Final = f"""{_KEEP}{_APPENDING}{_EVICTED}
-- KEYS: base, sessions. ARGV: known epoch, known change, epoch of a new session ('' creates none), its id,
-- how many items of the queue (-1: all), the record of a request ('' is nothing).
local base = KEYS[1]
local epoch, format = unpack(redis.call('HMGET', base, 'epoch', 'format'))
if epoch and format ~= '{FORMAT}' then
  return redis.error_reply('{OF_SESSION}another version of tokentape has created this session, in a form that this one '
    .. 'does not read: use one version for all servers, or delete the session')
end
if evicted(base) then
  return redis.error_reply('{OF_SESSION}it has dropped a part of this session, as its memory is full (maxmemory): '
    .. 'delete the session, and set maxmemory-policy noeviction')
end
if not epoch then
  if ARGV[3] == '' then return false end
  epoch = ARGV[3]
  redis.call('HSET', base, 'epoch', epoch, 'format', '{FORMAT}')
  redis.call('ZADD', KEYS[2], 'NX', redis.call('INCR', KEYS[2] .. ':created'), ARGV[4])
end
local since = ARGV[2]
if epoch ~= ARGV[1] then since = '0' end
local change = tonumber(redis.call('HGET', base, 'change') or '0')
local fields = {{}}
if change > tonumber(since) then
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', base .. ':changes', '(' .. since, '+inf')) do
    fields[#fields + 1] = name
    fields[#fields + 1] = redis.call('HGET', base .. ':fields', name) or ''
  end
end
local most = tonumber(ARGV[5])
local queue = redis.call('LRANGE', base .. ':queue', 0, most < 0 and -1 or most - 1)
local requests, number = 0, 0
if ARGV[6] ~= '' then
  requests = redis.call('HINCRBY', base, 'requests', 1)
  number = redis.call('HINCRBY', base, 'added', 1) - 1
  append(base, 'request', string.format('%d ', number) .. ARGV[6])
end
keep(base)
return {{epoch, change, fields, queue, requests, number, redis.call('HKEYS', base .. ':leases')}}
"""

_COMMIT: Final = f"""{_KEEP}
-- KEYS: base. ARGV: epoch, known change ('' for any), the first item of the queue if it is taken, what takes its
-- place ('' is nothing), the lease under which it is taken ('' is nothing), the numbers of the items, fields and
-- forgotten fields that follow.
local base = KEYS[1]
if redis.call('HGET', base, 'epoch') ~= ARGV[1] then return -1 end
local change = tonumber(redis.call('HGET', base, 'change') or '0')
if ARGV[2] ~= '' and change ~= tonumber(ARGV[2]) then return -1 end
if ARGV[3] ~= '' then
  if redis.call('LINDEX', base .. ':queue', 0) ~= ARGV[3] then return -1 end
  redis.call('LPOP', base .. ':queue')
  if ARGV[4] ~= '' then redis.call('LPUSH', base .. ':queue', ARGV[4]) end
  if ARGV[4] == '' then redis.call('HINCRBY', base, 'items', -1) end
  if ARGV[5] ~= '' then redis.call('HSET', base .. ':leases', ARGV[5], ARGV[3]) end
end
local at, items, fields, forgotten = 9, tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
for index = at, at + items - 1 do redis.call('RPUSH', base .. ':queue', ARGV[index]) end
if items > 0 then redis.call('HINCRBY', base, 'items', items) end
at = at + items
if fields > 0 then change = redis.call('HINCRBY', base, 'change', 1) end
for index = at, at + 2 * fields - 1, 2 do
  redis.call('HSET', base .. ':fields', ARGV[index], ARGV[index + 1])
  if string.sub(ARGV[index], 1, 5) ~= 'part:' then redis.call('ZADD', base .. ':changes', change, ARGV[index]) end
end
at = at + 2 * fields
for index = at, at + forgotten - 1 do
  redis.call('HDEL', base .. ':fields', ARGV[index])
  redis.call('ZREM', base .. ':changes', ARGV[index])
end
keep(base)
return change
"""

_APPEND: Final = f"""{_APPENDING}
-- KEYS: base. ARGV: epoch, record, lease that ends with it ('' is nothing).
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
append(KEYS[1], 'response', ARGV[2])
if ARGV[3] ~= '' then redis.call('HDEL', KEYS[1] .. ':leases', ARGV[3]) end
return 1
"""

_PUT_BACK: Final = """
-- KEYS: base. ARGV: leases, the latest first: their items go back to the front of the queue.
local count = 0
for _, lease in ipairs(ARGV) do
  local item = redis.call('HGET', KEYS[1] .. ':leases', lease)
  if item then
    redis.call('HDEL', KEYS[1] .. ':leases', lease)
    redis.call('LPUSH', KEYS[1] .. ':queue', item)
    redis.call('HINCRBY', KEYS[1], 'items', 1)
    count = count + 1
  end
end
return count
"""

_CLEAR_JOURNAL: Final = """
-- KEYS: base. It is trimmed and not deleted, so that the ids of its records go on rising.
redis.call('XTRIM', KEYS[1] .. ':journal', 'MAXLEN', 0)
redis.call('HSET', KEYS[1], 'kept', 0, 'bytes', 0)
return 1
"""

_CREATE: Final = f"""{_KEEP}
-- KEYS: base, sessions. ARGV: epoch, id, settings.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'format', '{FORMAT}', 'change', 1)
redis.call('HSET', KEYS[1] .. ':fields', 'settings', ARGV[3])
redis.call('ZADD', KEYS[1] .. ':changes', 1, 'settings')
redis.call('ZADD', KEYS[2], 'NX', redis.call('INCR', KEYS[2] .. ':created'), ARGV[2])
keep(KEYS[1])
return 1
"""

_DELETE: Final = """
-- KEYS: base, sessions. ARGV: id.
redis.call('ZREM', KEYS[2], ARGV[1])
local base, deleted = KEYS[1], 0
for _, part in ipairs({'', ':fields', ':changes', ':queue', ':leases', ':journal'}) do
  deleted = deleted + redis.call('DEL', base .. part)
end
return deleted
"""

SCRIPTS: Final = {
    "SYNC": _SYNC,
    "COMMIT": _COMMIT,
    "APPEND": _APPEND,
    "PUT_BACK": _PUT_BACK,
    "CLEAR_JOURNAL": _CLEAR_JOURNAL,
    "CREATE": _CREATE,
    "DELETE": _DELETE,
}
