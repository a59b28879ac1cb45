// The document: elements, texts that change, and what is said to who does not see.

import { WORDS, WRONG } from './fixed.js'
import { now } from './format.js'
import { nameOf, same, view } from './view.js'
import { rows } from './list.js'

export const $ = (id) => document.getElementById(id)

// make returns an element with attributes, and children that are elements or texts.
export function make(tag, attributes = {}, ...children) {
  const e = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) e.setAttribute(name, value)
  }
  e.append(...children.filter((c) => c !== undefined && c !== null).map((c) => (c instanceof Node ? c : String(c))))
  return e
}

// put sets a text where it is another one: what does not change is not touched, so that
// a selection stays and nothing is drawn.
export function put(e, text) {
  if (e.textContent !== text) e.textContent = text
}

export function attribute(e, name, value) {
  if (value === null || value === false || value === undefined) e.removeAttribute(name)
  else if (e.getAttribute(name) !== String(value)) e.setAttribute(name, value)
}

export function icon(state) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use')
  use.setAttribute('href', '#i-' + state)
  svg.append(use)
  return svg
}

export const word = (state) => WORDS[state] ?? state

let saying = []

export function say(text) {
  if (!saying.length) setTimeout(speak, 1500)
  saying.push(text)
}

// speak says a few things one by one and many as their number: who listens cannot skip.
function speak() {
  const all = [...new Set(saying)]
  saying = []
  put($('said'), all.length > 3 ? `${all[0]}, and ${all.length - 1} more changes` : all.join('. '))
}

// announce says of another state, if it is of what is shown or is bad. What is told of the
// time before the page was there is not said.
export function announce(e) {
  if (Date.parse(e.at) < now() - 15000) return
  if (!rows.has(nameOf(e)) && !WRONG.includes(e.data.to) && !same(e, view.open)) return
  say(`${nameOf(e)} is now ${word(e.data.to)}${e.data.why ? ': ' + e.data.why : ''}`)
}
