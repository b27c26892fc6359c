/** Where the page begins: unpack the content, put up the player. */
import {byId} from "./dom.js";
import {Lesson} from "./lesson.js";
import {Player} from "./player.js";
import {makeProgram} from "./program.js";

/** What a script element of the page holds. @param {string} id @returns {Promise<any>} of JSON */
async function contentOf(id) {
  const bytes = Uint8Array.from(atob(byId(id).textContent.trim()), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

async function begin() {
  const player = new Player(makeProgram(await contentOf("content")));
  if (byId("lesson-data")) new Lesson(await contentOf("lesson-data"), player);
  window.addEventListener("message", ({data, source}) => {
    if (source === window.parent && data?.guestsim === "command") {
      player.command(`${data.name}`, Number(data.actor), Number(data.answer));
    }
  });
  // For the tests, and for who plays in the console.
  Object.assign(window, {guestsim: player});
  document.documentElement.dataset.ready = "yes";
}

begin().catch((error) => {
  byId("said").textContent = `This page cannot be shown: ${error.message}`;
  throw error;
});
