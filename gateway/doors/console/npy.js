// What is in a numpy file? Its type, its shape, and its numbers where they lie (NEP 1: the format of .npy).

const KINDS = {
  b1: Uint8Array,
  i1: Int8Array,
  u1: Uint8Array,
  i2: Int16Array,
  u2: Uint16Array,
  i4: Int32Array,
  u4: Uint32Array,
  i8: BigInt64Array,
  u8: BigUint64Array,
  f4: Float32Array,
  f8: Float64Array,
};

/** The array of a file: descr, shape, fortran, data, and where the data begin. Raises an error where it is none. */
export function npy(buffer) {
  const head = new DataView(buffer);
  const magic = String.fromCharCode(...new Uint8Array(buffer, 0, Math.min(6, buffer.byteLength)));
  if (magic !== "\x93NUMPY") throw new Error("it is no numpy file (.npy)");
  const long = head.getUint8(6) > 1;
  const length = long ? head.getUint32(8, true) : head.getUint16(8, true);
  const start = (long ? 12 : 10) + length;
  const text = new TextDecoder().decode(new Uint8Array(buffer, start - length, length));
  const descr = /'descr':\s*'([^']+)'/.exec(text)?.[1];
  const shape = (/'shape':\s*\(([^)]*)\)/.exec(text)?.[1] ?? "")
    .split(",")
    .map((one) => one.trim())
    .filter(Boolean)
    .map(Number);
  const fortran = /'fortran_order':\s*True/.test(text);
  const kind = KINDS[descr?.slice(1)];
  if (!kind) throw new Error(`its type is ${descr ?? "not said"}, of which there is no picture`);
  if (descr[0] === ">" && kind.BYTES_PER_ELEMENT > 1) swap(new Uint8Array(buffer, start), kind.BYTES_PER_ELEMENT);
  const size = shape.reduce((product, one) => product * one, 1);
  // Views need their start at a multiple of the size of a number, which the format does not promise.
  const data = start % kind.BYTES_PER_ELEMENT ? new kind(buffer.slice(start), 0, size) : new kind(buffer, start, size);
  return { descr, shape, fortran, data, start };
}

/** The name that numpy gives the type. */
export function dtypeName(descr) {
  const names = { b1: "bool", i: "int", u: "uint", f: "float" };
  const code = descr.slice(1);
  return names[code] ?? `${names[code[0]]}${Number(code.slice(1)) * 8}`;
}

function swap(raw, size) {
  for (let at = 0; at + size <= raw.length; at += size) raw.subarray(at, at + size).reverse();
}

/** Least and greatest of the numbers that are numbers, from at most so many of them; null where there are none. */
export function range(data, most = 1 << 20) {
  const step = Math.max(1, Math.floor(data.length / most));
  let [low, high] = [null, null];
  for (let at = 0; at < data.length; at += step) {
    const value = data[at];
    if (Number.isNaN(value)) continue;
    if (low === null || value < low) low = value;
    if (high === null || value > high) high = value;
  }
  return low === null ? null : [low, high];
}
