/**
 * Events in words, runs of them folded into one row: guestsim/report/units.py.
 *
 * @import {Play} from "./engine.js"
 * @import {End, Event, Op, Value} from "./ops.js"
 * @import {Program} from "./program.js"
 *
 * @typedef {{first: number, end: number, actor: number, lane: number, text: string, where: string,
 *   source: string, stage: string, loud: boolean}} Row  events `first` to `end` - 1; `lane`: in which
 *   it stands; `loud`: others can notice
 */
import {resultOf} from "./effects.js";
import {bytesOf, Flag, Kind, valueOf} from "./ops.js";
import {coveredIndices, dataWords, fieldAt, placeOf, valueWords} from "./places.js";

const DATA = new Set(["req", "rsp", "reserved"]);

/**
 * Whether others can notice the op: it stores to anything but ring data, or signals, or somebody asks.
 * @param {Op} op @param {Program} program
 */
export function isLoud(op, program) {
  if (op.kind === Kind.SEND || op.kind === Kind.UNMASK || op.kind === Kind.HALT || op.kind === Kind.ACT) return true;
  if (op.kind !== Kind.STORE) return false;
  const name = fieldAt(op.address, program);
  return !(DATA.has(name) || name.startsWith("evtchn"));
}

/**
 * The rows of a stretch of events.
 * @param {Event[]} events @param {number} from @param {number} to
 * @param {Set<number>} turns where rows begin @param {Program} program
 */
export function rowsOf(events, from, to, turns, program) {
  /** @type {Row[]} */
  const rows = [];
  let at = from;
  while (at < to) {
    const row = rowAt(events, at, to, turns, program);
    rows.push(row);
    at = row.end;
  }
  return rows;
}

/**
 * The row that begins at event `at`.
 * @param {Event[]} events @param {number} at @param {number} to
 * @param {Set<number>} turns @param {Program} program @returns {Row}
 */
function rowAt(events, at, to, turns, program) {
  const {actor, op, value} = events[at];
  const row = {
    first: at, end: at + 1, actor, lane: laneOf(actor, op, program), text: "", where: op.where, source: op.source,
    stage: op.stage, loud: isLoud(op, program),
  };
  if (at + 1 < to && leadsTo(op, value, events[at + 1].op)) {
    // Who is served and what is asked are one thing.
    return {...rowAt(events, at + 1, to, turns, program), first: at};
  }
  if (op.kind === Kind.RMW && events[at + 1]?.op.flags & Flag.LOCKED) {
    const after = events[at + 1];
    const name = placeOf(op, program);
    row.text = `exchange ${name} ${words(events[at], program)} → ${words(after, program)}`;
    if (name === "evtchn_pending") row.text = `take the event (was ${value === after.value ? 0 : 1})`;
    row.end = at + 2;
    row.loud = coveredIndices(op, program).length > 0;
  } else if (isData(op, program)) {
    fold(row, events, to, turns, program);
  } else {
    row.text = single(events[at], program);
  }
  if (op.note && op.kind !== Kind.CHOOSE && op.kind !== Kind.ACT) row.text += ` · ${op.note}`;
  return row;
}

/**
 * In which lane an op stands: its actor's; what the daemon does for others, in theirs.
 * @param {number} actor @param {Op} op @param {Program} program
 */
function laneOf(actor, op, program) {
  const asker = actor === 0 ? -1 : program.others.indexOf(op.stage);
  return asker < 0 ? actor : program.actors.length + asker;
}

/**
 * Whether a choice says who is served, and the op behind it what they ask.
 * @param {Op} op @param {Value} value @param {Op} after
 */
function leadsTo(op, value, after) {
  return op.kind === Kind.CHOOSE && after.kind === Kind.ACT
    && op.note.split(" | ")[Number(value)] === `${after.stage} asks`;
}

/** @param {Op} op @param {Program} program */
function isData(op, program) {
  return (op.kind === Kind.LOAD || op.kind === Kind.STORE) && DATA.has(fieldAt(op.address, program));
}

/**
 * Take in what goes on in the same way: upwards, round the end of the ring, or over itself.
 * @param {Row} row @param {Event[]} events @param {number} to
 * @param {Set<number>} turns @param {Program} program
 */
