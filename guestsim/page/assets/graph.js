/**
 * Every state that the records can get into, and the steps between them: nothing is left out.
 *
 * A state is a row: each actor's node, the content of memory, and under tso the content of each
 * store buffer. Stores enter their buffer as soon as they can: nobody can see when they do. Events
 * that nobody heeds are no part of a state.
 *
 * @import {End, Op, Value} from "./ops.js"
 * @import {Program} from "./program.js"
 */
import {apply, bitsOf, overlay, rangesOf, word} from "./effects.js";
import {Play} from "./engine.js";
import {Ints, Memories} from "./memories.js";
import {Flag, isAnswered, Kind, OUTCOMES, valueOf} from "./ops.js";
import {States} from "./states.js";

export class Graph {
  /** @param {Program} program */
  constructor(program) {
    this.program = program;
    this.count = program.actors.length;
    this.states = new States(this.count + 1 + (program.tso ? this.count : 0));
    this.memories = new Memories(program.memory.length);
    /** Contents of store buffers: op ids, the oldest first. @type {number[][]} */
    this.buffers = [[]];
    /** @type {Map<string, number>} */
    this.bufferIds = new Map([["", 0]]);
    /** The first edge of each state; edges of one state are neighbours. */
    this.edgeStart = new Ints();
    /** Where an edge leads: a state, or -1 - (the number of the outcome; behind them all: cut short). */
    this.edgeTo = new Ints();
    /** Who moves: an actor, or behind them all a store buffer. */
    this.edgeBy = new Ints();
    /** @type {Map<number, number>} what an op makes of a content, by content × ops + op */
    this.effects = new Map();
    /** Why the records could not be followed; "" where they could. */
    this.stuck = "";
    const play = new Play(program);
    this.row = new Int32Array(this.states.width);
    this.states.add(/** @type {Int32Array} */ (this.rowOf(play, true)));
  }

  /**
   * @private The number of a buffer's content; -1 where it is new and `add` is not set.
   * @param {number[]} ops @param {boolean} add
   */
  buffer(ops, add) {
    const key = ops.join(",");
    let id = this.bufferIds.get(key);
    if (id === undefined) {
      if (!add) return -1;
      id = this.buffers.length;
      this.buffers.push(ops);
      this.bufferIds.set(key, id);
    }
    return id;
  }

  /**
   * The row of where a play stands; null where it is new and `add` is not set.
   * @param {Play} play @param {boolean} [add]
   */
  rowOf(play, add = false) {
    const {program, count} = this;
    const row = new Int32Array(this.states.width);
    const memory = Uint8Array.from(play.memory);
    for (const [start, end] of program.unheeded) memory.set(program.memory.subarray(start, end), start);
    row[count] = this.memories.intern(memory, add);
    if (row[count] < 0) return null;
    for (let actor = 0; actor < count; actor += 1) {
      const entered = this.entered(actor, play.nodes[actor], play.buffers[actor].map((op) => op.id));
      row[actor] = entered[0];
      if (!program.tso) continue;
      row[count + 1 + actor] = this.buffer(entered[1], add);
      if (row[count + 1 + actor] < 0) return null;
    }
    return row;
  }

  /**
   * @private Node and buffer once all stores have entered that can.
   * @param {number} actor @param {number} node @param {number[]} buffer @returns {[number, number[]]}
   */
  entered(actor, node, buffer) {
    const {program} = this;
    if (!program.tso) return [node, buffer];
    const record = program.actors[actor];
    let entered = buffer;
    while (program.ops[record.op[node]].kind === Kind.STORE && entered.length < program.storeBuffer) {
      if (entered === buffer) entered = [...buffer];
      entered.push(record.op[node]);
      node = record.next[node];
    }
    return [node, entered];
  }

  /** Explore, with a pause now and then: yields how many states are explored. */
  * explore() {
    const {states} = this;
    for (let state = 0; state < states.count && !this.stuck; state += 1) {
      this.edgeStart.push(this.edgeTo.length);
      this.expand(state);
      if (state % 1024 === 1023) yield state;
    }
    this.edgeStart.push(this.edgeTo.length);
  }

  /** @private @param {number} state */
  expand(state) {
    const {program, count, states, row} = this;
    const base = state * states.width;
    for (let actor = 0; actor < count; actor += 1) {
      row.set(states.rows.subarray(base, base + states.width));
      this.moveActor(actor, row);
      if (program.tso && states.rows[base + count + 1 + actor]) {
        row.set(states.rows.subarray(base, base + states.width));
        this.drain(actor, row);
      }
    }
  }

  /** @private @param {number} to @param {number} by */
  edge(to, by) {
    this.edgeTo.push(to);
    this.edgeBy.push(by);
  }

