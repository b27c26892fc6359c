/**
 * What one op gives and does to shared memory: guestsim/trace/effects.py, over bytes.
 *
 * `layout` has the places of the event channel, as guestsim/trace/shared.py has them.
 *
 * @import {Op, Value} from "./ops.js"
 * @import {Layout} from "./program.js"
 */
import {bytesOf, Flag, Kind, valueOf} from "./ops.js";

/**
 * Load `size` bytes.
 * @param {Uint8Array} memory @param {number} address @param {number} size @returns {Value}
 */
function load(memory, address, size) {
  if (size === 4) {
    return (memory[address] | memory[address + 1] << 8 | memory[address + 2] << 16
      | memory[address + 3] << 24) >>> 0;
  }
  return size === 1 ? memory[address] : valueOf(memory.subarray(address, address + size));
}

/** Load four bytes. @param {Uint8Array} memory @param {number} address */
export function word(memory, address) {
  return /** @type {number} */ (load(memory, address, 4));
}

/** @param {Uint8Array} memory @param {number} address @param {number} value */
function setWord(memory, address, value) {
  memory[address] = value & 255;
  memory[address + 1] = value >>> 8 & 255;
  memory[address + 2] = value >>> 16 & 255;
  memory[address + 3] = value >>> 24;
}

/** The bits that an op of events sets, takes or awaits: all in one word. @param {Op} op */
export function bitsOf(op) {
  return /** @type {number} */ (op.value);
}

/**
 * What the op would give now; 0 for a CHOOSE, whose answer is not in memory.
 * @param {Uint8Array} memory @param {Op} op @returns {Value}
 */
export function resultOf(memory, op) {
  switch (op.kind) {
    case Kind.STORE: return op.value;
    case Kind.LOAD:
    case Kind.RMW: return load(memory, op.address, op.size);
    case Kind.WAIT: return op.size && word(memory, op.address) & bitsOf(op) ? 1 : 0;
    case Kind.SEND: return (word(memory, op.address) & bitsOf(op)) >>> 0 === op.value ? 0 : 1;
    default: return 0;
  }
}

/** Perform the op's effect. @param {Uint8Array} memory @param {Op} op @param {Layout} layout */
export function apply(memory, op, layout) {
  if (op.kind === Kind.STORE) {
    memory.set(bytesOf(op.value, op.size), op.address);
  } else if (op.kind === Kind.SEND) {
    const before = word(memory, op.address);
    if ((before & bitsOf(op)) >>> 0 === op.value) return;
    setWord(memory, op.address, before | bitsOf(op));
    if (op.address < layout.server) upcall(memory, op, layout);
  } else if (op.kind === Kind.WAIT) {
    if (op.flags & Flag.CONSUME && op.size) {
      const bits = word(memory, op.address);
      if (bits & bitsOf(op)) setWord(memory, op.address, bits & ~bitsOf(op));
    }
  } else if (op.kind === Kind.UNMASK) {
    const mask = op.address - layout.pending + layout.mask;
    const before = word(memory, mask);
    if (!(before & bitsOf(op))) return;
    setWord(memory, mask, before & ~bitsOf(op));
    if (word(memory, op.address) & bitsOf(op)) upcall(memory, op, layout);
  }
}

/**
 * xen/common/event_2l.c: selector and upcall bit of vcpu 0, unless the event is masked,
 * or the selector's bit is set already.
 * @param {Uint8Array} memory @param {Op} op @param {Layout} layout
 */
function upcall(memory, op, layout) {
  if (word(memory, op.address - layout.pending + layout.mask) & bitsOf(op)) return;
  const bit = 1 << (op.address - layout.pending) / 4;
  const selector = word(memory, layout.selector);
  if (selector & bit) return;
  setWord(memory, layout.selector, selector | bit);
  memory[layout.upcall] = 1;
}

/**
 * The ranges [address, size] in which the op may change memory.
 * @param {Op} op @param {Layout} layout @returns {[number, number][]}
 */
export function rangesOf(op, layout) {
  if (op.kind === Kind.STORE) return [[op.address, op.size]];
  if (op.kind !== Kind.SEND && op.kind !== Kind.WAIT && op.kind !== Kind.UNMASK) return [];
  if (!op.size) return [];
  if (op.address >= layout.server) return [[op.address, op.size]];
  return [
    [op.address, op.size], [op.address - layout.pending + layout.mask, op.size],
    [layout.selector, 4], [layout.upcall, 1],
  ];
}

/**
 * Put into `data`, what `op` loads, the bytes that `store` covers.
 * @param {Uint8Array} data @param {Op} op @param {Op} store
 */
export function overlay(data, op, store) {
  const first = Math.max(op.address, store.address);
  const last = Math.min(op.address + op.size, store.address + store.size);
  if (first >= last) return;
  const bytes = bytesOf(store.value, store.size);
  data.set(bytes.subarray(first - store.address, last - store.address), first - op.address);
}
