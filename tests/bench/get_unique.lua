-- wrk: one GET after the other, each of another address, so that nothing can be answered from memory.
local token = os.getenv("BENCH_TOKEN")
local path = os.getenv("BENCH_BODY")
if token and token ~= "" then wrk.headers["Authorization"] = "Bearer " .. token end
local count = 0
request = function()
  count = count + 1
  return wrk.format("GET", path .. "?n=" .. count)
end
