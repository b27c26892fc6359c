/**
 * The page itself: buttons, keys, what is shown after each step.
 *
 * @import {Step} from "./engine.js"
 * @import {Moves} from "./link.js"
 * @import {Program} from "./program.js"
 */
import {Card} from "./card.js";
import {Chronicle} from "./chronicle.js";
import {byId, el, offer, setText} from "./dom.js";
import {resultOf} from "./effects.js";
import {Play} from "./engine.js";
import {Lanes} from "./lanes.js";
import {follow, fromFragment, fromSchedule, movesOf, toFragment, toSchedule} from "./link.js";
import {Flag, Kind, OUTCOMES} from "./ops.js";
import {Fields, messagesOf} from "./panels.js";
import {pictureOf} from "./picture.js";
import {Circle} from "./ring.js";
import {sentence} from "./sentence.js";
import {Solver} from "./solver.js";
import {isLoud, single} from "./words.js";

/** States after which the page asks before it goes on. */
const MOST_STATES = 2_000_000;
/** Steps that a run makes at most. */
const MOST_STEPS = 20_000;

export class Player {
  /** @param {Program} program */
  constructor(program) {
    this.program = program;
    this.play = new Play(program);
    this.story = new Chronicle(program);
    /** Events at which a turn begins, or the reader's steps. @type {Set<number>} */
    this.turns = new Set();
    this.solver = program.whole ? new Solver(program, MOST_STATES) : null;
    /** Where the play stood before each step or run that was asked for. @type {number[]} */
    this.marks = [];
    /** The timer that puts the play into the address. */
    this.linking = 0;
    /** @type {((player: Player) => void)[]} */
    this.listeners = [];
    this.circles = [new Circle("req", program), new Circle("rsp", program)];
    this.fields = new Fields(program);
    this.lanes = new Lanes(byId("rows"), byId("timeline"), program);
    this.cards = program.actors.map((_, number) => new Card(this, number));
    this.build();
    this.open(location.hash);
    window.addEventListener("hashchange", (event) => {
      // What was asked for, whatever stands in the address by now.
      clearTimeout(this.linking);
      this.open(new URL(event.newURL).hash);
    });
    document.addEventListener("keydown", (event) => this.key(event));
    if (this.solver) this.solve();
    this.show(true);
  }

  // -- what the reader does ---------------------------------------------------------------------

  /** One step of a mover; whether it could be made. @param {number} mover @param {number} [answer] */
  step(mover, answer = 0) {
    const at = this.story.events.length;
    const before = this.play.turn();
    if (!this.play.step(mover, answer)) return false;
    for (const event of /** @type {Step} */ (this.play.steps.at(-1)).events) this.story.add(event);
    if (this.play.turn() !== before) this.turns.add(at);
    return true;
  }

  /**
   * Steps of one actor, up to where others can notice what it has done, or it would sleep.
   * @param {number} actor @param {number} [answer] to the CHOOSE at which it stands
   */
  run(actor, answer = 0) {
    let made = 0;
    for (; made < MOST_STEPS; made += 1) {
      const op = this.play.op(actor);
      const sleeps = op.kind === Kind.WAIT && !(op.flags & Flag.POLL) && !resultOf(this.play.memory, op);
      if (made && (op.kind === Kind.CHOOSE || sleeps || op.kind === Kind.HALT)) break;
      if (this.program.tso && this.play.whyNot(actor) && this.play.buffers[actor].length) {
        const [oldest] = this.play.buffers[actor];
        if (!this.step(this.play.count + actor)) break;
        if (!isLoud(oldest, this.program)) continue;
        made += 1;
        break;
      }
      if (!this.step(actor, answer)) break;
      if (isLoud(op, this.program)) {
        made += 1;
        break;
      }
    }
    return made > 0;
  }

  undo() {
    const done = this.play.undo();
    if (done) this.retell();
    return done;
  }

  redo() {
    const next = this.play.undone.at(-1);
    return next !== undefined && this.step(next[0], next[1]);
  }

  /** Make again what was undone, up to where somebody else moves. */
  toSwitch() {
    const {count, undone} = this.play;
    if (!undone.length) return false;
    const moverAt = () => undone[undone.length - 1][0] % count;
    const first = moverAt();
    while (undone.length && moverAt() === first) this.redo();
    return true;
  }

