/**
 * What can still happen: for every state, which outcomes are reachable, in how many switches.
 *
 * First everything is explored (graph.js), then distances run backwards from the ends. A state
 * from which no end can be reached is doomed. It hangs once memory cannot change any more either, or
 * at once where it changes for ever. All of it in slices: nobody waits for it.
 *
 * @import {Play} from "./engine.js"
 * @import {Program} from "./program.js"
 */
import {Graph} from "./graph.js";
import {Ints} from "./memories.js";
import {Kind, OUTCOMES} from "./ops.js";

/** Switches that are not counted any more. */
const MOST = 254;
const NEVER = 255;

export class Solver {
  /** @param {Program} program @param {number} most states before it stops and asks */
  constructor(program, most) {
    this.graph = new Graph(program);
    this.most = most;
    /**
     * It asks where there are more states than `most`.
     * @type {"exploring" | "asking" | "judging" | "done" | "failed"}
     */
    this.phase = "exploring";
    /** Why it failed. */
    this.why = "";
    /** For each outcome, by state × actors + whose turn it is. @type {Map<string, Uint8Array>} */
    this.distance = new Map();
    /** By state: 1 where it hangs. */
    this.hung = new Uint8Array(0);
    /** The edges by the state to which they lead: where those of a state begin, from where, by whom. */
    this.reverseStart = new Int32Array(0);
    this.reverseFrom = new Int32Array(0);
    this.reverseBy = new Uint8Array(0);
    this.work = this.run();
  }

  get states() {
    return this.graph.states.count;
  }

  /** How many steps and ends there are between the states found so far. */
  get transitions() {
    return this.graph.edgeTo.length;
  }

  /** Work until `deadline` (of `performance.now()`); whether there is more to do now. @param {number} deadline */
  slice(deadline) {
    while (this.phase === "exploring" || this.phase === "judging") {
      if (this.work.next().done) break;
      if (performance.now() >= deadline) return true;
    }
    return false;
  }

  /** Go on although there are more than `most` states. */
  goOn() {
    this.most = Infinity;
    if (this.phase === "asking") this.phase = "exploring";
  }

  /** @private */
  * run() {
    for (const _ of this.graph.explore()) {
      if (this.states > this.most) this.phase = "asking";
      yield;
    }
    if (this.graph.stuck) {
      this.phase = "failed";
      this.why = this.graph.stuck;
      return;
    }
    this.phase = "judging";
    yield* this.turnRound();
    const ending = this.sources();
    yield* this.spread(ending);
    yield* this.findHung(ending);
    for (const [outcome, sources] of this.sourcesOf()) {
      if (sources.length) {
        this.distance.set(outcome, new Uint8Array(this.states * this.graph.count).fill(NEVER));
        yield* this.measure(/** @type {Uint8Array} */ (this.distance.get(outcome)), sources);
      }
    }
    this.phase = "done";
  }

  /** @private */
  * turnRound() {
    const {edgeTo, edgeStart} = this.graph;
    const start = new Int32Array(this.states + 1);
    for (let edge = 0; edge < edgeTo.length; edge += 1) {
      if (edgeTo.data[edge] >= 0) start[edgeTo.data[edge] + 1] += 1;
    }
    yield;
    for (let state = 0; state < this.states; state += 1) start[state + 1] += start[state];
    this.reverseStart = start;
    const at = start.slice();
    this.reverseFrom = new Int32Array(start[this.states]);
    this.reverseBy = new Uint8Array(start[this.states]);
    for (let state = 0; state < this.states; state += 1) {
      for (let edge = edgeStart.data[state]; edge < edgeStart.data[state + 1]; edge += 1) {
        const to = edgeTo.data[edge];
        if (to < 0) continue;
        this.reverseFrom[at[to]] = state;
        this.reverseBy[at[to]] = this.graph.edgeBy.data[edge];
        at[to] += 1;
      }
      if (state % 65536 === 65535) yield;
    }
  }

  /** @private The states that have an end. @returns {Uint8Array} by state, 1 where it can end */
  sources() {
    const {edgeTo, edgeStart} = this.graph;
    const ending = new Uint8Array(this.states);
    for (let state = 0; state < this.states; state += 1) {
      for (let edge = edgeStart.data[state]; edge < edgeStart.data[state + 1]; edge += 1) {
        if (edgeTo.data[edge] < 0) ending[state] = 1;
      }
    }
    return ending;
  }

