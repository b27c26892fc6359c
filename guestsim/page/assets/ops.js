/**
 * What ops are: guestsim/trace/ops.py, in numbers as the page's content has them.
 *
 * @typedef {number | string} Value  a little-endian integer; above 2^53 a hexadecimal string
 * @typedef {{
 *   id: number, kind: number, address: number, size: number, value: Value, flags: number,
 *   stage: string, where: string, source: string, note: string, end: End | null
 * }} Op
 * @typedef {{
 *   outcome: string | null, message: string, stage: string, where: string,
 *   samples: [string, number][], unanswered: string[]
 * }} End
 * @typedef {{actor: number, op: Op, value: Value}} Event
 */

export const Kind = Object.freeze({
  LOAD: 0, STORE: 1, RMW: 2, FENCE: 3, SEND: 4, UNMASK: 5, WAIT: 6, HALT: 7, CHOOSE: 8, ACT: 9,
});

export const Flag = Object.freeze({
  LOCKED: 1, SPURIOUS: 2, CONSUME: 4, CHECK: 8, POLL: 16, STRING: 32,
});

/** In the order in which they are told. */
export const OUTCOMES = Object.freeze(["connected", "refused", "corrupted", "hung", "crashed"]);

/** Whether the op gives its actor an answer. @param {Op} op */
export function isAnswered(op) {
  return op.kind === Kind.LOAD || op.kind === Kind.RMW || op.kind === Kind.WAIT
    || op.kind === Kind.CHOOSE;
}

/** @param {Value} value @returns {bigint} */
export function big(value) {
  return BigInt(value);
}

/** @param {bigint} value @returns {Value} as the content writes it */
function exact(value) {
  return value < 1n << 53n ? Number(value) : `0x${value.toString(16)}`;
}

/** The little-endian bytes of a value. @param {Value} value @param {number} size */
export function bytesOf(value, size) {
  const bytes = new Uint8Array(size);
  if (typeof value === "number" && value <= 0xffffffff) {
    for (let at = 0, rest = value; at < size && at < 4; at += 1, rest >>>= 8) bytes[at] = rest & 255;
    return bytes;
  }
  let rest = big(value);
  for (let at = 0; at < size && rest; at += 1, rest >>= 8n) bytes[at] = Number(rest & 255n);
  return bytes;
}

/** The value of little-endian bytes. @param {ArrayLike<number>} bytes @returns {Value} */
export function valueOf(bytes) {
  if (bytes.length <= 4) {
    let value = 0;
    for (let at = bytes.length - 1; at >= 0; at -= 1) value = value * 256 + bytes[at];
    return value;
  }
  let value = 0n;
  for (let at = bytes.length - 1; at >= 0; at -= 1) value = value << 8n | BigInt(bytes[at]);
  return exact(value);
}