  /** To step `target` of this play. @param {number} target */
  seek(target) {
    while (this.play.steps.length > target && this.play.undo());
    while (this.play.steps.length < target && this.play.redo());
    this.retell();
  }

  /** To where the reader begins. */
  restart() {
    this.seek(0);
  }

  /**
   * What a button, a key, or the page beside this one asks for.
   * @param {string} name @param {number} [actor] @param {number} [answer]
   */
  command(name, actor = 0, answer = 0) {
    const before = this.play.steps.length;
    /** @type {Record<string, () => void>} */
    const known = {
      step: () => this.step(actor, answer),
      run: () => this.run(actor, answer),
      undo: () => this.back(),
      redo: () => this.redo(),
      switch: () => this.toSwitch(),
      restart: () => this.restart(),
    };
    this.say("");
    known[name]?.();
    if (name === "step" || name === "run") this.marks.push(before);
    else if (name !== "undo") this.marks = [];
    this.show();
  }

  /** One step; beside another page, all that one press has made, as it has in the other. */
  back() {
    const mark = this.marks.pop();
    if (window.parent === window || mark === undefined) this.undo();
    else this.seek(mark);
  }

  /** The same, and whoever plays along is told. @type {Player["command"]} */
  ask(name, actor = 0, answer = 0) {
    this.command(name, actor, answer);
    if (window.parent !== window) window.parent.postMessage({guestsim: "command", name, actor, answer}, "*");
  }

  /** @private After steps were taken back. */
  retell() {
    this.story = new Chronicle(this.program, this.play);
    this.turns = new Set();
    let at = this.program.begun.events.length;
    let turn = -1;
    for (const {mover, events} of this.play.steps) {
      if (mover < this.play.count && mover !== turn && events.length) {
        this.turns.add(at);
        turn = mover;
      }
      at += events.length;
    }
  }

  /** Another play altogether; why it could not be followed, or "". @param {Moves} moves */
  load(moves) {
    this.play = new Play(this.program);
    const why = follow(this.play, moves);
    this.retell();
    return why;
  }

  /** @private What the link says. @param {string} fragment */
  open(fragment) {
    if (fragment === toFragment(this.play)) return;
    const moves = fromFragment(fragment);
    if (!moves) {
      if (fragment.startsWith("#p=")) this.say("this link has no play that can be read");
      return;
    }
    const why = this.load(moves);
    this.say(why ? `the link could not be followed: ${why}` : "the play of the link");
    this.show(true);
  }

  // -- the solver -------------------------------------------------------------------------------

  /** @private In slices, so that the page answers meanwhile. */
  solve() {
    const {solver} = this;
    if (!solver) return;
    const more = solver.slice(performance.now() + 8);
    this.showReach();
    if (more) setTimeout(() => this.solve());
    else this.listeners.forEach((listener) => listener(this));
  }

  /** The state of the solver's graph in which the play stands; -1 where that is not known. */
  get state() {
    return this.solver?.phase === "done" ? this.solver.stateOf(this.play) : -1;
  }

  /** How it has ended; "" while it has not (or nobody knows). */
  get outcome() {
    if (this.play.ended) return this.play.ended.end.outcome ?? "cut short";
    return this.solver?.isHung(this.state) ? "hung" : "";
  }

  /** A hint: what to do next for an outcome. @param {string} outcome */
  hint(outcome) {
    const {solver, play, program} = this;
    if (solver?.phase !== "done") return "not solved yet";
    const found = solver.hint(play, play.turn(), outcome);
    if (!found) return `${outcome} cannot be reached from here`;
    const label = (/** @type {number} */ mover) => (mover < play.count ? `the ${program.actors[mover].name}`
      : `the ${program.actors[mover - play.count].name}'s oldest store out`);
    const copy = play.clone();
    /** @type {{what: string, count: number}[]} */
    const runs = [];
    for (const [mover, answer] of found.steps) {
      const op = mover < play.count ? copy.op(mover) : null;
      const what = op?.kind === Kind.CHOOSE
        ? `${label(mover)}, choosing "${single({actor: mover, op, value: answer}, program)}",` : label(mover);
      const last = runs.at(-1);
      if (last?.what === what) last.count += 1;
      else runs.push({what, count: 1});
      copy.step(mover, answer);
    }
    const parts = runs.map(({what, count}) => `${what} ${count === 1 ? "once" : `${count} times`}`);
    const then = found.then >= 0 ? label(found.then) : "";
    if (!parts.length) return then ? `now ${then} has to move` : `this is ${outcome} already`;
    return `move ${parts.join(", then ")}${then ? `, then ${then}` : `: that is ${outcome}`}`;
  }

