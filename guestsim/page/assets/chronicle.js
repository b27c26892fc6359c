/**
 * What has happened so far, told event by event: the indices after each, who wrote each byte of
 * the ring last, and the messages that went over it (guestsim/report/ring_history.py).
 *
 * @import {Play} from "./engine.js"
 * @import {Event} from "./ops.js"
 * @import {Index, Program, Ring} from "./program.js"
 *
 * @typedef {Record<Index, number>} Indices
 * @typedef {{ring: Ring, type: string, reqId: number, txId: number, payload: number[], at: number}}
 *   Message  `at`: the event that published its last byte
 */
import {apply, word} from "./effects.js";
import {Kind, valueOf} from "./ops.js";
import {coveredIndices, INDICES, ringOf} from "./places.js";

const RING = 1024;
const HEADER = 16;
/** The indices that a side moves itself; the guest is actor 0. @type {Index[][]} */
const OWN = [["req_prod", "rsp_cons"], ["req_cons", "rsp_prod"]];

/** Whether `name` is an index that the actor moves itself. @param {number} actor @param {Index} name */
export function isOwn(actor, name) {
  return OWN[actor === 0 ? 0 : 1].includes(name);
}

/** prod - cons modulo 2^32. @param {Indices} indices @param {Ring} ring */
export function used(indices, ring) {
  return (indices[`${ring}_prod`] - indices[`${ring}_cons`]) >>> 0;
}

export class Chronicle {
  /**
   * From power on, through what a script did before the reader may decide, and through a play.
   * @param {Program} program @param {Play} [play]
   */
  constructor(program, play) {
    this.program = program;
    this.memory = Uint8Array.from(program.memory);
    /** @type {Event[]} */
    this.events = [];
    /** @type {Indices[]} after each event */
    this.after = [];
    this.initial = this.read();
    /** For each byte of both rings the actor that wrote it last; 255: nobody. */
    this.writers = new Uint8Array(2 * RING).fill(255);
    /** @type {Message[]} */
    this.messages = [];
    /** Events that stored to each index. @type {Record<Index, number[]>} */
    this.stores = {req_cons: [], req_prod: [], rsp_cons: [], rsp_prod: []};
    /** Bytes of messages that are not whole yet. @type {Record<Ring, {buffer: number[], lost: boolean}>} */
    this.streams = {req: {buffer: [], lost: false}, rsp: {buffer: [], lost: false}};
    for (const event of program.begun.events) this.add(event);
    for (const step of play?.steps ?? []) for (const event of step.events) this.add(event);
  }

  /** @private */
  read() {
    const {indices} = this.program.layout;
    const found = /** @type {Indices} */ ({});
    for (const name of INDICES) found[name] = word(this.memory, indices[name]);
    return found;
  }

  /** The indices as they stand. */
  get now() {
    return this.after.at(-1) ?? this.initial;
  }

  /** The indices as event `at` finds them. @param {number} at */
  before(at) {
    return at ? this.after[at - 1] : this.initial;
  }

  /** @param {Event} event */
  add(event) {
    const {op} = event;
    const at = this.events.length;
    const was = this.now;
    apply(this.memory, op, this.program.layout);
    this.events.push(event);
    const names = op.kind === Kind.STORE ? coveredIndices(op, this.program) : [];
    if (op.kind === Kind.STORE && op.address < 2 * RING) {
      const end = Math.min(op.address + op.size, 2 * RING);
      this.writers.fill(event.actor, op.address, end);
    }
    if (!names.length) {
      this.after.push(was);
      return;
    }
    const now = this.read();
    this.after.push(now);
    for (const name of names) {
      this.stores[name].push(at);
      const ring = ringOf(name);
      const moved = (now[name] - was[name]) >>> 0;
      if (!isOwn(event.actor, name) || moved > RING) {
        this.streams[ring] = {buffer: [], lost: false};
      } else if (name.endsWith("prod")) {
        this.publish(ring, was[`${ring}_prod`], moved, at);
      }
    }
  }

  /**
   * @private Event `at` has moved `prod` on: what that makes of messages.
   * @param {Ring} ring @param {number} prod before it @param {number} moved @param {number} at
   */
  publish(ring, prod, moved, at) {
    const stream = this.streams[ring];
    if (stream.lost) return;
    const base = ring === "req" ? 0 : RING;
    for (let offset = 0; offset < moved; offset += 1) {
      stream.buffer.push(this.memory[base + (prod + offset) % RING]);
    }
    while (stream.buffer.length >= HEADER) {
      const [kind, reqId, txId, length] = [0, 4, 8, 12].map((from) =>
        /** @type {number} */ (valueOf(stream.buffer.slice(from, from + 4))));
      const type = this.program.layout.types[kind];
      if (type === undefined || length > this.program.layout.payloadMax) {
        stream.lost = true;
        return;
      }
      if (stream.buffer.length < HEADER + length) return;
      const payload = stream.buffer.slice(HEADER, HEADER + length);
      this.messages.push({ring, type, reqId, txId, payload, at});
      stream.buffer.splice(0, HEADER + length);
    }
  }

  /**
   * The last store to an index before event `at`; -1 for its first value.
   * @param {Index} name @param {number} at
   */
  origin(name, at) {
    return this.stores[name].findLast((step) => step < at) ?? -1;
  }
}

/** `READ hvmloader/bios`. @param {Message} message */
export function titleOf(message) {
  const end = message.payload.indexOf(0);
  const first = message.payload.slice(0, end < 0 ? undefined : end);
  return first.length ? `${message.type} ${spell(first, 48)}` : message.type;
}

/** Bytes as text of at most `limit` signs, others as escapes. @param {number[]} bytes @param {number} limit */
export function spell(bytes, limit) {
  const text = bytes.slice(0, limit + 1).map((byte) => {
    if (byte >= 32 && byte < 127) return String.fromCharCode(byte);
    return byte ? `\\x${byte.toString(16).padStart(2, "0")}` : "\\0";
  }).join("");
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}