  /** @private Mark every state from which a marked one can be reached. @param {Uint8Array} marked */
  * spread(marked) {
    const todo = new Ints();
    marked.forEach((mark, state) => mark && todo.push(state));
    let work = 0;
    while (todo.length) {
      todo.length -= 1;
      const state = todo.data[todo.length];
      for (let at = this.reverseStart[state]; at < this.reverseStart[state + 1]; at += 1) {
        const before = this.reverseFrom[at];
        if (!marked[before]) {
          marked[before] = 1;
          todo.push(before);
        }
      }
      work += 1;
      if (work % 65536 === 0) yield;
    }
  }

  /** @private Of the doomed states those that hang. @param {Uint8Array} ending the others */
  * findHung(ending) {
    const {edgeTo, edgeStart, count} = this.graph;
    const {rows, width} = this.graph.states;
    const shared = (/** @type {number} */ state) => rows.subarray(state * width + count, (state + 1) * width);
    // What leads to a change of memory, or of a store buffer.
    const changing = Uint8Array.from(ending);
    for (let state = 0; state < this.states; state += 1) {
      for (let edge = edgeStart.data[state]; edge < edgeStart.data[state + 1] && !changing[state]; edge += 1) {
        const then = shared(edgeTo.data[edge]);
        if (shared(state).some((number, at) => number !== then[at])) changing[state] = 1;
      }
      if (state % 65536 === 65535) yield;
    }
    yield* this.spread(changing);
    // What leads to where nothing changes any more: that is when it hangs.
    const settling = changing.map((change) => 1 - change);
    yield* this.spread(settling);
    this.hung = new Uint8Array(this.states);
    for (let state = 0; state < this.states; state += 1) {
      if (!ending[state] && (!changing[state] || !settling[state])) this.hung[state] = 1;
    }
  }

  /** @private The turns (state × actors + actor) at which each outcome is there. */
  sourcesOf() {
    const {edgeTo, edgeStart, edgeBy, count} = this.graph;
    /** @type {Map<string, Ints>} */
    const found = new Map(OUTCOMES.map((outcome) => [outcome, new Ints(16)]));
    for (let state = 0; state < this.states; state += 1) {
      for (let edge = edgeStart.data[state]; edge < edgeStart.data[state + 1]; edge += 1) {
        const outcome = OUTCOMES[-1 - edgeTo.data[edge]];
        if (edgeTo.data[edge] < 0 && outcome) found.get(outcome)?.push(state * count + edgeBy.data[edge]);
      }
      if (this.hung[state]) {
        for (let actor = 0; actor < count; actor += 1) found.get("hung")?.push(state * count + actor);
      }
    }
    return found;
  }

  /**
   * @private Backwards, a switch at a time. A buffer may drain in anybody's turn.
   * @param {Uint8Array} distance @param {Ints} sources
   */
  * measure(distance, sources) {
    const {count} = this.graph;
    let level = sources;
    for (let switches = 0; level.length; switches += 1) {
      const cost = Math.min(switches, MOST);
      const here = new Ints();
      const todo = new Ints();
      const reach = (/** @type {number} */ turn) => {
        if (distance[turn] !== NEVER) return;
        distance[turn] = cost;
        todo.push(turn);
        here.push(turn);
      };
      for (let at = 0; at < level.length; at += 1) reach(level.data[at]);
      let work = 0;
      while (todo.length) {
        todo.length -= 1;
        const turn = todo.data[todo.length];
        const state = Math.floor(turn / count);
        const actor = turn % count;
        for (let at = this.reverseStart[state]; at < this.reverseStart[state + 1]; at += 1) {
          const by = this.reverseBy[at];
          if (by === actor || by >= count) reach(this.reverseFrom[at] * count + actor);
        }
        work += 1;
        if (work % 65536 === 0) yield;
      }
      level = new Ints();
      for (let at = 0; at < here.length; at += 1) {
        const state = Math.floor(here.data[at] / count);
        for (let actor = 0; actor < count; actor += 1) {
          if (distance[state * count + actor] === NEVER) level.push(state * count + actor);
        }
      }
      yield;
    }
  }

