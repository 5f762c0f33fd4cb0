-- One unit, one hash, three headers: what a person would write without Watershed.
-- murmur3_x86_32 (Austin Appleby, public domain) on LuaJIT's 32-bit operations.
local bit = require("bit")
local band, bxor, rol, rshift, lshift, tobit =
  bit.band, bit.bxor, bit.rol, bit.rshift, bit.lshift, bit.tobit

-- a * b modulo 2^32; in two halves, because a double holds 53 bits.
local function multiply(a, b)
  return tobit(band(a, 0xffff) * b + lshift(band(rshift(a, 16) * b, 0xffff), 16))
end

local function scramble(block)
  return multiply(rol(multiply(block, 0xcc9e2d51), 15), 0x1b873593)
end

local function murmur3(text)
  local hash, length = 0, #text
  local whole = length - length % 4
  for place = 1, whole, 4 do
    local a, b, c, d = string.byte(text, place, place + 3)
    local block = a + b * 0x100 + c * 0x10000 + d * 0x1000000
    hash = tobit(rol(bxor(hash, scramble(tobit(block))), 13) * 5 + 0xe6546b64)
  end
  local tail, factor = 0, 1
  for place = whole + 1, length do
    tail = tail + string.byte(text, place) * factor
    factor = factor * 0x100
  end
  hash = bxor(hash, scramble(tail), length)
  hash = multiply(bxor(hash, rshift(hash, 16)), 0x85ebca6b)
  hash = multiply(bxor(hash, rshift(hash, 13)), 0xc2b2ae35)
  return bxor(hash, rshift(hash, 16)) % 0x100000000
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local unit = headers:get("x-user-id")
  if unit == nil then return end
  local variant = "candidate"
  if murmur3("experiment-00000::" .. unit) % 10000 < 5000 then variant = "control" end
  headers:replace("x-experiment-id", "experiment-00000")
  headers:replace("x-variant", variant)
  headers:replace("x-watershed-cluster", variant)
  handle:clearRouteCache()
end
