/**
 * What happened, in lanes: one row for each thing that people see as one. Earlier turns are one
 * row each, which can be opened.
 *
 * @import {Chronicle} from "./chronicle.js"
 * @import {Program} from "./program.js"
 * @import {Row} from "./words.js"
 *
 * @typedef {{first: number, lane: number, rows: Row[]}} Turn  rows of one lane
 */
import {el} from "./dom.js";
import {INDICES} from "./places.js";
import {rowsOf} from "./words.js";

/** Rows of a turn that is never folded; turns that are shown. */
const FEW = 4;
const TURNS = 30;

export class Lanes {
  /** @param {HTMLElement} node a tbody @param {HTMLElement} frame what scrolls @param {Program} program */
  constructor(node, frame, program) {
    this.node = node;
    this.frame = frame;
    this.program = program;
    this.count = program.actors.length + program.others.length;
    /** First events of turns that the reader has opened. @type {Set<number>} */
    this.opened = new Set();
    this.all = false;
    /** @type {Row[]} */
    this.rows = [];
    /** What the rows tell. @type {Chronicle | null} */
    this.story = null;
  }

  /** @param {Chronicle} story @param {Set<number>} turns where turns begin */
  show(story, turns) {
    const {events} = story;
    if (this.story !== story) [this.rows, this.story] = [[], story];
    // The last row may still grow.
    const last = this.rows.pop();
    const more = rowsOf(events, last ? last.first : 0, events.length, turns, this.program);
    this.rows = this.rows.concat(more); // they may be too many for one call of push
    /** @type {Turn[]} */
    const grouped = [];
    for (const row of this.rows) {
      const before = grouped.at(-1);
      const stage = row.lane === 0 && before?.rows[0].stage !== row.stage;
      if (!before || before.lane !== row.lane || stage) {
        grouped.push({first: row.first, lane: row.lane, rows: [row]});
      } else {
        before.rows.push(row);
      }
    }
    const shown = this.all ? grouped : grouped.slice(-TURNS);
    const out = [];
    if (shown.length < grouped.length) {
      const open = () => {
        this.all = true;
        this.show(story, turns);
      };
      out.push(el("tr", {}, el("td", {colspan: this.count + 2},
        el("button", {type: "button", click: open}, `${grouped.length - shown.length} earlier turns`))));
    }
    let stage = "";
    shown.forEach((turn, number) => {
      const {stage: now} = turn.rows[0];
      if (turn.lane === 0 && now && now !== stage) {
        stage = now;
        out.push(el("tr", {class: "stage"}, el("th", {colspan: this.count + 2, scope: "rowgroup"}, `stage ${now}`)));
      }
      const current = number === shown.length - 1;
      out.push(...this.turn(turn, story, turns, current));
    });
    this.node.replaceChildren(...out);
    this.frame.scrollTop = this.frame.scrollHeight;
  }

  /**
   * @private The rows of a turn: all of them, or the last ones below one that stands for the others.
   * @param {Turn} turn @param {Chronicle} story @param {Set<number>} turns @param {boolean} current
   */
  turn(turn, story, turns, current) {
    const {rows} = turn;
    /** @type {(row: Row, first: boolean) => HTMLElement} */
    const line = (row, first) => this.line(row, first, current && row === rows.at(-1));
    if (this.opened.has(turn.first) || rows.length <= FEW) return rows.map((row, at) => line(row, !at));
    const kept = current ? rows.slice(-FEW) : [];
    const folded = rows.slice(0, rows.length - kept.length);
    const last = folded[folded.length - 1];
    const open = () => {
      this.opened.add(turn.first);
      this.show(story, turns);
    };
    const said = folded.filter((row) => row.loud).map((row) => row.text);
    const text = `${last.end - folded[0].first} ops${said.length ? `: ${said.slice(-3).join("; ")}` : ""}`;
    const button = el("button", {type: "button", class: "fold", click: open,
      "aria-label": `show ${folded.length} rows`}, "+");
    return [
      this.cells(folded[0].first, turn.lane, [button, text], "", true, false,
        moved(story, folded[0].first, last.end)),
      ...kept.map((row) => line(row, false)),
    ];
  }

  /** @private @param {Row} row @param {boolean} switched @param {boolean} newest */
  line(row, switched, newest) {
    const count = row.end - row.first;
    const times = count > 2 ? [el("small", {}, ` ${count} ops`)] : [];
    const source = newest && row.source ? [el("code", {}, row.source)] : [];
    return this.cells(row.first, row.lane, [row.text, ...times, ...source], row.where, switched, row.loud, "");
  }

  /**
   * @private
   * @param {number} first @param {number} lane @param {(Node | string)[]} what @param {string} where
   * @param {boolean} switched @param {boolean} loud @param {string} indices
   */
  cells(first, lane, what, where, switched, loud, indices) {
    const op = el("td", {class: `op by-${lane}`}, ...what);
    const lanes = Array.from({length: this.count}, (_, number) => (number === lane ? op : el("td")));
    return el("tr", {class: `${switched ? "switched" : ""}${loud ? " loud" : ""}`},
      el("th", {scope: "row", class: "number"}, `${first}`), ...lanes,
      el("td", {class: "where"}, where, ...(indices ? [el("span", {class: "moved"}, indices)] : [])));
  }
}

/**
 * The indices that events `first` to `end` - 1 have changed.
 * @param {Chronicle} story @param {number} first @param {number} end
 */
function moved(story, first, end) {
  const after = story.after[end - 1];
  const before = story.before(first);
  return INDICES.filter((name) => after[name] !== before[name])
    .map((name) => `${name} ${after[name]}`).join(", ");
}
