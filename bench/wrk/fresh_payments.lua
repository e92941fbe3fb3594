-- Posts payments whose ids are fresh over threads and runs: random bits of the thread, and a counter, which the
-- first digits spread, as those of random ids are.
--   wrk … -s bench/wrk/fresh_payments.lua URL -- [requests per write, default 1] [processor | SECONDS]
-- With `processor` the body has `requestedAt` too, as a payment processor expects it. After SECONDS no more
-- is sent: if wrk's own -d is longer, every request is answered, and counted, when it ends.

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, micros; } time_of_day; int gettimeofday(time_of_day*, void*);")

local head_format = "POST /payments HTTP/1.1\r\nHost: %s:%s\r\n"
  .. "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
local body_head = '{"correlationId":"'
local body_tail = '","amount":19.90}'

local depth = 1
local start, id_middle
local last = math.huge
local sent = 0
local time = ffi.new("time_of_day")

local function now()
  ffi.C.gettimeofday(time, nil)
  return tonumber(time.seconds) + tonumber(time.micros) / 1e6
end

function init(args)
  depth = tonumber(args[1]) or 1
  if args[2] == "processor" then
    body_tail = '","amount":19.90,"requestedAt":"' .. os.date("!%Y-%m-%dT%H:%M:%S") .. '.000Z"}'
  elseif args[2] then
    last = now() + tonumber(args[2])
  end
  local source = io.open("/dev/urandom", "rb")
  local random = source:read(8):gsub(".", function(byte) return string.format("%02x", byte:byte()) end)
  source:close()
  id_middle = "-" .. random:sub(9, 12) .. "-4" .. random:sub(13, 15) .. "-8" .. random:sub(1, 3) .. "-"
  local head = string.format(head_format, wrk.host, wrk.port, #body_head + 36 + #body_tail)
  start = head .. body_head
end

local function one_request()
  sent = sent + 1
  return start .. string.format("%08x%s%012x", sent * 2654435761 % 4294967296, id_middle, sent) .. body_tail
end

function request()
  if now() > last then return "" end -- the connection then waits for an answer that never comes
  if depth == 1 then return one_request() end
  local requests = {}
  for i = 1, depth do requests[i] = one_request() end
  return table.concat(requests)
end
