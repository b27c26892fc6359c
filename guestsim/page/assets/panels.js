/**
 * The fields of the page, what the daemon has set up, messages: as lists.
 *
 * @import {Chronicle} from "./chronicle.js"
 * @import {Play} from "./engine.js"
 * @import {Program} from "./program.js"
 */
import {spell, titleOf} from "./chronicle.js";
import {el, setText} from "./dom.js";
import {word} from "./effects.js";
import {INDICES, startOf, valueWords} from "./places.js";

const RING_FIELDS = [...INDICES, "server_features", "connection", "error"];

/** Fields with their values; those that the last step changed are marked. */
export class Fields {
  /** @param {Program} program */
  constructor(program) {
    this.program = program;
    /** @type {Map<string, {row: HTMLElement, value: HTMLElement, old: string | null}>} */
    this.rows = new Map();
    this.node = el("tbody");
    for (const name of [...RING_FIELDS, "guest's event", "daemon's event"]) {
      const value = el("td");
      const row = el("tr", {}, el("th", {scope: "row"}, name), value);
      this.rows.set(name, {row, value, old: null});
      this.node.append(row);
    }
  }

  /** @param {Uint8Array} memory @param {boolean} quietly nothing is marked as changed */
  show(memory, quietly) {
    for (const [name, row] of this.rows) {
      const text = this.value(name, memory);
      const changed = row.old !== null && row.old !== text && !quietly;
      setText(row.value, text);
      row.row.classList.toggle("changed", changed);
      row.old = text;
    }
  }

  /** @private @param {string} name @param {Uint8Array} memory */
  value(name, memory) {
    const {layout} = this.program;
    if (name === "guest's event") {
      const pending = memory.subarray(layout.pending, layout.pending + 128).some(Boolean);
      return pending ? `pending${memory[layout.upcall] ? ", the guest is told" : ", not told"}` : "none";
    }
    if (name === "daemon's event") return word(memory, layout.server) ? "pending" : "none";
    return valueWords(name, word(memory, startOf(name, layout)), layout);
  }
}

/**
 * What the daemon had set up when it last looked: watches, transactions, replies to send.
 * @param {Play} play @param {number} actor
 */
export function standingOf(play, actor) {
  const {standing, answers} = play.program.actors[actor];
  if (!standing.size) return "";
  for (let node = play.nodes[actor], left = 4096; left; left -= 1) {
    if (answers.has(node)) return standing.get(node) ?? "";
    const next = play.program.actors[actor].next[node];
    if (next < 0) return "";
    node = next;
  }
  return "";
}

/** The last messages, the newest first. @param {Chronicle} story @param {number} most */
export function messagesOf(story, most) {
  return story.messages.slice(-most).reverse().map((message) => {
    const from = message.ring === "req" ? story.program.actors[0].label : story.program.actors[1].label;
    const words = message.ring === "req" || message.type === "WATCH_EVENT" || message.type === "ERROR"
      ? titleOf(message) : `${message.type} → "${spell(message.payload, 40)}"`;
    return {ring: message.ring, text: `${from}: ${words}`, id: message.reqId};
  });
}
