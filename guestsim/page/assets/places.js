/**
 * How people call places and values: guestsim/trace/shared.py, guestsim/report/units.py.
 *
 * @import {Op, Value} from "./ops.js"
 * @import {Index, Layout, Program, Ring} from "./program.js"
 */
import {Kind} from "./ops.js";

/** In the order of the page. @type {readonly Index[]} */
export const INDICES = Object.freeze(["req_cons", "req_prod", "rsp_cons", "rsp_prod"]);

/** The ring of an index. @param {Index} name */
export function ringOf(name) {
  return /** @type {Ring} */ (name.slice(0, 3));
}

/** Where a field begins. @param {string} name @param {Layout} layout */
export function startOf(name, layout) {
  const [, start] = /** @type {[string, number, number]} */ (layout.fields.find(([field]) => field === name));
  return start;
}

/** The field at an address; "" where there is none. @param {number} address @param {Program} program */
export function fieldAt(address, program) {
  for (const [name, start, end] of program.layout.fields) {
    if (address >= start && address < end) return name;
  }
  return "";
}

/** `req_prod`, `req[5]`, `rsp[16..23]`. @param {Op} op @param {Program} program */
export function placeOf(op, program) {
  if (!op.size) return "nothing";
  const name = fieldAt(op.address, program);
  if (name === "server_pending") return "the guest's signal";
  if (name === "evtchn_pending" && op.kind === Kind.WAIT) return "the daemon's signal";
  if (name === "req" || name === "rsp") {
    const first = op.address % 1024;
    return op.size === 1 ? `${name}[${first}]` : `${name}[${first}..${first + op.size - 1}]`;
  }
  const indices = coveredIndices(op, program);
  if (indices.length > 1) return `${indices[0]}..${indices.at(-1)}`;
  if (indices.length === 1 && op.size < 4) return `${name} byte ${op.address % 4}`;
  return name;
}

/** The indices of which the op covers bytes. @param {Op} op @param {Program} program */
export function coveredIndices(op, program) {
  const {indices} = program.layout;
  const first = indices.req_cons;
  if (op.address >= first + 16 || op.address + op.size <= first) return [];
  return INDICES.filter((name) => op.address < indices[name] + 4 && indices[name] < op.address + op.size);
}

/** A value of a field in words. @param {string} name @param {Value} value @param {Layout} layout */
export function valueWords(name, value, layout) {
  if (typeof value === "string") return value;
  if (name === "error") return value && layout.errors[value] ? `${value} (${layout.errors[value]})` : `${value}`;
  if (name === "connection" && value < 2) return `${value} (${value ? "reconnect" : "connected"})`;
  if (name === "server_features" && value) {
    const bits = [];
    for (let bit = 0; bit < 32; bit += 1) {
      if (value >>> bit & 1) bits.push(layout.features[bit] ?? `bit ${bit}`);
    }
    return `0x${value.toString(16)} (${bits.join(", ")})`;
  }
  if (name.startsWith("evtchn")) return `0x${value.toString(16)}`;
  return `${value}`;
}

/** `31`, or `-31` where a difference modulo 2^32 is over half of it. @param {number} difference */
export function signed(difference) {
  return difference > 0x7fffffff ? difference - 0x100000000 : difference;
}

/** Bytes as text where they are, else as numbers. @param {number[]} bytes */
export function dataWords(bytes) {
  const first = bytes[0];
  if (bytes.length > 1 && bytes.every((byte) => byte === first)) {
    return `0x${first.toString(16).padStart(2, "0")} ×${bytes.length}`;
  }
  if (bytes.length === 1) return `0x${first.toString(16).padStart(2, "0")}`;
  const text = bytes.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·"));
  return `"${text.join("")}"`;
}
