/**
 * A whole play as text: in the page's link, and as a schedule file that `guestsim replay` takes.
 *
 * In a link: `#p=0x105.1x13` is 105 steps of mover 0, then 13 of mover 1; `&c=1.0` answers choices.
 *
 * @import {Play} from "./engine.js"
 * @import {Program, Scheduled, Way} from "./program.js"
 *
 * @typedef {[number, number][]} Runs  movers, and how many steps each makes
 * @typedef {{runs: Runs, choices: number[]}} Moves
 */
import {Kind} from "./ops.js";
import {moverNames} from "./program.js";

/** Steps of a play that comes from outside: more than any execution has that is worth a look. */
const MOST_FOLLOWED = 200_000;

/** Runs of one mover, and the answers of choices. @param {Play} play @returns {Moves} */
function runsOf(play) {
  /** @type {Runs} */
  const runs = [];
  /** @type {number[]} */
  const choices = [];
  for (const {mover, answer, events} of play.steps) {
    const last = runs.at(-1);
    if (last && last[0] === mover) last[1] += 1;
    else runs.push([mover, 1]);
    if (events[0]?.op.kind === Kind.CHOOSE) choices.push(answer);
  }
  return {runs, choices};
}

/** The play as a fragment; "" where nothing was played. @param {Play} play */
export function toFragment(play) {
  const {runs, choices} = runsOf(play);
  if (!runs.length) return "";
  const answers = choices.some(Boolean) ? `&c=${choices.join(".")}` : "";
  return `#p=${runs.map(([mover, count]) => `${mover}x${count}`).join(".")}${answers}`;
}

/**
 * Runs and choices of a fragment; null where it is none of ours.
 * @param {string} fragment @returns {Moves | null}
 */
export function fromFragment(fragment) {
  const match = /^#p=(\d+x\d+(?:\.\d+x\d+)*)(?:&c=(\d+(?:\.\d+)*))?$/.exec(fragment);
  if (!match) return null;
  return {
    runs: /** @type {Runs} */ (match[1].split(".").map((run) => run.split("x").map(Number))),
    choices: match[2] ? match[2].split(".").map(Number) : [],
  };
}

/**
 * Play runs from the start; why that stopped before their end, "" where it did not.
 * @param {Play} play @param {Moves} moves
 */
export function follow(play, {runs, choices}) {
  const left = [...choices];
  const names = moverNames(play.program);
  if (runs.reduce((sum, [, count]) => sum + count, 0) > MOST_FOLLOWED) {
    return `it has more than ${MOST_FOLLOWED.toLocaleString("en")} steps`;
  }
  for (const [mover, count] of runs) {
    if (!(mover < play.movers)) return `there is no mover ${mover}`;
    for (let made = 0; made < count; made += 1) {
      const chooses = mover < play.count && play.op(mover).kind === Kind.CHOOSE;
      const why = play.whyNot(mover);
      if (why) return `step ${play.steps.length + 1}: ${names[mover]} cannot move: ${why}`;
      const answer = chooses ? left.shift() ?? 0 : 0;
      if (chooses && answer >= Number(play.op(mover).value)) return `step ${play.steps.length + 1}: no such choice`;
      play.step(mover, answer);
    }
  }
  return "";
}

/** The play as a schedule file. @param {Play} play @param {string | null} outcome */
export function toSchedule(play, outcome) {
  const {program} = play;
  const names = moverNames(program);
  const {runs, choices} = runsOf(play);
  /** @type {[string, number, string][]} */
  const steps = program.begun.steps.map((run) => [...run, "before the page begins"]);
  for (const [mover, count] of runs) {
    const last = steps.at(-1);
    if (last && last[0] === names[mover]) last[1] += count;
    else steps.push([names[mover], count, "played"]);
  }
  const schedule = {
    version: 1,
    guestsim: program.guestsim,
    title: program.title,
    scenario: program.scenario,
    images: program.images.map(([name, sha256]) => ({name, sha256})),
    memory_model: program.memoryModel,
    strategy: "player",
    outcome,
    steps,
    choices: [...program.begun.choices, ...choices],
  };
  return `${JSON.stringify(schedule, null, 1)}\n`;
}

/**
 * Runs and choices of a schedule file; throws an Error that says in one line what is wrong.
 * @param {string} text @param {Program} program @returns {Moves}
 */
export function fromSchedule(text, program) {
  /**
   * @type {{
   *   images?: {name: string, sha256: string}[], memory_model?: string, steps: Scheduled,
   *   choices?: number[], requests?: unknown[]
   * }} as it should be; whose it is, nobody knows
   */
  let schedule;
  try {
    schedule = JSON.parse(text);
  } catch {
    throw new Error("this is no schedule: not JSON");
  }
  if (typeof schedule !== "object" || schedule === null || !Array.isArray(schedule.steps)) {
    throw new Error("this is no schedule: it has no steps");
  }
  const {images = [], choices = [], requests = [], memory_model: model = "sc"} = schedule;
  const told = Array.isArray(images) ? images.map((image) => [image?.name, image?.sha256]) : [];
  if (JSON.stringify(told) !== JSON.stringify(program.images)) {
    throw new Error("this schedule was recorded with other images than this page");
  }
  if (!Array.isArray(requests) || requests.length) {
    throw new Error("this schedule is for other requests than this page");
  }
  if (model !== program.memoryModel) {
    throw new Error(`this schedule is for ${shortly(model)}, the page for ${program.memoryModel}`);
  }
  const names = moverNames(program);
  for (const step of schedule.steps) {
    if (!Array.isArray(step)) throw new Error("a step is not an actor with a count");
    if (!names.includes(step[0])) throw new Error(`this page has no ${shortly(step[0])}`);
    if (!Number.isInteger(step[1]) || step[1] < 1) throw new Error("a step count is not a number");
  }
  if (!Array.isArray(choices) || !choices.every((each) => Number.isInteger(each) && each >= 0)) {
    throw new Error("the choices are not numbers");
  }
  /** @type {Scheduled} */
  const steps = schedule.steps.map(([name, count]) => [name, count]);
  for (const [name, count] of program.begun.steps) {
    let left = count;
    while (left && steps[0]?.[0] === name) {
      const taken = Math.min(left, steps[0][1]);
      left -= taken;
      steps[0][1] -= taken;
      if (!steps[0][1]) steps.shift();
    }
    if (left) throw new Error("this schedule begins in another way than this page");
  }
  return {
    runs: steps.map(([name, count]) => [names.indexOf(name), count]),
    choices: choices.slice(program.begun.choices.length),
  };
}

/** What a file says, in a few signs. @param {unknown} value */
function shortly(value) {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}

/**
 * The runs of an execution from power on, without what stands before the page begins.
 * @param {Way} way @param {Program} program @returns {Moves}
 */
export function movesOf(way, program) {
  const names = moverNames(program);
  /** @type {Runs} */
  const runs = way.steps.map(([name, count]) => [names.indexOf(name), count]);
  let skip = program.begun.steps.reduce((sum, [, count]) => sum + count, 0);
  while (skip && runs.length) {
    const taken = Math.min(skip, runs[0][1]);
    skip -= taken;
    runs[0][1] -= taken;
    if (!runs[0][1]) runs.shift();
  }
  return {runs, choices: way.choices.slice(program.begun.choices.length)};
}
