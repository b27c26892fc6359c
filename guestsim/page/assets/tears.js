/**
 * Values of two moments that were used as if of one: guestsim/report/tear.py.
 *
 * @import {Chronicle} from "./chronicle.js"
 * @import {Ended} from "./engine.js"
 * @import {Event, Op} from "./ops.js"
 * @import {Index, Program} from "./program.js"
 *
 * @typedef {{actor: number, stores: [number, Index][]}} Reset  its stores to indices, by event
 * @typedef {{at: number, name: Index, value: number}} Sample  what event `at` loaded
 * @typedef {{place: Index, value: number, at: number, after: boolean}} Held  `after` the reset
 * @typedef {{actor: number, held: Held, other: Held, reset: Reset, putBack: boolean}} Tear
 */
import {isOwn} from "./chronicle.js";
import {bytesOf, Flag, Kind, valueOf} from "./ops.js";
import {coveredIndices} from "./places.js";

/** @type {Record<Index, Index>} */
const PARTNER = {req_cons: "req_prod", req_prod: "req_cons", rsp_cons: "rsp_prod", rsp_prod: "rsp_cons"};

/** The indices that an op covers whole. @param {Op} op @param {Program} program */
function whole(op, program) {
  const {indices} = program.layout;
  return coveredIndices(op, program).filter(
    (name) => op.address <= indices[name] && indices[name] + 4 <= op.address + op.size);
}

/** The value of an index in a load or store. @param {Event} event @param {Index} name @param {Program} program */
function valueIn({op, value}, name, program) {
  const from = program.layout.indices[name] - op.address;
  return /** @type {number} */ (valueOf(bytesOf(value, op.size).subarray(from, from + 4)));
}

/**
 * Rows of an actor's own stores with one that does not just move its own index forward.
 * @param {Chronicle} story
 */
function findResets(story) {
  const {program} = story;
  /** @type {Reset[]} */
  const found = [];
  program.actors.forEach((_, actor) => {
    /** @type {number[]} */
    let group = [];
    const close = () => {
      const reset = group.length ? resetIn(story, actor, group) : null;
      if (reset) found.push(reset);
      group = [];
    };
    story.events.forEach((event, at) => {
      const {kind} = event.op;
      if (event.actor !== actor || kind === Kind.FENCE || kind === Kind.CHOOSE || kind === Kind.ACT) return;
      if (kind === Kind.STORE) group.push(at);
      else close();
    });
    close();
  });
  return found.sort((one, other) => one.stores[0][0] - other.stores[0][0]);
}

/** @param {Chronicle} story @param {number} actor @param {number[]} group @returns {Reset | null} */
function resetIn(story, actor, group) {
  const {program, events} = story;
  /** @type {[number, Index][]} */
  const stores = [];
  for (const at of group) for (const name of coveredIndices(events[at].op, program)) stores.push([at, name]);
  const odd = stores.map(([at, name]) => {
    const moved = (story.after[at][name] - story.before(at)[name]) >>> 0;
    return !isOwn(actor, name) || moved > 1024;
  });
  if (!odd.some(Boolean)) return null;
  const data = group.filter((at) => !coveredIndices(events[at].op, program).length);
  while (!odd[0] && data.some((at) => stores[0][0] < at && at < stores[1][0])) {
    stores.shift();
    odd.shift();
  }
  return {actor, stores};
}

/** @param {Chronicle} story @param {Index} place @param {number} at @param {Reset} reset */
function isAfter(story, place, at, reset) {
  const origin = story.origin(place, at);
  const own = reset.stores.filter(([, name]) => name === place);
  return own.length ? origin >= own[0][0] : origin > reset.stores[0][0];
}

/** @param {Chronicle} story @param {number} actor */
function indexLoads(story, actor) {
  const {program} = story;
  return story.events.flatMap((event, at) => {
    if (event.actor !== actor || event.op.kind !== Kind.LOAD && event.op.kind !== Kind.RMW) return [];
    return whole(event.op, program).map((name) => ({at, name, value: valueIn(event, name, program), event}));
  });
}

