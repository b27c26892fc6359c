/**
 * The ring page as a picture: both circles of 1024 bytes, their indices as hands.
 *
 * @import {Chronicle} from "./chronicle.js"
 * @import {Program, Ring} from "./program.js"
 */
import {used} from "./chronicle.js";
import {setText, svg} from "./dom.js";
import {signed} from "./places.js";

const R = {outer: 118, inner: 96, unread: 88, hand: 112};
const CENTER = 150;

/** @param {number} index @param {number} radius @returns {[number, number]} */
function point(index, radius) {
  const angle = (index % 1024) / 1024 * 2 * Math.PI;
  return [CENTER + radius * Math.sin(angle), CENTER - radius * Math.cos(angle)];
}

/**
 * A band from byte `from` to before byte `to`, between two radii.
 * @param {number} from @param {number} to @param {number} outer @param {number} inner @returns {string}
 */
function band(from, to, outer, inner) {
  const long = to - from > 512 ? 1 : 0;
  if (to - from >= 1024) {
    return band(0, 512, outer, inner) + band(512, 1023.9, outer, inner);
  }
  const [ax, ay] = point(from, outer);
  const [bx, by] = point(to, outer);
  const [cx, cy] = point(to, inner);
  const [dx, dy] = point(from, inner);
  const f = (/** @type {number} */ number) => number.toFixed(2);
  return `M${f(ax)} ${f(ay)}A${outer} ${outer} 0 ${long} 1 ${f(bx)} ${f(by)}`
    + `L${f(cx)} ${f(cy)}A${inner} ${inner} 0 ${long} 0 ${f(dx)} ${f(dy)}Z`;
}

/** One circle; `show` brings it up to date. */
export class Circle {
  /** @param {Ring} ring @param {Program} program */
  constructor(ring, program) {
    this.ring = ring;
    this.program = program;
    this.offset = ring === "req" ? 0 : 1024;
    this.bands = program.actors.map((_, actor) => svg("path", {class: `by-${actor}`}));
    this.unread = svg("path", {class: "unread"});
    this.hands = /** @type {const} */ (["cons", "prod"]).map((end) => ({
      end,
      line: svg("line", {class: `hand ${end}`, x1: CENTER, y1: CENTER}),
      text: svg("text", {class: `hand-name ${end}`, "text-anchor": "middle", "dominant-baseline": "middle"}),
    }));
    this.count = svg("text", {class: "count", x: CENTER, y: CENTER - 6, "text-anchor": "middle"});
    this.unit = svg("text", {class: "unit", x: CENTER, y: CENTER + 14, "text-anchor": "middle"});
    this.label = svg("title");
    this.node = svg("svg", {class: "circle", viewBox: "0 0 300 300", role: "img"},
      this.label,
      svg("circle", {class: "track", cx: CENTER, cy: CENTER, r: (R.outer + R.inner) / 2, "stroke-width": R.outer - R.inner}),
      ...this.bands, this.unread,
      ...this.hands.flatMap(({line, text}) => [line, text]),
      svg("circle", {class: "hub", cx: CENTER, cy: CENTER, r: 46}),
      this.count, this.unit);
  }

  /** @param {Chronicle} story */
  show(story) {
    const {ring} = this;
    const now = story.now;
    const cons = now[`${ring}_cons`];
    const prod = now[`${ring}_prod`];
    const bytes = used(now, ring);
    const paths = this.program.actors.map(() => "");
    const writers = story.writers.subarray(this.offset, this.offset + 1024);
    for (let from = 0; from < 1024;) {
      let to = from + 1;
      while (to < 1024 && writers[to] === writers[from]) to += 1;
      if (writers[from] !== 255) paths[writers[from]] += band(from, to, R.outer, R.inner);
      from = to;
    }
    paths.forEach((path, actor) => this.bands[actor].setAttribute("d", path));
    const possible = bytes <= 1024;
    this.unread.setAttribute("d", bytes && possible
      ? band(cons % 1024, cons % 1024 + bytes, R.unread, R.unread - 10) : "");
    // Hands that lie close to each other: their names stand aside, the one ahead to its right.
    const ahead = ((cons - prod) % 1024 + 1536) % 1024 - 512;
    const near = Math.abs(ahead) < 80;
    for (const {end, line, text} of this.hands) {
      const value = now[`${ring}_${end}`];
      const [x, y] = point(value, R.hand);
      line.setAttribute("x2", x.toFixed(1));
      line.setAttribute("y2", y.toFixed(1));
      const aside = near ? (end === "cons" === ahead > 0 ? 42 : -42) : 0;
      const [tx, ty] = point(value + aside + 1024, 134);
      text.setAttribute("x", tx.toFixed(1));
      text.setAttribute("y", ty.toFixed(1));
      setText(text, end);
    }
    this.node.classList.toggle("impossible", !possible);
    setText(this.count, `${signed(bytes)}`);
    setText(this.unit, possible ? "unread" : "impossible");
    const what = ring === "req" ? "requests" : "replies";
    setText(this.label, `${what}: ${ring}_cons ${cons}, ${ring}_prod ${prod}, ${signed(bytes)} bytes unread`
      + `${possible ? "" : ", which cannot be"}`);
  }
}
