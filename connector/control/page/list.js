// The list of collections.

import { MEANS, WRONG } from './fixed.js'
import { $, attribute, put, word } from './document.js'
import { absolute, due, duration, now, number, putTime, rate, relative } from './format.js'
import { hashOf, nameOf, same, view } from './view.js'
import { lostSince } from './ask.js'
import { known } from './look.js'
import { showTiles } from './sources.js'

export const rows = new Map() // by name

function newRow(name) {
  const tr = $('row').content.firstElementChild.cloneNode(true)
  const row = { tr, link: tr.querySelector('a'), use: tr.querySelector('use'), gauge: tr.querySelector('.gauge'), c: null }
  for (const e of tr.querySelectorAll('[data-f]')) row[e.dataset.f] = e
  tr.addEventListener('click', (e) => {
    if (!e.target.closest('a') && getSelection().isCollapsed) row.link.click()
  })
  rows.set(name, row)
  return row
}

function fillRow(row, c) {
  row.c = c
  attribute(row.tr, 'data-state', c.state)
  attribute(row.tr, 'aria-current', same(c, view.open) && 'true')
  attribute(row.link, 'href', hashOf({ open: c, key: '' }))
  put(row.source, c.source)
  put(row.collection, c.collection)
  attribute(row.use, 'href', '#i-' + c.state)
  put(row.state, word(c.state) + (!c.hold || c.state === 'paused' ? '' : c.state === c.hold ? ' by hand' : ', ' + c.hold))
  attribute(row.state, 'title', MEANS[c.state])
  put(row.records, number(c.records))
  putTime(row.changed, c.last_change)
  putTime(row.next, c.next_run, due)
  const [why, remedy, past] = wrongOf(c)
  put(row.why, why)
  put(row.remedy, remedy)
  row.why.classList.toggle('past', past)
  attribute(row.why.parentElement, 'title', [why, remedy].filter(Boolean).join('\n') || null)
  freshen(row)
}

// wrongOf is what is wrong, what to do about it, and whether it is over.
export function wrongOf(c) {
  if (c.why) return [c.why, c.remedy ?? '', false]
  if (c.guarded) return ['The last sweep was not believed: too much was missing', 'look at the source, then sweep again', false]
  if (c.backfill) return [`Rebuilds: ${number(c.backfill.records)} records, at ${c.backfill.at}`, '', true]
  if (!c.last_error) return ['', '', false]
  return [`${relative(c.last_error.at)}: ${c.last_error.text}`, '', !WRONG.includes(c.state)]
}

// isLate is the rule by which the API sorts too: a run that is under way is not late.
const isLate = (c) => c.lag_seconds > Math.max(10, c.interval_seconds)

// freshen shows how old a collection is, which changes by itself. What is old is no news
// while the connector cannot be asked.
function freshen(row) {
  const c = row.c
  const age = (now() - Date.parse(c.caught_up)) / 1000
  attribute(row.age.parentElement, 'title', c.caught_up ? 'Everything up to ' + absolute(c.caught_up) : 'Never since the connector has its state')
  put(row.age, lostSince ? 'unknown' : c.caught_up ? duration(age) : 'never')
  put(row.rate, lostSince ? '–' : rate(c.rate))
  put(row.late, !lostSince && isLate(c) ? 'late' : '')
  const full = lostSince || !c.caught_up || !c.interval_seconds ? 0 : Math.min(1, age / c.interval_seconds)
  row.gauge.hidden = !full
  row.gauge.style.setProperty('--full', full.toFixed(2))
}

// showList puts the page that was asked for into the table. While somebody points at it
// or is in it with the keyboard, rows that stay do not change places.
export function showList() {
  const { page } = known
  const body = $('rows')
  const names = page.collections.map(nameOf)
  for (const [name, row] of rows) {
    if (!names.includes(name)) {
      row.tr.remove()
      rows.delete(name)
    }
  }
  const stays = rows.size === names.length && body.matches(':hover, :focus-within') && shownFor === hashOf({ open: null })
  page.collections.forEach((c) => fillRow(rows.get(nameOf(c)) ?? newRow(nameOf(c)), c))
  if (!stays) {
    const focused = body.contains(document.activeElement) ? document.activeElement : null
    names.forEach((name, i) => {
      const { tr } = rows.get(name)
      if (body.children[i] !== tr) body.insertBefore(tr, body.children[i] ?? null)
    })
    if (focused?.isConnected) focused.focus({ preventScroll: true })
  }
  shownFor = hashOf({ open: null })
  showTiles()
  showRange()
  showTitle()
}

// showTitle says in a tab's title how many are wrong.
export function showTitle() {
  const bad = WRONG.reduce((n, s) => n + (known.page?.states[s] ?? 0), 0)
  const what = view.open ? nameOf(view.open) : 'Tributary'
  document.title = lostSince ? `${what}: not reachable` : bad ? `(${number(bad)}) ${what}` : what
}

let shownFor = ''

function showRange() {
  const { page } = known
  const first = page.offset + 1
  put($('range'), page.total ? `${number(first)}–${number(page.offset + page.collections.length)} of ${number(page.total)}` : '')
  $('prev').disabled = page.offset === 0
  $('next').disabled = page.offset + page.collections.length >= page.total
  const empty = $('empty')
  empty.hidden = page.total > 0
  put(empty, page.all === 0 ? 'The config has no collection.' : 'No collection fits. Escape in the search clears it; a state or a source is let go by a second click.')
}

// showListProblem shows no rows: those of before would look as if they were of now.
export function showListProblem(e) {
  for (const { tr } of rows.values()) tr.remove()
  rows.clear()
  put($('range'), '')
  $('empty').hidden = false
  put($('empty'), [e.detail, e.remedy].filter(Boolean).join(' — '))
}

export function showControls() {
  if (document.activeElement !== $('search')) $('search').value = view.search
  const sort = $('sort')
  sort.value = view.sort
  for (const th of document.querySelectorAll('th[data-sort]')) {
    const by = th.dataset.sort.replace('-', '') === view.sort.replace('-', '')
    attribute(th, 'aria-sort', by ? (view.sort.startsWith('-') ? 'descending' : 'ascending') : null)
  }
}

// tick lets times go by that are shown, without asking anybody.
export function tick() {
  for (const row of rows.values()) freshen(row)
  for (const e of document.querySelectorAll('time[datetime]')) if (e.says) putTime(e, e.getAttribute('datetime'), e.says)
}
