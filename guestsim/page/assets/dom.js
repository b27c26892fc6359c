/**
 * Elements made of text and attributes: never of markup, so what scenarios say stays text.
 *
 * @typedef {Record<string, string | number | boolean | null | EventListener>} Attributes  or listeners
 * @typedef {Record<"undo" | "redo" | "switch" | "restart" | "save", HTMLButtonElement>
 *   & Record<"scrubber" | "open", HTMLInputElement>} Controls  elements of the page, by id
 */

/**
 * An element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Attributes} attributes @param {...(Node | string)} children
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  dress(node, attributes);
  node.append(...children);
  return node;
}

/**
 * The same in SVG.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag @param {Attributes} attributes @param {...(Node | string)} children
 */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  dress(node, attributes);
  node.append(...children);
  return node;
}

/** @param {Element} node @param {Attributes} attributes */
function dress(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null) node.setAttribute(name, `${value}`);
  }
}

/**
 * The element of that id, which the page has.
 * @template {string} Id @param {Id} id @returns {Id extends keyof Controls ? Controls[Id] : HTMLElement}
 */
export function byId(id) {
  return /** @type {any} */ (document.getElementById(id));
}

/**
 * Set an element's text, but only where it changes: a screen reader reads what changes.
 * @param {Element} node @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Let the reader save text as a file. @param {string} text @param {string} name @param {string} type */
export function offer(text, name, type) {
  const url = URL.createObjectURL(new Blob([text], {type}));
  const link = el("a", {href: url, download: name});
  link.click();
  URL.revokeObjectURL(url);
}