/** The loads of the values that the end names, in their order. @param {Chronicle} story @param {Ended} ended */
export function samplesOf(story, ended) {
  /** @type {Map<string, number>} */
  const wanted = new Map(ended.end.samples);
  /** @type {Map<Index, Sample>} */
  const found = new Map();
  for (const {at, name, value} of indexLoads(story, ended.actor)) {
    if (wanted.get(name) === value) found.set(name, {at, name, value});
  }
  return [...found.values()].sort((one, other) => one.at - other.at);
}

/** @param {Chronicle} story @param {Held} held @param {number} at */
function still(story, held, at) {
  return story.before(at)[held.place] === held.value;
}

/**
 * Two values that were compared, where a reset came between them.
 * @param {Chronicle} story @param {number} actor @param {Sample[]} pair @param {Reset[]} resets
 * @returns {Tear | null}
 */
function compared(story, actor, pair, resets) {
  for (const reset of resets.toReversed()) {
    if (reset.actor === actor) continue;
    const [held, other] = pair.map(({at, name, value}) =>
      ({place: name, value, at, after: isAfter(story, name, at, reset)}));
    const done = reset.stores[reset.stores.length - 1][0] < other.at;
    if (held.after !== other.after && !(done && still(story, held, other.at))) {
      return {actor, held, other, reset, putBack: false};
    }
  }
  return null;
}

/** Pairs of loads that the actor then checks against each other. @param {Chronicle} story @param {number} actor */
function checkedPairs(story, actor) {
  /** @type {[Sample, Sample][]} */
  const pairs = [];
  /** @type {Sample | null} */
  let previous = null;
  for (const each of indexLoads(story, actor)) {
    if (!(each.event.op.flags & Flag.CHECK)) continue;
    if (previous && previous.name === PARTNER[each.name]) {
      pairs.push([previous, each]);
      previous = null;
    } else {
      previous = each;
    }
  }
  return pairs;
}

/**
 * Own indices that were loaded before a reset and stored, a little advanced, after it.
 * @param {Chronicle} story @param {number} actor @param {Reset[]} resets
 */
function putBacks(story, actor, resets) {
  const {program} = story;
  /** @type {Tear[]} */
  const found = [];
  /** @type {Map<Index, [number, number]>} */
  const loaded = new Map();
  story.events.forEach((event, step) => {
    if (event.actor !== actor || event.op.flags & Flag.LOCKED) return;
    const {kind} = event.op;
    if (kind === Kind.LOAD) {
      for (const name of whole(event.op, program)) loaded.set(name, [step, valueIn(event, name, program)]);
    }
    if (kind !== Kind.STORE) return;
    for (const name of whole(event.op, program)) {
      const known = loaded.get(name);
      if (!isOwn(actor, name) || !known) continue;
      loaded.delete(name);
      const [at, value] = known;
      if ((valueIn(event, name, program) - value) >>> 0 > 1024) continue;
      for (const reset of resets.toReversed()) {
        const between = reset.stores.some(([there, place]) => place === name && at < there && there < step);
        if (reset.actor === actor || !between) continue;
        const held = {place: name, value, at, after: false};
        const other = {place: name, value: story.after[step][name], at: step, after: true};
        if (!isAfter(story, name, at, reset) && !still(story, other, step)) {
          found.push({actor, held, other, reset, putBack: true});
        }
        break;
      }
    }
  });
  return found;
}

/**
 * The tear that explains the end: of the values that it names, else the first one.
 * @param {Chronicle} story @param {Ended | null} ended @returns {Tear | null}
 */
export function findTear(story, ended) {
  const resets = findResets(story);
  if (ended) {
    const samples = samplesOf(story, ended);
    if (samples.length === 2 && samples[1].name === PARTNER[samples[0].name]) {
      const tear = compared(story, ended.actor, samples, resets);
      if (tear) return tear;
    }
  }
  if (!resets.length) return null;
  const found = story.program.actors.flatMap((_, actor) => [
    ...checkedPairs(story, actor).map((pair) => compared(story, actor, pair, resets)).filter((tear) => tear !== null),
    ...putBacks(story, actor, resets),
  ]);
  found.sort((one, other) => one.other.at - other.other.at || one.held.at - other.held.at);
  return found[0] ?? null;
}
