// How are numbers, sizes and times said to people?

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** 1536 is "1.5 KiB". */
export function bytes(count) {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** 1234567 is "1,234,567". */
export function count(value) {
  return Number(value).toLocaleString("en-US");
}

/** 0.8423 is "84.2 %"; nothing is a dash. */
export function percent(ratio) {
  return ratio === null || ratio === undefined ? "–" : `${(ratio * 100).toFixed(1)} %`;
}

/** Seconds as one or two units: 93 is "1 min 33 s". */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  const steps = [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  const at = steps.findIndex(([, size]) => seconds >= size);
  const [unit, size] = steps[at];
  const whole = Math.floor(seconds / size);
  const next = steps[at + 1];
  const rest = next ? Math.floor((seconds - whole * size) / next[1]) : 0;
  return rest ? `${whole} ${unit} ${rest} ${next[0]}` : `${whole} ${unit}`;
}

/** Milliseconds: 0.42 is "0.4 ms", 1400 is "1.4 s". */
export function milliseconds(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return value >= 1000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

/** A moment as people here write it, from ISO text or seconds since 1970. */
export function moment(when) {
  if (when === null || when === undefined || when === "") return "–";
  const date = new Date(typeof when === "number" ? when * 1000 : when);
  return Number.isNaN(date.getTime()) ? String(when) : date.toLocaleString("sv-SE");
}

/** "1 method", "2 methods". */
export function many(number, one, several = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : several}`;
}
