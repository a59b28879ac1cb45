// Events of a collection.

import { EVENTS, WRONG } from './fixed.js'
import { $, make, word } from './document.js'
import { absolute, clock, many, number } from './format.js'

let events = []

export function clearEvents() {
  events = []
  showEvents()
}

// keepEvent keeps an event in front of the others; commits one after another are one line.
export function keepEvent(e) {
  const head = events[0]
  if (e.type === 'commit' && head?.type === 'commit') {
    events[0] = { ...e, first: head.first ?? head.at, times: (head.times ?? 1) + 1, data: { upserts: head.data.upserts + e.data.upserts, deletions: head.data.deletions + e.data.deletions } }
    return
  }
  events.unshift(e)
  events.length = Math.min(events.length, EVENTS)
}

// textOf says what an event is about, and whether it is bad.
function textOf({ type, data = {}, times }) {
  switch (type) {
    case 'state':
      return [`${word(data.from)} → ${word(data.to)}${data.why ? ': ' + data.why : ''}`, WRONG.includes(data.to)]
    case 'pull':
      return [data.error ? `failed after ${data.seconds.toFixed(2)} s (${data.reasons.join(', ')}): ${data.error}` : `${data.changed ? 'found changes' : 'nothing new'} in ${data.seconds.toFixed(2)} s (${data.reasons.join(', ')})`, Boolean(data.error)]
    case 'commit':
      return [`${many(data.upserts, 'upsert')}, ${many(data.deletions, 'deletion')}${times ? ` in ${number(times)} transactions` : ''}`, false]
    case 'lane':
      return [`lane ${data.number} ${data.acquired ? 'acquired' : 'lost'}`, !data.acquired]
    case 'log':
      return [data.message, data.level === 'error' || data.level === 'ERROR']
  }
  return [JSON.stringify(data), false]
}

export function showEvents() {
  const lines = events.map((e) => {
    const [text, bad] = textOf(e)
    return make('li', { class: bad ? 'bad' : undefined }, make('time', { datetime: e.at, title: absolute(e.at) }, clock(new Date(e.at))), make('span', { class: 'kind' }, e.type), make('span', {}, text))
  })
  if (!lines.length) lines.push(make('li', { class: 'note' }, 'Nothing has happened since the process started, or it is too long ago.'))
  $('d-events').replaceChildren(...lines)
}
