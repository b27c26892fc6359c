/** What happened, in two lanes: one row for each thing that people see as one. */
import {el} from "./dom.js";

const SHOWN = 48;

export class Lanes {
  /** @param {HTMLElement} node a tbody */
  constructor(node, program) {
    this.node = node;
    this.program = program;
    this.all = false;
    /** Rows that are done: all but the last, which may still grow. @type {Row[]} */
    this.rows = [];
    this.known = 0;
  }

  /** @param {Chronicle} story @param {Set<number>} turns */
  show(story, turns) {
    const {events} = story;
    if (this.known > events.length) [this.rows, this.known] = [[], 0];
    const last = this.rows.pop();
    const from = last ? last.first : 0;
    this.rows.push(...rowsOf(events, from, events.length, turns, this.program));
    this.known = events.length;
    const shown = this.all ? this.rows : this.rows.slice(-SHOWN);
    const hidden = this.rows.length - shown.length;
    const out = [];
    if (hidden) {
      out.push(el("tr", {}, el("td", {colspan: 4, class: "more"},
        el("button", {type: "button", click: () => { this.all = true; this.show(story, turns); }},
          `${hidden} earlier rows`))));
    }
    let stage = "";
    let turn = hidden ? this.rows[hidden - 1].actor : -1;
    for (const row of shown) {
      if (row.actor === 0 && row.stage !== stage && row.stage) {
        stage = row.stage;
        out.push(el("tr", {class: "stage"}, el("th", {colspan: 4, scope: "rowgroup"}, `stage ${stage}`)));
      }
      out.push(this.line(row, story, row.actor !== turn));
      turn = row.actor;
    }
    this.node.replaceChildren(...out);
  }

  /** @private @param {Row} row */
  line(row, story, switched) {
    const count = row.end - row.first;
    const what = el("td", {class: `op by-${row.actor}`}, row.text,
      ...(count > 2 ? [el("span", {class: "times"}, ` ${count} ops`)] : []));
    const empty = el("td", {class: "empty"});
    const cells = row.actor === 0 ? [what, empty] : [empty, what];
    const names = Object.keys(story.now);
    const moved = names.filter((name) => story.after[row.end - 1][name] !== story.before(row.first)[name]);
    const shown = moved.map((name) => `${name} ${story.after[row.end - 1][name]}`).join(", ");
    return el("tr", {class: `${switched ? "switched" : ""}${row.loud ? " loud" : ""}`},
      el("th", {scope: "row", class: "number"}, `${row.first}`), ...cells,
      el("td", {class: "where"}, row.where,
        ...(row.source ? [el("code", {}, row.source)] : []),
        ...(shown ? [el("span", {class: "moved"}, shown)] : [])));
  }
}
