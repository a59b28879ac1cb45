// The status page. It asks the control API below /v1 and shows what it answers; whatever
// comes from there is set as text and never as markup. One page of collections is in the
// document at a time. One stream of events says when to ask again, so that a browser with
// several of these pages does not use up its connections.

import { $, put } from './document.js'
import { hashOf, readHash } from './view.js'
import { known, loadList, look, soon } from './look.js'
import { listen } from './stream.js'
import { showSources, showTiles } from './sources.js'
import { showControls, showList, tick } from './list.js'
import { openDetails } from './detail.js'
import { listenToReader, showTheme } from './keys.js'

// arrive shows what the address says.
export function arrive() {
  const before = hashOf({ open: null })
  readHash()
  showControls()
  if (hashOf({ open: null }) !== before || !known.page) {
    if (known.page) showTiles()
    loadList()
    showSources()
  } else if (known.page) showList()
  openDetails()
}

function start() {
  showTheme()
  put($('zone'), `Times are ${Intl.DateTimeFormat().resolvedOptions().timeZone}.`)
  if (matchMedia('(max-width: 700px)').matches) $('sources').open = false
  showTiles()
  listenToReader()
  addEventListener('hashchange', arrive)
  addEventListener('popstate', arrive)
  document.addEventListener('visibilitychange', () => {
    listen()
    if (!document.hidden) soon()
  })
  setInterval(tick, 1000)
  readHash()
  showControls()
  openDetails()
  listen()
  look()
}

document.addEventListener('DOMContentLoaded', start)
