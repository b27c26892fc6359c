/**
 * The content of the page, unpacked: ops, records of the actors, what the search found.
 *
 * @import {End, Event, Op, Value} from "./ops.js"
 *
 * @typedef {"req" | "rsp"} Ring
 * @typedef {`${Ring}_${"cons" | "prod"}`} Index
 * @typedef {{
 *   fields: [string, number, number][], indices: Record<Index, number>,
 *   pending: number, mask: number, selector: number, upcall: number, server: number,
 *   types: Record<number, string>, payloadMax: number, errors: string[], features: string[]
 * }} Layout  where things are in shared memory, and how people call them
 * @typedef {[string, number][]} Scheduled  movers by name, and how many steps each makes
 * @typedef {{title: string, outcome: string | null, steps: Scheduled, choices: number[], sentence: string}} Way
 *
 * @typedef {{
 *   version: number, guestsim: string, name: string, title: string, scenario: string, images: [string, string][],
 *   memoryModel: string, storeBuffer: number, unheeded: [number, number][], layout: Layout,
 *   others: string[], whole: boolean, whyNotWhole: string, found: string[], certificate: {complete: boolean} | null,
 *   ways: Way[]
 * }} Told  what is packed as it is
 * @typedef {{
 *   name: string, label: string, first: number, op: number[], next: number[],
 *   answers: [number, ...Value[]][], standing: [number, number][], standings: string[]
 * }} PackedActor  `answers`: a node, then each answer and the node after it
 * @typedef {Told & {
 *   memory: string, actors: PackedActor[],
 *   begun: {steps: Scheduled, choices: number[], events: [number, number, Value][]},
 *   ops: {
 *     kind: number[], address: number[], size: number[], value: Value[], flags: number[],
 *     site: number[], note: number[], end: number[]
 *   },
 *   ends: (Pick<End, "outcome" | "message" | "samples" | "unanswered"> & {site: number})[],
 *   sites: [string, string, string][], notes: string[]
 * }} Content  what guestsim/page/encode.py packs
 *
 * @typedef {{
 *   name: string, label: string, first: number,
 *   op: Int32Array, next: Int32Array, answers: Map<number, Map<Value, number>>,
 *   standing: Map<number, string>
 * }} Actor  a record (guestsim/record/record.py): node -> op, and where that leads
 * @typedef {Told & {
 *   memory: Uint8Array, actors: Actor[], ops: Op[], tso: boolean,
 *   begun: {steps: Scheduled, choices: number[], events: Event[]}
 * }} Program
 */

/** Of the content. */
const VERSION = 1;

/** Unpack what guestsim/page/encode.py packs. @param {Content} content @returns {Program} */
export function makeProgram(content) {
  if (content.version !== VERSION) {
    throw new Error(`its content is of version ${content.version}, and its program for ${VERSION}`);
  }
  const {ops: columns, sites, notes, ends} = content;
  /** @type {End[]} */
  const endings = ends.map((end) => ({...end, stage: sites[end.site][0], where: sites[end.site][1]}));
  /** @type {Op[]} */
  const ops = columns.kind.map((kind, id) => ({
    id, kind,
    address: columns.address[id],
    size: columns.size[id],
    value: columns.value[id],
    flags: columns.flags[id],
    stage: sites[columns.site[id]][0],
    where: sites[columns.site[id]][1],
    source: sites[columns.site[id]][2],
    note: notes[columns.note[id]],
    end: columns.end[id] < 0 ? null : endings[columns.end[id]],
  }));
  const memory = new Uint8Array(content.memory.length / 2);
  for (let at = 0; at < memory.length; at += 1) {
    memory[at] = parseInt(content.memory.substr(2 * at, 2), 16);
  }
  const events = content.begun.events.map(([actor, op, value]) => ({actor, op: ops[op], value}));
  return {
    ...content,
    ops, memory,
    begun: {...content.begun, events},
    tso: content.memoryModel === "tso",
    actors: content.actors.map(unpackActor),
  };
}

/** @param {PackedActor} actor @returns {Actor} */
function unpackActor(actor) {
  /** @type {Actor["answers"]} */
  const answers = new Map();
  for (const [node, ...pairs] of actor.answers) {
    /** @type {Map<Value, number>} */
    const known = new Map();
    for (let at = 0; at < pairs.length; at += 2) known.set(pairs[at], Number(pairs[at + 1]));
    answers.set(node, known);
  }
  return {
    name: actor.name,
    label: actor.label,
    first: actor.first,
    op: Int32Array.from(actor.op),
    next: Int32Array.from(actor.next),
    answers,
    standing: new Map(actor.standing.map(([node, text]) => [node, actor.standings[text]])),
  };
}

/** How movers are called in schedules: the actors, behind them their store buffers. @param {Program} program */
export function moverNames(program) {
  const names = program.actors.map((actor) => actor.name);
  return program.tso ? [...names, ...names.map((name) => `${name}:drain`)] : names;
}
