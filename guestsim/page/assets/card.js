/**
 * The card of one side: what it does next, why it cannot, its buttons, what waits in its store
 * buffer, what it has set up.
 *
 * @import {Player} from "./player.js"
 */
import {el, setText} from "./dom.js";
import {Kind} from "./ops.js";
import {standingOf} from "./panels.js";
import {nextWords, single} from "./words.js";

export class Card {
  /** @param {Player} player @param {number} number of the actor */
  constructor(player, number) {
    const {program} = player;
    const actor = program.actors[number];
    this.player = player;
    this.actor = number;
    this.step = el("button", {type: "button", class: "step", "data-actor": number,
      click: () => player.ask("step", number, this.chosen)}, `${actor.name}: 1 op`);
    this.run = el("button", {type: "button", class: "run", "data-actor": number,
      click: () => player.ask("run", number, this.chosen)}, "run");
    this.choice = el("select", {"aria-label": `what ${actor.label} chooses`, hidden: true});
    this.next = el("p", {class: "next"});
    this.why = el("p", {class: "why"});
    this.source = el("code", {class: "source"});
    this.drain = el("button", {type: "button", class: "drain", "data-actor": number,
      click: () => player.ask("step", player.play.count + number)}, "let its oldest store out");
    this.queue = el("ol", {class: "queue", "aria-label": `${actor.label}'s store buffer, the oldest first`});
    this.standing = el("ul", {class: "standing", "aria-label": `what ${actor.label} has set up`});
    this.node = el("section", {class: `card by-${number}`, "aria-label": actor.label},
      el("h2", {}, actor.name === actor.label ? actor.name : `${actor.name}: ${actor.label}`),
      this.next, this.source, this.why, this.choice,
      el("p", {class: "buttons"}, this.step, this.run, ...(program.tso ? [this.drain] : [])),
      ...(program.tso ? [this.queue] : []), this.standing);
  }

  /** What the reader has chosen; 0 where there is no choice. */
  get chosen() {
    return Number(this.choice.value || 0);
  }

  /** Bring it up to date. */
  show() {
    const {play, program} = this.player;
    const {actor} = this;
    const op = play.op(actor);
    const why = play.whyNot(actor);
    setText(this.next, play.ended ? "" : `next: ${nextWords(play, actor)}`);
    setText(this.source, play.ended ? "" : [op.where, op.source].filter(Boolean).join("  "));
    setText(this.why, play.ended ? "" : why && `cannot move: ${why}`);
    this.step.disabled = Boolean(why);
    // A run lets stores out that are in its way.
    this.run.disabled = Boolean(why) && (Boolean(play.ended) || !play.buffers[actor].length);
    this.choice.hidden = op.kind !== Kind.CHOOSE || Boolean(play.ended);
    if (this.choice.hidden) {
      this.choice.replaceChildren();
    } else if (!this.choice.length || this.choice.dataset.node !== `${play.nodes[actor]}`) {
      // While the actor stands there, what the reader has chosen stays chosen.
      this.choice.dataset.node = `${play.nodes[actor]}`;
      const meanings = op.note.split(" | ");
      this.choice.replaceChildren(...Array.from({length: Number(op.value)}, (_, answer) =>
        el("option", {value: answer}, meanings[answer] || `${answer}`)));
    }
    if (program.tso) {
      this.drain.disabled = Boolean(play.whyNot(play.count + actor));
      const stores = play.buffers[actor];
      const shown = stores.slice(0, 8).map((store) => el("li", {},
        single({actor, op: store, value: store.value}, program)));
      if (stores.length > 8) shown.push(el("li", {}, `… ${stores.length - 8} more`));
      this.queue.replaceChildren(...shown);
    }
    const standing = standingOf(play, actor);
    this.standing.replaceChildren(...standing.split("\n").filter(Boolean).map((line) => el("li", {}, line)));
  }
}
