/**
 * One sentence that says how a play ended, as the timeline says it: guestsim/report/explain.py.
 *
 * @import {Chronicle} from "./chronicle.js"
 * @import {Ended, Play} from "./engine.js"
 * @import {End} from "./ops.js"
 * @import {Program, Ring} from "./program.js"
 * @import {Tear} from "./tears.js"
 */
import {used} from "./chronicle.js";
import {word} from "./effects.js";
import {big, Flag, isAnswered, Kind} from "./ops.js";
import {fieldAt, signed, startOf} from "./places.js";
import {findTear, samplesOf} from "./tears.js";

/** `a`, `a and b`, `a, b and c`. @param {string[]} parts */
function spoken(parts) {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

/** @param {number} actor @param {Program} program */
function the(actor, program) {
  return actor === 0 ? `the ${program.actors[0].label}` : program.actors[actor].label;
}

/** @param {number} actor @param {Program} program */
function ownerOf(actor, program) {
  return actor === 0 ? "the guest's" : `${program.actors[actor].label}'s`;
}

/** How the play ended. @param {Chronicle} story @param {Play} play */
export function sentence(story, play) {
  const {ended} = play;
  const {program} = story;
  const tear = findTear(story, ended);
  let text;
  if (!ended) text = hung(story, tear, roundsOf(play));
  else if (ended.end.outcome === "connected") text = connected(story, ended.end);
  else if (program.others.includes(ended.end.stage)) {
    // Its message begins with who it was.
    const {stage} = ended.end;
    const said = message(ended.end);
    const end = said.startsWith(`${stage}: `) ? said.slice(stage.length + 2) : said;
    return `${stage} cannot go on: ${end}${cause(tear, program)}.`;
  }
  else if (ended.end.outcome === "refused") text = refused(story, ended, tear);
  else if (ended.end.outcome === "corrupted") text = `in the guest, ${message(ended.end)}${cause(tear, program)}`;
  else if (ended.end.outcome === "crashed") text = crashed(ended, program) + cause(tear, program);
  else text = message(ended.end);
  return ended?.end.outcome === "refused" ? `${text}.` : `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/** @param {End} end */
function message(end) {
  return end.message.replace(/\.+$/, "");
}

/** @param {Chronicle} story @param {End} end */
function connected(story, end) {
  const stages = new Set(story.events.filter((event) => event.actor === 0 && event.op.stage)
    .map((event) => event.op.stage));
  const order = stages.size ? `: ${[...stages].join(", then ")}` : "";
  if (end.unanswered.length) {
    return `every stage ended well, though the last one took no answer to ${spoken(end.unanswered)}${order}`;
  }
  return `every stage ended well, and each request of the last one got the reply that belongs to it${order}`;
}

/** @param {Ended} ended @param {Program} program */
function crashed({actor, end}, program) {
  const place = end.stage ? ` in ${end.stage}` : "";
  const at = end.where && end.where !== end.stage ? ` at ${end.where}` : "";
  return `${the(actor, program)} crashed${place}${at}: ${message(end)}`;
}

/** @param {Tear} tear @param {Program} program */
function heldWords(tear, program) {
  const {held, other} = tear;
  const reset = `${ownerOf(tear.reset.actor, program)} reset`;
  const [age, otherAge] = held.after ? ["after", "before"] : ["before", "after"];
  const text = `${the(tear.actor, program)} held ${held.place} = ${held.value} from ${age} ${reset}`;
  if (tear.putBack) {
    const moved = other.value === held.value ? "" : `, moved on to ${other.value}`;
    return `${text} and put it back${moved}, over the value from the reset`;
  }
  return `${text} and compared it with ${other.place} = ${other.value} from ${otherAge} it`;
}

/** What two values of one ring make. @param {Record<string, number>} values of prod and cons, by name */
function difference(values) {
  const ring = Object.keys(values)[0].slice(0, 3);
  return {ring, used: (values[`${ring}_prod`] - values[`${ring}_cons`]) >>> 0};
}

/** @param {Tear} tear */
function useWords(tear) {
  const {ring, used: bytes} = difference(
    {[tear.held.place]: tear.held.value, [tear.other.place]: tear.other.value});
  const words = `${ring}_prod - ${ring}_cons`;
  return bytes > 1024 ? `${words} = ${signed(bytes)}, which cannot be` : `${words} = ${bytes}, which looks right`;
}

/** @param {Tear | null} tear @param {Program} program */
function cause(tear, program) {
  if (!tear) return "";
  return `; before that, ${heldWords(tear, program)}${tear.putBack ? "" : ` (${useWords(tear)})`}`;
}

/** @param {Chronicle} story @param {Ended} ended @param {Tear | null} tear */
function refused(story, ended, tear) {
  const {program} = story;
  const who = the(ended.actor, program);
  /** @type {[string, number][]} */
  let samples = samplesOf(story, ended).map(({name, value}) => [name, value]);
  if (!samples.length) samples = ended.end.samples;
  if (tear && tear.actor === ended.actor && !tear.putBack) {
    /** @type {Map<string, number>} */
    const pair = new Map([[tear.held.place, tear.held.value], [tear.other.place, tear.other.value]]);
    if (!samples.length || samples.length === pair.size && samples.every(([name, value]) => pair.get(name) === value)) {
      return `${heldWords(tear, program)}, so it gave the ring up`;
    }
  }
  if (samples.length === 2) {
    const [[first, held], [second, value]] = samples;
    let text = `${who} held ${first} = ${held} and compared it with ${second} = ${value}`;
    const values = {[first]: held, [second]: value};
    const ring = first.slice(0, 3);
    if (`${ring}_prod` in values && `${ring}_cons` in values) {
      text += ` (${signed(difference(values).used)} bytes, of 1024 that fit)`;
    }
    return `${text}, so it gave the ring up${cause(tear, program)}`;
  }
  return `${who} gave the ring up: ${message(ended.end)}${cause(tear, program)}`;
}

/**
 * What each side does for ever, where nothing changes any more (guestsim/execute/hang.py).
 * @param {Play} play @returns {string[]} one clause for each; none where memory changes for ever
 */
function roundsOf(play) {
  const clauses = play.program.actors.map((actor, number) => {
    const op = play.op(number);
    if (op.kind === Kind.WAIT && play.whyNot(number)) {
      return `${actor.name} waits for ${fieldAt(op.address, play.program)}, which nobody will set`;
    }
    return spins(play, number);
  });
  return clauses.every(Boolean) ? clauses : [];
}

/** The actor alone, until it comes round. "" where it does not. @param {Play} play @param {number} actor */
function spins(play, actor) {
  const alone = play.clone();
  /** @type {Map<number, number>} node -> step */
  const seen = new Map();
  while (!seen.has(alone.nodes[actor])) {
    seen.set(alone.nodes[actor], alone.steps.length);
    if (!alone.step(actor)) return "";
  }
  if (alone.memory.some((byte, at) => byte !== play.memory[at])) return "";
  const round = alone.steps.slice(seen.get(alone.nodes[actor]));
  let [asleep, yields] = [false, false];
  /** @type {Map<number, string>} */
  const values = new Map();
  for (const {op, value} of round.flatMap((step) => step.events.slice(0, 1))) {
    const name = fieldAt(op.address, play.program);
    if (!isAnswered(op)) continue;
    if (op.kind === Kind.WAIT && !op.value) yields = true;
    else if (op.kind === Kind.WAIT) asleep ||= !(value || op.flags & Flag.POLL);
    else if (name !== "req" && name !== "rsp" && !values.has(op.address)) {
      const shown = big(value) > 0xffffn ? `0x${big(value).toString(16)}` : `${value}`;
      values.set(op.address, `${name} = ${shown}`);
    }
  }
  const told = [...values].sort(([one], [other]) => one - other).map(([, text]) => text);
  if (told.length > 6) told.splice(6, told.length, "…");
  const [verb, link] = asleep ? ["sleeps", "with"] : yields ? ["yields for ever", "with"] : ["spins", "on"];
  return [play.program.actors[actor].name, verb, ...(told.length ? [link, told.join(", ")] : [])].join(" ");
}

/** @param {Chronicle} story @param {Tear | null} tear @param {string[]} rounds */
function hung(story, tear, rounds) {
  const {program} = story;
  const {now} = story;
  const quiet = now.req_cons === now.req_prod && now.rsp_cons === now.rsp_prod;
  const facts = quiet ? ["both rings are empty"] : /** @type {Ring[]} */ (["req", "rsp"]).flatMap((ring) => {
    const bytes = used(now, ring);
    if (bytes > 1024) return [`${ring}_prod - ${ring}_cons = ${signed(bytes)}, which cannot be`];
    return bytes ? [`${bytes} bytes of ${ring === "req" ? "requests" : "replies"} lie unread`] : [];
  });
  if (word(story.memory, startOf("connection", program.layout))) {
    facts.push(`\`connection\` is still 1, which only ${program.actors[1]?.label ?? "the daemon"} may clear`);
  }
  const what = rounds.length ? rounds.join("; ") : "whoever moves, nothing ends any more";
  return `nobody gets anywhere: ${what}; ${spoken(facts)}${cause(tear, program)}`;
}
