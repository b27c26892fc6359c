/**
 * A lesson beside the player: its goal, which the solver judges, and its question. What is done is
 * kept by this browser, and by nobody else.
 *
 * @import {Player} from "./player.js"
 *
 * @typedef {{
 *   name: string, goal: {reach: string | null, never: string[]},
 *   question: {answers: string[], right: number, because: string}
 * }} LessonData  of guestsim/page/lessons.py: `right` counts from 1
 */
import {byId, el, setText} from "./dom.js";

const KEY = "guestsim-lessons";

/** The names of the lessons that are done. @returns {Set<string>} */
export function doneLessons() {
  try {
    return new Set(JSON.parse(localStorage.getItem(KEY) ?? "[]"));
  } catch {
    return new Set(); // no storage for this page, or somebody else's text in it
  }
}

export class Lesson {
  /** @param {LessonData} lesson @param {Player} player */
  constructor(lesson, player) {
    this.lesson = lesson;
    this.player = player;
    this.reached = false;
    this.answered = false;
    player.listeners.push(() => this.judge());
    this.ask();
    this.judge();
  }

  /** @private Whether the goal is reached. */
  judge() {
    const {goal} = this.lesson;
    const {outcome, solver} = this.player;
    if (goal.reach) {
      this.reached ||= outcome === goal.reach;
    } else if (solver?.phase === "done") {
      const possible = goal.never.filter((each) => solver.switches(0, -1, each) !== Infinity);
      this.reached ||= outcome !== "" && !possible.length;
    }
    const text = this.reached ? "Done. " + (goal.reach ? "" : `The page has tried every order: ${goal.never.join(", ")} cannot happen.`)
      : goal.reach ? `Goal: ${goal.reach}.` : `Goal: play it to its end. Can it be ${goal.never.join(" or ")}?`;
    setText(byId("goal"), text.trim());
    byId("goal").classList.toggle("done", this.reached);
    this.keep();
  }

  /** @private */
  ask() {
    const {question} = this.lesson;
    const said = byId("because");
    byId("answers").append(...question.answers.map((answer, number) => el("li", {}, el("button", {
      type: "button",
      click: (event) => {
        const right = number + 1 === question.right;
        for (const button of byId("answers").querySelectorAll("button")) button.removeAttribute("data-is");
        /** @type {HTMLElement} */ (event.target).dataset.is = right ? "right" : "wrong";
        setText(said, right ? `Yes. ${question.because}` : "No: look again.");
        this.answered ||= right;
        this.keep();
      }}, answer))));
  }

  /** @private */
  keep() {
    if (!this.reached || !this.answered) return;
    try {
      localStorage.setItem(KEY, JSON.stringify([...doneLessons().add(this.lesson.name)]));
    } catch {
      // A browser that keeps nothing for pages from a disk: the lesson works without.
    }
  }
}
