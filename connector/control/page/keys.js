// Keys and clicks.

import { $, put } from './document.js'
import { show, view } from './view.js'
import { showSources } from './sources.js'
import { operate, pause, pull, sweep } from './operate.js'
import { loadChanges } from './changes.js'
import { own } from './compare.js'

function move(by) {
  const links = [...document.querySelectorAll('#rows a')]
  const at = links.indexOf(document.activeElement)
  const to = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by))
  links[to]?.focus()
}

const turnPage = (by) => {
  if (!$(by > 0 ? 'next' : 'prev').disabled) show({ page: view.page + by })
}

const keys = {
  '/': () => $('search').focus(),
  '?': () => $('help').showModal(),
  j: () => move(1),
  k: () => move(-1),
  n: () => turnPage(1),
  p: () => turnPage(-1),
  Escape: () => view.open && show({ open: null, key: '' }),
}

function onKey(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open]')) return
  const at = e.target
  if (at.matches('input, select, textarea')) {
    if (e.key === 'ArrowDown' && at === $('search')) move(1)
    else if (e.key === 'Escape' && at === $('search') && at.value) search('')
    else if (e.key === 'Escape') at.closest('#details') ? keys.Escape() : at.blur()
    else return
    e.preventDefault()
    return
  }
  const arrows = { ArrowDown: 'j', ArrowUp: 'k' }
  const key = arrows[e.key] && (at.closest('#rows') || at === document.body) ? arrows[e.key] : e.key
  if (!own(keys, key)) return
  keys[key]()
  e.preventDefault()
}

let typed = 0

function search(text) {
  $('search').value = text
  clearTimeout(typed)
  show({ search: text.trim(), page: 0 }, { step: false })
}

export function listenToReader() {
  document.addEventListener('keydown', onKey)
  $('search').addEventListener('input', () => {
    clearTimeout(typed)
    typed = setTimeout(() => show({ search: $('search').value.trim(), page: 0 }, { step: false }), 150)
  })
  $('source-search').addEventListener('input', showSources)
  $('sort').addEventListener('change', () => show({ sort: $('sort').value, page: 0 }, { step: false }))
  for (const th of document.querySelectorAll('th[data-sort]')) th.firstChild.addEventListener('click', () => sortBy(th.dataset.sort))
  $('prev').addEventListener('click', () => turnPage(-1))
  $('next').addEventListener('click', () => turnPage(1))
  $('d-close').addEventListener('click', keys.Escape)
  $('keys').addEventListener('click', keys['?'])
  $('h-close').addEventListener('click', () => $('help').close())
  $('a-pull').addEventListener('click', pull)
  $('a-pause').addEventListener('click', pause)
  $('a-resume').addEventListener('click', () => operate($('a-resume'), 'resume', {}, 'Resumed.'))
  $('a-restart').addEventListener('click', () => operate($('a-restart'), 'restart', {}, 'It is tried again now.'))
  $('a-sweep').addEventListener('click', sweep)
  $('d-ask').addEventListener('submit', (e) => {
    e.preventDefault()
    const key = $('d-key').value
    if (key === view.key) loadChanges()
    else show({ key })
  })
  document.querySelector('.skip').addEventListener('click', (e) => {
    e.preventDefault()
    $('list').focus()
  })
  $('theme').addEventListener('click', () => {
    setTheme(THEMES[(THEMES.indexOf(storedTheme()) + 1) % THEMES.length])
    showTheme()
  })
}

export const showTheme = () => put($('theme'), 'Theme: ' + document.documentElement.dataset.theme)

// sortBy sorts by a column, the other way round at the second click, and by what is wrong
// at the third.
function sortBy(sort) {
  const other = sort.startsWith('-') ? sort.slice(1) : '-' + sort
  show({ sort: view.sort === sort ? other : view.sort === other ? 'attention' : sort, page: 0 }, { step: false })
}