  /** The state of a play, -1 where it is none (or not explored yet). @param {Play} play */
  stateOf(play) {
    const row = this.graph.rowOf(play);
    return row === null ? -1 : this.graph.states.find(row);
  }

  /**
   * Switches to an outcome from a state, while it is `turn`'s turn (-1: nobody's yet).
   * @param {number} state @param {number} turn @param {string} outcome
   */
  switches(state, turn, outcome) {
    const distance = this.distance.get(outcome);
    if (!distance || state < 0) return Infinity;
    const {count} = this.graph;
    let least = NEVER;
    for (let actor = 0; actor < count; actor += 1) {
      if (turn < 0 || actor === turn) least = Math.min(least, distance[state * count + actor]);
    }
    return least === NEVER ? Infinity : least;
  }

  /** Whether it hangs. @param {number} state */
  isHung(state) {
    return state >= 0 && this.hung[state] === 1;
  }

  /**
   * The best way to an outcome: what to do before the next switch.
   * @param {Play} play @param {number} turn whose turn it is, -1: nobody's yet @param {string} outcome
   * @returns {{steps: [number, number][], then: number} | null} movers and their answers, and whose
   *   turn it is after them (-1: the outcome is there); null where there is no way
   */
  hint(play, turn, outcome) {
    const state = this.stateOf(play);
    const distance = this.distance.get(outcome);
    if (!distance || state < 0) return null;
    const {count} = this.graph;
    let actor = turn;
    for (let each = 0; actor < 0 && each < count; each += 1) {
      if (distance[state * count + each] === this.switches(state, -1, outcome)) actor = each;
    }
    if (distance[state * count + actor] === NEVER) return null;
    const found = this.way(state, actor, outcome, distance);
    return found && {steps: inPlay(play, found.moves), then: found.then};
  }

  /**
   * @private Breadth first in one turn, without going farther from the outcome.
   * @param {number} first @param {number} actor @param {string} outcome @param {Uint8Array} distance
   * @returns {{moves: [number, number][], then: number} | null}
   */
  way(first, actor, outcome, distance) {
    const {count, edgeTo, edgeStart, edgeBy} = this.graph;
    const least = distance[first * count + actor];
    const wanted = -1 - OUTCOMES.indexOf(outcome);
    /**
     * How a state was reached: from where, by whom, with which answer.
     * @type {Map<number, [number, number, number]>}
     */
    const from = new Map([[first, [-1, -1, 0]]]);
    const back = (/** @type {number} */ state) => {
      /** @type {[number, number][]} */
      const moves = [];
      for (let at = state; at !== first;) {
        const [before, by, answer] = /** @type {[number, number, number]} */ (from.get(at));
        moves.unshift([by, answer]);
        at = before;
      }
      return moves;
    };
    const queue = [first];
    for (const here of queue) {
      if (outcome === "hung" && this.isHung(here)) return {moves: back(here), then: -1};
      for (let other = 0; other < count; other += 1) {
        if (distance[here * count + other] < least) return {moves: back(here), then: other};
      }
      let answer = -1;
      for (let edge = edgeStart.data[here]; edge < edgeStart.data[here + 1]; edge += 1) {
        const to = edgeTo.data[edge];
        const by = edgeBy.data[edge];
        if (by === actor) answer += 1; // the edges of a CHOOSE are in the order of its answers
        if (by !== actor && by < count) continue;
        if (to === wanted) return {moves: [...back(here), [by, answer]], then: -1};
        if (to < 0 || from.has(to) || distance[to * count + actor] > least) continue;
        from.set(to, [here, by, by === actor ? answer : 0]);
        queue.push(to);
      }
    }
    return null;
  }
}

/**
 * Moves between states as steps of a play: in a state, stores have entered their buffer as soon as
 * they could; in a play, each is a step.
 * @param {Play} play @param {[number, number][]} moves @returns {[number, number][]}
 */
function inPlay(play, moves) {
  const copy = play.clone();
  const {count, program} = copy;
  const enter = (/** @type {number} */ actor) => {
    while (program.tso && copy.op(actor).kind === Kind.STORE && !copy.whyNot(actor)) copy.step(actor);
  };
  for (const [mover, answer] of moves) {
    if (mover < count || !copy.buffers[mover - count].length) enter(mover % count);
    copy.step(mover, answer);
  }
  return copy.steps.map((step) => [step.mover, step.answer]);
}
