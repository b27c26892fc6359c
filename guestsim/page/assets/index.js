/** The list of lessons: which are done. */
import {doneLessons} from "./lesson.js";

for (const item of document.querySelectorAll("[data-lesson]")) {
  if (doneLessons().has(item.getAttribute("data-lesson") ?? "")) item.classList.add("done");
}
