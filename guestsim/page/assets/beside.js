/** Two pages under the same moves: what is done in one is asked of the other. */
window.addEventListener("message", ({data, source}) => {
  if (data?.guestsim !== "command") return;
  for (const frame of document.querySelectorAll("iframe")) {
    if (frame.contentWindow !== source) frame.contentWindow?.postMessage(data, "*");
  }
});
