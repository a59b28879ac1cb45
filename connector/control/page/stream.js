// What happens, as it happens: the stream of events.

import { AGAIN } from './fixed.js'
import { announce } from './document.js'
import { view } from './view.js'
import { here, showLink } from './ask.js'
import { known, lookAtAll, soon } from './look.js'
import { clearEvents, keepEvent, showEvents } from './events.js'

export let stream = null
let lastID = ''
let queue = []

// forget lets the next stream begin with what is known of what it is of.
export function forget() {
  lastID = ''
  queue = []
}

// listen opens the stream: of states and lanes, or of all that happens to the collection
// that is open, with what is still known of before. It goes on where the last one ended.
export function listen() {
  stream?.close()
  stream = null
  if (document.hidden) return
  const q = new URLSearchParams()
  if (view.open) {
    if (!known.info) return // its run is needed to ask for what was before
    q.set('source', view.open.source)
    q.set('collection', view.open.collection)
    q.set('last_event_id', lastID || known.info.run + '-0')
  } else {
    q.set('type', 'state,lane')
    if (lastID) q.set('last_event_id', lastID)
  }
  const mine = (stream = new EventSource(here + 'v1/events?' + q))
  stream.onopen = showLink
  stream.onerror = () => {
    if (mine !== stream) return
    showLink()
    soon() // which finds out whether it is reachable
    if (mine.readyState === EventSource.CLOSED) setTimeout(() => mine === stream && listen(), AGAIN)
  }
  for (const type of ['hello', 'lost', 'state', 'pull', 'commit', 'lane', 'log']) {
    stream.addEventListener(type, (e) => {
      if (mine !== stream) return
      lastID = e.lastEventId
      if (!queue.length) requestAnimationFrame(heed)
      queue.push({ type, data: JSON.parse(e.data) })
    })
  }
}

// heed takes what has happened since the last frame.
function heed() {
  const happened = queue
  queue = []
  let changed = false
  for (const { type, data } of happened) {
    if (type === 'hello') {
      if (data.restarted) {
        lookAtAll()
        changed = true
        clearEvents()
      }
      continue
    }
    if (type === 'lost') {
      changed = true
      continue
    }
    if (view.open) keepEvent(data)
    if (type === 'state') announce(data)
    changed = true
  }
  if (view.open) showEvents()
  if (changed) soon()
}