  // -- what is shown ----------------------------------------------------------------------------

  /** @private */
  build() {
    const {program} = this;
    byId("circles").append(...this.circles.map((circle) => el("figure", {}, circle.node,
      el("figcaption", {}, circle.ring === "req" ? "req: requests, guest to daemon" : "rsp: replies, daemon to guest"))));
    byId("fields").append(this.fields.node);
    byId("movers").append(...this.cards.map((card) => card.node));
    for (const name of ["undo", "redo", "switch", "restart"]) {
      byId(name).addEventListener("click", () => this.ask(name));
    }
    byId("scrubber").addEventListener("input", () => {
      this.seek(Number(byId("scrubber").value));
      this.show(true);
    });
    byId("copy").addEventListener("click", () => this.copy());
    byId("save").addEventListener("click", () => this.save());
    byId("open").addEventListener("change", () => this.read(byId("open")));
    byId("picture").addEventListener("click", () => offer(`${this.picture()}\n`,
      `${program.name.replace(/[^\w-]+/g, "-")}-${this.play.steps.length}.svg`, "image/svg+xml"));
    byId("go-on").addEventListener("click", () => { this.solver?.goOn(); this.solve(); });
    for (const [number, way] of program.ways.entries()) {
      byId("ways").append(el("li", {}, el("button", {type: "button", click: () => this.way(number)}, way.title),
        el("span", {class: "sentence"}, ` ${way.sentence}`)));
    }
  }

  /** Show one of the executions that the search has found, from the start. @param {number} number */
  way(number) {
    const way = this.program.ways[number];
    const why = this.load(movesOf(way, this.program));
    if (why) this.say(why);
    else this.say(`${way.title}: go back and forth in it`);
    this.show(true);
  }

  /** Bring everything up to date. `quietly`: nothing is marked as changed. */
  show(quietly = false) {
    const {play, story} = this;
    for (const card of this.cards) card.show();
    for (const circle of this.circles) circle.show(story);
    this.fields.show(play.memory, quietly);
    this.lanes.show(story, this.turns);
    const total = play.steps.length + play.undone.length;
    const scrubber = byId("scrubber");
    scrubber.max = `${total}`;
    scrubber.value = `${play.steps.length}`;
    setText(byId("position"), `step ${play.steps.length} of ${total}`);
    byId("undo").disabled = byId("restart").disabled = byId("save").disabled = !play.steps.length;
    byId("redo").disabled = byId("switch").disabled = !play.undone.length;
    const messages = messagesOf(story, 6).map(({ring, text, id}) =>
      el("li", {class: ring}, text, el("small", {}, ` id ${id}`)));
    byId("messages").replaceChildren(...(messages.length ? messages : [el("li", {}, "none yet")]));
    // Not at each step: a browser bears some hundred changes of an address, and then no more.
    clearTimeout(this.linking);
    this.linking = setTimeout(() => history.replaceState(null, "", this.link), 150);
    this.showReach();
    this.listeners.forEach((listener) => listener(this));
  }

