/** Elements made of text and attributes: never of markup, so what scenarios say stays text. */

/** @param {string} tag @param {Record<string, any>} attributes @param {...(Node | string)} children */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  dress(node, attributes);
  node.append(...children);
  return node;
}

/** The same in SVG. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  dress(node, attributes);
  node.append(...children);
  return node;
}

function dress(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null) node.setAttribute(name, `${value}`);
  }
}

/** The element of that id. @param {string} id @returns {any} */
export function byId(id) {
  return document.getElementById(id);
}

/** Set an element's text, but only where it changes: a screen reader reads what changes. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