function fold(row, events, to, turns, program) {
  const {op, actor} = events[row.first];
  const name = fieldAt(op.address, program);
  const base = op.address - op.address % 1024;
  /** @type {number[]} */
  const bytes = [];
  let at = row.first;
  for (; at < to && (at === row.first || !turns.has(at)); at += 1) {
    const event = events[at];
    const offset = (event.op.address - op.address + 1024) % 1024;
    if (event.actor !== actor || event.op.kind !== op.kind || event.op.stage !== op.stage
        || fieldAt(event.op.address, program) !== name || offset > bytes.length
        || offset + event.op.size > 1024) break;
    const more = Array.from(bytesOf(event.value, event.op.size));
    if (more.some((byte, nth) => offset + nth < bytes.length && bytes[offset + nth] !== byte)) break;
    bytes.push(...more.slice(bytes.length - offset));
  }
  row.end = at;
  const first = op.address - base;
  const last = (first + bytes.length - 1) % 1024;
  const place = name === "reserved" ? "the rest of the page"
    : bytes.length === 1 ? `${name}[${first}]` : `${name}[${first}..${last}]`;
  row.text = `${op.kind === Kind.LOAD ? "load" : "store"} ${place} `
    + `${op.kind === Kind.LOAD ? "→" : "="} ${shorten(dataWords(bytes))}`;
}

/** @param {string} text */
function shorten(text) {
  return text.length <= 44 ? text : `${text.slice(0, 43)}…`;
}

/** The value of an event in words. @param {Event} event @param {Program} program */
function words({op, value}, program) {
  const indices = coveredIndices(op, program);
  if (indices.length > 1 && op.size > 4) {
    const bytes = bytesOf(value, op.size);
    const each = indices.map((name) => {
      const from = program.layout.indices[name] - op.address;
      return valueOf(bytes.slice(Math.max(0, from), from + 4));
    });
    return new Set(each).size === 1 ? `${each[0]}` : each.join(", ");
  }
  return valueWords(fieldAt(op.address, program), value, program.layout);
}

/** One event in words. @param {Event} event @param {Program} program */
export function single(event, program) {
  const {op, value, actor} = event;
  switch (op.kind) {
    case Kind.FENCE: return "fence";
    case Kind.HALT: return halt(/** @type {End} */ (op.end));
    case Kind.CHOOSE: return op.note.split(" | ")[Number(value)] || `choice ${value} of 0..${Number(op.value) - 1}`;
    case Kind.ACT: return op.note;
    case Kind.UNMASK: return "unmask the event channel";
    case Kind.SEND: {
      if (fieldAt(op.address, program) === "suspended") return "suspends itself";
      const other = program.actors[actor === 0 ? 1 : 0]?.label ?? "the other side";
      return `signal ${other}${value ? "" : " (was pending)"}`;
    }
    case Kind.WAIT:
      if (!op.value) return "yields";
      if (fieldAt(op.address, program) === "suspended") return "goes on: it is resumed";
      if (op.flags & Flag.POLL) return value ? "poll(0): an event" : "poll(0): nothing";
      return value ? "woken by an event" : "woken (no event: other domains' work)";
    case Kind.LOAD:
    case Kind.RMW: return `load ${placeOf(op, program)} → ${words(event, program)}`;
    case Kind.STORE:
      if (fieldAt(op.address, program) === "suspended") return `resume ${program.actors[0].label}`;
      // falls through
    default: return `store ${placeOf(op, program)} = ${words(event, program)}`;
  }
}

/** @param {End} end */
function halt(end) {
  if (end.outcome === "refused") return "gives the ring up";
  return `ends ${end.outcome ?? "here"}: ${end.message}`;
}

/** What the actor is about to do. @param {Play} play @param {number} actor */
export function nextWords(play, actor) {
  const {program} = play;
  const op = play.op(actor);
  const name = op.size ? placeOf(op, program) : "";
  const note = op.note && op.kind !== Kind.CHOOSE && op.kind !== Kind.ACT ? ` · ${op.note}` : "";
  switch (op.kind) {
    case Kind.LOAD: return `load ${name}${note}`;
    case Kind.RMW: return `exchange ${name}${note}`;
    case Kind.CHOOSE: return op.note.includes(" asks") ? "choose who asks" : "choose what comes first";
    case Kind.ACT: return `${op.stage}: ${op.note}`;
    case Kind.WAIT: {
      if (!op.value) return "yield";
      if (fieldAt(op.address, program) === "suspended") {
        return resultOf(play.memory, op) ? "go on: it is resumed" : "wait until it is resumed";
      }
      if (op.flags & Flag.POLL) return "poll(0) for an event";
      if (resultOf(play.memory, op)) return "wake up: its event is there";
      return op.flags & Flag.SPURIOUS ? "wake up without an event: other domains' work" : "sleep until its event comes";
    }
    case Kind.HALT: return halt(/** @type {End} */ (op.end));
    default: return single({actor, op, value: op.value}, program) + note;
  }
}
