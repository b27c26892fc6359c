/**
 * The content of the page, unpacked: ops, records of the actors, what the search found.
 *
 * @typedef {{
 *   name: string, label: string, first: number,
 *   op: Int32Array, next: Int32Array, answers: Map<number, Map<Value, number>>,
 *   standing: Map<number, string>
 * }} Actor  a record (guestsim/record/record.py): node -> op, and where that leads
 */

/** Of the content. */
const VERSION = 1;

/** Unpack what guestsim/page/encode.py packs. @param {any} content */
export function makeProgram(content) {
  if (content.version !== VERSION) {
    throw new Error(`its content is of version ${content.version}, and its program for ${VERSION}`);
  }
  const {ops: columns, sites, notes, ends, layout} = content;
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
  const begun = {
    steps: content.begun.steps,
    choices: content.begun.choices,
    events: content.begun.events.map(([actor, op, value]) => ({actor, op: ops[op], value})),
  };
  return {
    ...content,
    ops, memory, begun, layout,
    tso: content.memoryModel === "tso",
    actors: content.actors.map(unpackActor),
  };
}

/** @returns {Actor} */
function unpackActor(actor) {
  const answers = new Map();
  for (const [node, ...pairs] of actor.answers) {
    const known = new Map();
    for (let at = 0; at < pairs.length; at += 2) known.set(pairs[at], pairs[at + 1]);
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

/** How movers are called in schedules: the actors, behind them their store buffers. */
export function moverNames(program) {
  const names = program.actors.map((actor) => actor.name);
  return program.tso ? [...names, ...names.map((name) => `${name}:drain`)] : names;
}
