-- wrk: POSTs whose parameters never repeat, so that nothing can answer from memory.
local token = os.getenv("BENCH_TOKEN")
wrk.headers["Content-Type"] = "application/json"
if token and token ~= "" then wrk.headers["Authorization"] = "Bearer " .. token end
local template = os.getenv("BENCH_BODY")
local before, after = template:match("^(.-)@@(.*)$")
local n = 0
request = function()
  n = n + 1
  return wrk.format("POST", nil, nil, before .. n .. after)
end