  /**
   * @private Add the state in which the actor stands at `node`, its stores entered.
   * @param {number} actor @param {number} node @param {number[]} buffer @param {number} memory
   * @param {Int32Array} row of the state before, which is overwritten @param {number} by
   */
  arrive(actor, node, buffer, memory, row, by) {
    const {count, program, states} = this;
    if (program.tso) {
      const entered = this.entered(actor, node, buffer);
      row[actor] = entered[0];
      row[count + 1 + actor] = entered[1] === this.buffers[row[count + 1 + actor]]
        ? row[count + 1 + actor] : this.buffer(entered[1], true);
    } else {
      row[actor] = node;
    }
    row[count] = memory;
    this.edge(states.add(row), by);
  }

  /** @private @param {number} actor @param {Int32Array} row */
  moveActor(actor, row) {
    const {program, count} = this;
    const record = program.actors[actor];
    const node = row[actor];
    const op = program.ops[record.op[node]];
    const memory = row[count];
    const buffer = program.tso ? this.buffers[row[count + 1 + actor]] : [];
    if (buffer.length && op.kind !== Kind.LOAD && op.kind !== Kind.CHOOSE) return;
    if (op.kind === Kind.HALT) {
      const outcome = /** @type {End} */ (op.end).outcome;
      this.edge(-1 - (outcome ? OUTCOMES.indexOf(outcome) : OUTCOMES.length), actor);
    } else if (op.kind === Kind.CHOOSE) {
      for (let answer = 0; answer < Number(op.value); answer += 1) {
        const again = Int32Array.from(row);
        this.arrive(actor, this.answered(actor, node, answer, op), buffer, memory, again, actor);
        if (this.stuck) return;
      }
    } else if (!isAnswered(op)) {
      this.arrive(actor, record.next[node], buffer, this.after(memory, op), row, actor);
    } else {
      const value = this.result(memory, op, buffer);
      if (op.kind === Kind.WAIT && !value && !(op.flags & Flag.SPURIOUS)) return;
      let then = this.answered(actor, node, value, op);
      if (this.stuck) return;
      let now = this.after(memory, op);
      if (op.kind === Kind.RMW) {
        now = this.after(now, program.ops[record.op[then]]);
        then = record.next[then];
      }
      this.arrive(actor, then, buffer, now, row, actor);
    }
  }

  /** @private @param {number} actor @param {Int32Array} row */
  drain(actor, row) {
    const {count, program} = this;
    const [oldest, ...rest] = this.buffers[row[count + 1 + actor]];
    const memory = this.after(row[count], program.ops[oldest]);
    row[count + 1 + actor] = this.buffer(rest, true);
    this.arrive(actor, row[actor], rest, memory, row, count + actor);
  }

  /** @private @param {Op} op */
  isUnheeded(op) {
    return op.size > 0 && this.program.unheeded.some(([a, b]) => op.address >= a && op.address < b);
  }

  /**
   * @private What the op gives.
   * @param {number} memory @param {Op} op @param {number[]} buffer @returns {Value}
   */
  result(memory, op, buffer) {
    if (this.isUnheeded(op)) return 0;
    if (op.kind === Kind.WAIT) {
      return op.size && word(this.memories.bytes(memory, op.address, op.size), 0) & bitsOf(op) ? 1 : 0;
    }
    const data = this.memories.bytes(memory, op.address, op.size);
    for (const store of buffer) overlay(data, op, this.program.ops[store]);
    return valueOf(data);
  }

  /**
   * @private The node after an answer.
   * @param {number} actor @param {number} node @param {Value} value @param {Op} op
   */
  answered(actor, node, value, op) {
    const known = this.program.actors[actor].answers.get(node);
    let then = known?.get(value);
    if (then === undefined && this.isUnheeded(op)) then = known?.get(1 - Number(value));
    if (then === undefined) {
      this.stuck = `the record of ${this.program.actors[actor].label} ends here`;
      return node;
    }
    return then;
  }

  /** @private The content after the op. @param {number} memory @param {Op} op */
  after(memory, op) {
    if (op.kind === Kind.LOAD || op.kind === Kind.RMW || op.kind === Kind.FENCE) return memory;
    const ranges = rangesOf(op, this.program.layout);
    if (!ranges.length || this.isUnheeded(op)) return memory;
    const key = memory * this.program.ops.length + op.id;
    let then = this.effects.get(key);
    if (then === undefined) {
      then = this.memories.changed(memory, ranges, (bytes) => apply(bytes, op, this.program.layout));
      this.effects.set(key, then);
    }
    return then;
  }
}