  /** @private What is still possible, and how it ended. */
  showReach() {
    const {solver, play, program} = this;
    const reach = byId("reach");
    const asking = solver?.phase === "asking";
    byId("go-on").hidden = !asking;
    if (!solver || solver.phase !== "done") {
      setText(reach, this.unsolved());
      byId("hints").replaceChildren();
    } else {
      const state = this.state;
      const first = solver.distance;
      const words = OUTCOMES.filter((outcome) => first.has(outcome)).map((outcome) => {
        const switches = play.ended ? Infinity : solver.switches(state, play.turn(), outcome);
        if (switches === Infinity) return `${outcome} not any more`;
        if (outcome === "hung" && solver.isHung(state)) return "hung now";
        return `${outcome} in ${switches} switch${switches === 1 ? "" : "es"}`;
      });
      const never = OUTCOMES.filter((outcome) => !first.has(outcome));
      setText(reach, play.ended ? "" : `From here: ${words.join(" · ")}.`
        + `${never.length ? ` From nowhere: ${never.join(", ")}.` : ""}`);
      setText(byId("solved"), `The page has tried every order: ${solver.states.toLocaleString("en")} states, `
        + `${solver.transitions.toLocaleString("en")} steps.`);
      const hints = [...first.keys()].map((outcome) => el("button", {type: "button", class: "hint",
        disabled: Boolean(play.ended), click: () => this.say(this.hint(outcome))}, `hint: ${outcome}`));
      if (byId("hints").childElementCount !== hints.length
          || byId("hints").querySelector("button")?.disabled !== Boolean(play.ended)) byId("hints").replaceChildren(...hints);
    }
    const {outcome} = this;
    const box = byId("outcome");
    box.className = outcome ? `outcome ${outcome.replace(" ", "-")}` : "outcome";
    setText(box, outcome ? `${outcome}: ${sentence(this.story, play)}` : "");
    if (outcome && !program.whole) setText(reach, "");
  }

  /** @private */
  unsolved() {
    const {solver, program} = this;
    const found = program.found.join(", ");
    const verdict = program.certificate?.complete
      ? `guestsim's own search tried every order and found: ${found}.`
      : `guestsim's search was cut short; it had found: ${found}.`;
    if (!solver) return `This page holds some ways only (${program.whyNotWhole}). ${verdict}`;
    if (solver.phase === "failed") return `Not solved: ${solver.why}. ${verdict}`;
    if (solver.phase === "asking") {
      return `Not solved: more than ${solver.states.toLocaleString("en")} states. ${verdict}`;
    }
    return `Trying every order: ${solver.states.toLocaleString("en")} states so far. ${verdict}`;
  }

  /** A line about what has just been done. @param {string} text */
  say(text) {
    setText(byId("said"), text);
  }

  // -- keys, links, files -----------------------------------------------------------------------

  /** @private @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || target.matches("input, select, textarea")) return;
    const {count} = this.play;
    /** @type {Record<string, [string, number?]>} */
    const actions = {
      g: ["step", 0], d: ["step", 1], G: ["run", 0], D: ["run", 1],
      u: ["undo"], r: ["redo"], n: ["switch"], Home: ["restart"],
      ...(this.program.tso ? {b: ["step", count], B: ["step", count + 1]} : {}),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    const [name, mover = 0] = action;
    this.ask(name, mover, this.cards[mover]?.chosen ?? 0);
  }

  /** The address of this page with the play in it. */
  get link() {
    return location.href.split("#")[0] + toFragment(this.play);
  }

  /** @private */
  async copy() {
    try {
      await navigator.clipboard.writeText(this.link);
      this.say("the link to this play is copied");
    } catch {
      this.say("copy the address of this page: the play is in it");
    }
  }

  /** The schedule of the play, up to where it has ended. */
  schedule() {
    const play = new Play(this.program);
    for (const {mover, answer} of this.play.steps) {
      if (this.solver?.phase === "done" && this.solver.isHung(this.solver.stateOf(play))) break;
      play.step(mover, answer);
    }
    return toSchedule(play, play.ended?.end.outcome ?? null);
  }

  /** The ring as it stands, as an SVG file. */
  picture() {
    return pictureOf(this);
  }

  /** @private */
  save() {
    offer(this.schedule(), `${this.program.name.replace(/[^\w-]+/g, "-")}-played.schedule.json`, "application/json");
    this.say("guestsim replay takes this file, if it lies in this page's folder");
  }

  /** @private @param {HTMLInputElement} input */
  async read(input) {
    const file = input.files?.[0];
    if (!file) return;
    if (file.size > 64 << 20) {
      this.say(`${file.name}: too large for a schedule`);
      return;
    }
    this.openSchedule(await file.text(), file.name);
    input.value = "";
  }

  /** Play the schedule file of that text. @param {string} text @param {string} name */
  openSchedule(text, name) {
    try {
      const why = this.load(fromSchedule(text, this.program));
      this.say(why ? `${name}: ${why}` : `${name}: ${this.play.steps.length} steps`);
    } catch (error) {
      this.say(`${name}: ${/** @type {Error} */ (error).message}`);
    }
    this.show(true);
  }
}
