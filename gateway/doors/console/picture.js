// How do numbers become a picture? Grey between two limits, or a colour for each label.

/** Draw one plane of numbers, `width` of them in a row, into image data. `look` says how: labels, low, high. */
export function paint(image, data, look) {
  const out = new Uint32Array(image.data.buffer);
  if (look.channels > 1) paintColours(image.data, data, look.channels);
  else if (look.labels) paintLabels(out, data);
  else paintGrey(out, data, look.low, look.high);
  return image;
}

function paintColours(out, data, channels) {
  for (let at = 0; at * 4 < out.length; at += 1) {
    for (let one = 0; one < 3; one += 1) out[at * 4 + one] = data[at * channels + Math.min(one, channels - 1)];
    out[at * 4 + 3] = 255;
  }
}

function paintGrey(out, data, low, high) {
  const scale = 255 / (high - low || 1);
  for (let at = 0; at < out.length; at += 1) {
    const value = Math.max(0, Math.min(255, (Number(data[at]) - low) * scale)) | 0;
    out[at] = 0xff000000 | (value << 16) | (value << 8) | value;
  }
}

function paintLabels(out, data) {
  const known = new Map();
  let [last, colour] = [null, 0];
  for (let at = 0; at < out.length; at += 1) {
    const label = data[at];
    if (label !== last) {
      last = label;
      colour = known.get(label);
      if (colour === undefined) {
        colour = labelColour(label);
        known.set(label, colour);
      }
    }
    out[at] = colour;
  }
}

/** A colour for a label, always the same; none for 0. */
function labelColour(label) {
  const whole = BigInt(label);
  if (whole === 0n) return 0xff000000;
  let mixed = Number((whole ^ (whole >> 32n)) & 0xffffffffn);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b);
  mixed ^= mixed >>> 16;
  const [red, green, blue] = rgb(
    (mixed & 0xffff) / 65536,
    0.55 + ((mixed >>> 16) & 0xff) / 640,
    0.95 - ((mixed >>> 24) & 0x7f) / 400,
  );
  return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
}

function rgb(hue, saturation, value) {
  const part = (shift) => {
    const at = (shift + hue * 6) % 6;
    return Math.round(255 * value * (1 - saturation * Math.max(0, Math.min(at, 4 - at, 1))));
  };
  return [part(5), part(3), part(1)];
}

/** Limits of grey that leave out the darkest and the brightest percent. */
export function limits(data, descr) {
  if (descr.endsWith("u1")) return [0, 255];
  const step = Math.max(1, Math.floor(data.length / 20000));
  const some = [];
  for (let at = 0; at < data.length; at += step) {
    const value = Number(data[at]);
    if (Number.isFinite(value)) some.push(value);
  }
  some.sort((one, other) => one - other);
  if (!some.length) return [0, 1];
  const low = some[Math.floor(some.length * 0.01)];
  const high = some[Math.min(some.length - 1, Math.floor(some.length * 0.99))];
  return low < high ? [low, high] : [some[0], some[some.length - 1] || some[0] + 1];
}
