-- wrk: one GET after the other; the number of each takes the place of @@ in the target that the environment gives.
local token = os.getenv("BENCH_TOKEN")
if token and token ~= "" then wrk.headers["Authorization"] = "Bearer " .. token end
local before, after = os.getenv("BENCH_BODY"):match("^(.-)@@(.*)$")
local count = 0
request = function()
  count = count + 1
  return wrk.format("GET", before .. count .. after)
end
