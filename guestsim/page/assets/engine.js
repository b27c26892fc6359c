/**
 * One execution of the records, played by hand: guestsim/execute/, with undo.
 *
 * @import {End, Event, Op, Value} from "./ops.js"
 * @import {Program} from "./program.js"
 *
 * @typedef {{actor: number, end: End}} Ended  who ended the play, and how
 * @typedef {{
 *   mover: number, answer: number, node: number, buffer: Op[], events: Event[],
 *   saved: [number, Uint8Array][]
 * }} Step  one step, and what it takes to undo it
 */
import {apply, overlay, rangesOf, resultOf} from "./effects.js";
import {Flag, isAnswered, Kind, valueOf} from "./ops.js";
import {placeOf} from "./places.js";

export class Play {
  /** @param {Program} program */
  constructor(program) {
    this.program = program;
    this.count = program.actors.length;
    /** Movers behind the actors are their store buffers. */
    this.movers = program.tso ? 2 * this.count : this.count;
    this.memory = Uint8Array.from(program.memory);
    for (const event of program.begun.events) apply(this.memory, event.op, program.layout);
    this.nodes = program.actors.map((actor) => actor.first);
    /** @type {Op[][]} */
    this.buffers = program.actors.map(() => []);
    /** @type {Step[]} */
    this.steps = [];
    /** Moves that were undone, the next one last. @type {[number, number][]} */
    this.undone = [];
    /** @type {Ended | null} */
    this.ended = null;
  }

  /** The actor's next op. @param {number} actor */
  op(actor) {
    return this.program.ops[this.program.actors[actor].op[this.nodes[actor]]];
  }

  /** @private Whether nobody heeds what the op looks at. @param {Op} op */
  isUnheeded(op) {
    return op.size > 0 && this.program.unheeded.some(([a, b]) => op.address >= a && op.address < b);
  }

  /** @private What the actor's op would give. @param {number} actor @param {Op} op @returns {Value} */
  result(actor, op) {
    if (op.kind !== Kind.LOAD || !this.buffers[actor].length) return resultOf(this.memory, op);
    const data = this.memory.slice(op.address, op.address + op.size);
    for (const store of this.buffers[actor]) overlay(data, op, store);
    return valueOf(data);
  }

  /**
   * @private The node after the answer, or -1 where the record does not have it.
   * @param {number} actor @param {number} node @param {Value} value
   */
  after(actor, node, value) {
    const known = this.program.actors[actor].answers.get(node);
    const then = known?.get(value);
    if (then !== undefined) return then;
    // Of an event that nobody heeds one answer is enough: both lead to the same.
    const op = this.program.ops[this.program.actors[actor].op[node]];
    return this.isUnheeded(op) ? known?.get(1 - Number(value)) ?? -1 : -1;
  }

  /** Why the mover cannot move; "" where it can. @param {number} mover */
  whyNot(mover) {
    if (this.ended) return "it is over";
    const actor = mover % this.count;
    const buffer = this.buffers[actor];
    if (mover >= this.count) return buffer.length ? "" : "its store buffer is empty";
    const op = this.op(actor);
    if (this.program.tso && op.kind === Kind.STORE) {
      return buffer.length < this.program.storeBuffer ? "" : "its store buffer is full";
    }
    if (buffer.length && op.kind !== Kind.LOAD && op.kind !== Kind.CHOOSE) {
      return "its store buffer has to be empty first";
    }
    const value = this.result(actor, op);
    if (op.kind === Kind.WAIT && !value && !(op.flags & Flag.SPURIOUS)) {
      return `it waits for ${placeOf(op, this.program)}`;
    }
    if (isAnswered(op) && op.kind !== Kind.CHOOSE && this.after(actor, this.nodes[actor], value) < 0) {
      return "what follows is not in this page: it holds some ways only";
    }
    if (!isAnswered(op) && op.kind !== Kind.HALT
        && this.program.actors[actor].next[this.nodes[actor]] < 0) {
      return "what follows is not in this page: it holds some ways only";
    }
    return "";
  }

  /**
   * Make one step; whether that was possible. What was undone before is forgotten.
   * @param {number} mover @param {number} [answer] of a CHOOSE
   */
  step(mover, answer = 0) {
    if (this.whyNot(mover)) return false;
    const next = this.undone.at(-1);
    if (next && next[0] === mover && next[1] === answer) this.undone.pop();
    else this.undone = [];
    this.move(mover, answer);
    return true;
  }

  /** @private @param {number} mover @param {number} answer */
  move(mover, answer) {
    const {program, memory} = this;
    const actor = mover % this.count;
    const record = program.actors[actor];
    const node = this.nodes[actor];
    const buffer = this.buffers[actor];
    /** @type {Event[]} */
    const events = [];
    if (mover >= this.count) {
      const [oldest, ...rest] = buffer;
      this.buffers[actor] = rest;
      events.push({actor, op: oldest, value: oldest.value});
    } else {
      const op = this.op(actor);
      if (op.kind === Kind.STORE && program.tso) {
        this.buffers[actor] = [...buffer, op];
        this.nodes[actor] = record.next[node];
      } else {
        const value = op.kind === Kind.CHOOSE ? answer : this.result(actor, op);
        events.push({actor, op, value});
        if (op.kind === Kind.HALT) {
          this.ended = {actor, end: /** @type {End} */ (op.end)};
        } else {
          let then = isAnswered(op) ? this.after(actor, node, value) : record.next[node];
          if (op.kind === Kind.RMW) {
            const half = program.ops[record.op[then]];
            events.push({actor, op: half, value: half.value});
            then = record.next[then];
          }
          this.nodes[actor] = then;
        }
      }
    }
    /** @type {[number, Uint8Array][]} */
    const saved = [];
    for (const {op} of events) {
      for (const [address, size] of rangesOf(op, program.layout)) {
        saved.push([address, memory.slice(address, address + size)]);
      }
      apply(memory, op, program.layout);
    }
    this.steps.push({mover, answer, node, buffer, events, saved});
  }

  /** Take the last step back; whether there was one. */
  undo() {
    const step = this.steps.pop();
    if (!step) return false;
    const actor = step.mover % this.count;
    this.nodes[actor] = step.node;
    this.buffers[actor] = step.buffer;
    for (const [address, bytes] of step.saved.reverse()) this.memory.set(bytes, address);
    this.ended = null;
    this.undone.push([step.mover, step.answer]);
    return true;
  }

  /** Make the step that was undone last again; whether there was one. */
  redo() {
    const next = this.undone.at(-1);
    return next !== undefined && this.step(next[0], next[1]);
  }

  /** The same standing, with a history of its own, which is empty. @returns {Play} */
  clone() {
    const other = Object.assign(/** @type {Play} */ (Object.create(Play.prototype)), this);
    other.memory = this.memory.slice();
    other.nodes = [...this.nodes];
    other.buffers = [...this.buffers];
    [other.steps, other.undone] = [[], []];
    return other;
  }

  /**
   * Whose turn it is: the actor that moved last; -1 at the start. Neither a store that enters or
   * leaves its buffer counts: in the solver's states, stores enter as soon as they can.
   */
  turn() {
    for (let at = this.steps.length - 1; at >= 0; at -= 1) {
      const {mover, events} = this.steps[at];
      if (mover < this.count && events.length) return mover;
    }
    return -1;
  }
}
