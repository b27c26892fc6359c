/**
 * The ring as it stands, as an SVG file of its own: for slides, and for a README.
 *
 * @import {Player} from "./player.js"
 */
import {svg} from "./dom.js";
import {nextWords} from "./words.js";

const STYLE = `text{font:13px system-ui,sans-serif;fill:#1c2333}.track{fill:none;stroke:#e4e7ee}
.by-0{fill:#2458c5}.by-1{fill:#b35309}.by-2{fill:#1a6b50}.by-3{fill:#7d2e8d}.unread{fill:#128a5a}.hand{stroke:#1c2333;stroke-width:2.5}
.hand.prod{stroke-dasharray:5 3}.hub{fill:#fff;stroke:#e4e7ee}.count{font-size:24px;font-weight:600}
.unit{font-size:12px;fill:#5a6478}.hand-name{font-size:11px}.impossible .count,.impossible .unit{fill:#c0202b}
.title{font-size:17px;font-weight:600}.name{fill:#5a6478}.outcome{font-weight:600}`;

/** @param {Player} player */
export function pictureOf(player) {
  const {story, play, program} = player;
  const root = svg("svg", {xmlns: "http://www.w3.org/2000/svg", viewBox: "0 0 920 470", width: 920, height: 470});
  root.append(svg("style", {}, STYLE), svg("rect", {width: 920, height: 470, fill: "#fff"}));
  root.append(svg("text", {class: "title", x: 24, y: 34}, program.name));
  player.circles.forEach((circle, number) => {
    const copy = /** @type {SVGElement} */ (circle.node.cloneNode(true));
    copy.setAttribute("x", `${24 + 310 * number}`);
    copy.setAttribute("y", "52");
    copy.setAttribute("width", "300");
    copy.setAttribute("height", "300");
    root.append(copy, svg("text", {x: 174 + 310 * number, y: 372, "text-anchor": "middle", class: "name"},
      circle.ring === "req" ? "req: requests" : "rsp: replies"));
  });
  [...player.fields.rows].forEach(([name, {value}], row) => {
    root.append(svg("text", {x: 650, y: 84 + 24 * row, class: "name"}, name),
      svg("text", {x: 768, y: 84 + 24 * row}, value.textContent ?? ""));
  });
  program.actors.forEach((actor, number) => {
    const next = play.ended ? "" : `next: ${nextWords(play, number)}`;
    root.append(svg("rect", {class: `by-${number}`, x: 24, y: 392 + 24 * number, width: 12, height: 12}),
      svg("text", {x: 44, y: 403 + 24 * number}, `${actor.label}  ${next}`));
  });
  player.lanes.rows.slice(-6).forEach((row, number) => {
    const text = row.text.length <= 30 ? row.text : `${row.text.slice(0, 29)}…`;
    root.append(svg("text", {x: 650, y: 330 + 22 * number, class: "name"}, `${row.first}`),
      svg("text", {x: 690, y: 330 + 22 * number, class: `by-${row.lane}`}, text));
  });
  const {outcome} = player;
  if (outcome) {
    root.append(svg("text", {class: "outcome", x: 24, y: 456}, `${outcome} after ${story.events.length} ops`));
  }
  return new XMLSerializer().serializeToString(root);
}
