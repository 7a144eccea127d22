-- wrk: POSTs from a set of ten thousand, one after the other; in the body the number of each takes the place of both @@.
local token = os.getenv("BENCH_TOKEN")
wrk.headers["Content-Type"] = "application/json"
if token and token ~= "" then wrk.headers["Authorization"] = "Bearer " .. token end
local before, middle, after = os.getenv("BENCH_BODY"):match("^(.-)@@(.-)@@(.*)$")
local made, count = {}, 0
function init()
  for n = 1, 10000 do made[n] = wrk.format("POST", nil, nil, before .. n .. middle .. n .. after) end
end
function request()
  count = count % 10000 + 1
  return made[count]
end
