'use strict'
// The status page. It asks the control API below /v1 and shows what it answers; whatever
// comes from there is set as text and never as markup. One page of collections is in the
// document at a time. One stream of events says when to ask again, so that a browser with
// several of these pages does not use up its connections.

// ---- What is fixed

const PAGE = 50 // collections shown at once
const PACE = 5000 // ms between two looks at what is shown
const GAP = 1000 // ms between two looks at least, however much happens
const AGAIN = 2000 // ms between two tries while the connector does not answer
const RARE = 3 // of how many looks one asks for sources and process too
const CARDS = 12 // sources shown at once
const EVENTS = 60 // lines of events kept
const FOLD = 9 // unchanged lines in a row that are folded
const LINES = 400 // of a version that is compared, until more is asked for
const FIRST = 16 // of one that is not

const STATES = ['stopped', 'reauth_required', 'quarantined', 'backoff', 'restoring', 'paused', 'running']
const WORDS = { reauth_required: 'sign in again' }
const WRONG = ['stopped', 'reauth_required', 'quarantined', 'backoff']
const MEANS = {
  running: 'Pulls succeed',
  restoring: 'Its lane is being acquired',
  backoff: 'A request failed and is tried again',
  quarantined: 'Its topic cannot be written; it is tried alone',
  stopped: 'Until a person has acted',
  paused: 'By an operator',
  reauth_required: 'The source refuses the credential until a person has acted',
}

// ---- Light and dark, before anything is drawn

const THEMES = ['auto', 'light', 'dark']

function storedTheme() {
  try {
    const t = localStorage.getItem('tributary-theme')
    return THEMES.includes(t) ? t : 'auto'
  } catch {
    return 'auto' // storage may be forbidden
  }
}

function setTheme(t) {
  document.documentElement.dataset.theme = t
  try {
    localStorage.setItem('tributary-theme', t)
  } catch {}
}

setTheme(storedTheme())

// ---- The document

const $ = (id) => document.getElementById(id)

// make returns an element with attributes, and children that are elements or texts.
function make(tag, attributes = {}, ...children) {
  const e = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) e.setAttribute(name, value)
  }
  e.append(...children.filter((c) => c !== undefined && c !== null).map((c) => (c instanceof Node ? c : String(c))))
  return e
}

// put sets a text where it is another one: what does not change is not touched, so that
// a selection stays and nothing is drawn.
function put(e, text) {
  if (e.textContent !== text) e.textContent = text
}

function attribute(e, name, value) {
  if (value === null || value === false || value === undefined) e.removeAttribute(name)
  else if (e.getAttribute(name) !== String(value)) e.setAttribute(name, value)
}

function icon(state) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use')
  use.setAttribute('href', '#i-' + state)
  svg.append(use)
  return svg
}

const word = (state) => WORDS[state] ?? state

// ---- Numbers and times

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const number = (n) => whole.format(n)

function rate(n) {
  if (!n) return '0'
  if (n < 0.05) return '<0.1'
  return n < 100 ? n.toFixed(1) : number(n)
}

const many = (n, one, more = one + 's') => number(n) + ' ' + (n === 1 ? one : more)

// duration is how long something takes, in the largest two units that say enough.
function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds))
  const two = (a, unitA, b, unitB) => a + '\u00a0' + unitA + (b ? ' ' + b + '\u00a0' + unitB : '')
  if (s < 60) return s + '\u00a0s'
  if (s < 3600) return Math.floor(s / 60) + '\u00a0min'
  if (s < 86400) return two(Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'min')
  if (s < 90 * 86400) return two(Math.floor(s / 86400), 'd', Math.floor((s % 86400) / 3600), 'h')
  return two(Math.floor(s / 31557600), 'y', Math.floor((s % 31557600) / 2629800), 'mo').replace(/^0\u00a0y /, '')
}

// skew is by how many ms the connector's clock is ahead of the reader's.
let skew = 0
const now = () => Date.now() + skew

const pad = (n, width = 2) => String(n).padStart(width, '0')
const clock = (d) => pad(d.getHours()) + ':' + pad(d.getMinutes()) + ':' + pad(d.getSeconds())

// absolute is a time in the reader's zone, the same everywhere.
function absolute(iso) {
  const d = new Date(iso)
  if (isNaN(d)) return String(iso)
  const zone = -d.getTimezoneOffset()
  const sign = zone < 0 ? '−' : '+'
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${clock(d)} ${sign}${pad(Math.floor(Math.abs(zone) / 60))}:${pad(Math.abs(zone) % 60)}`
}

// relative is how far a time is from now.
function relative(iso) {
  const s = (now() - Date.parse(iso)) / 1000
  if (isNaN(s)) return String(iso)
  if (Math.abs(s) < 1) return 'now'
  return s > 0 ? duration(s) + ' ago' : 'in ' + duration(-s)
}

// due is when something is to happen: one that should have happened is due.
const due = (iso) => (Date.parse(iso) <= now() ? 'due' : relative(iso))

// fixed is a time that stays true while the connector cannot be asked.
const fixed = (iso) => (Math.abs(now() - Date.parse(iso)) < 43200000 ? clock(new Date(iso)) : absolute(iso).slice(0, 10))

// putTime shows a time of the connector relative to now, or a dash for one that never was.
function putTime(e, iso, says = relative) {
  attribute(e, 'datetime', iso)
  attribute(e, 'title', iso && absolute(iso))
  put(e, !iso ? '–' : lostSince ? fixed(iso) : says(iso))
  e.says = says
}

function timeOf(iso, says) {
  const e = make('time')
  putTime(e, iso, says)
  return e
}

// ---- What is shown, and its address

const view = { search: '', states: [], source: '', sort: 'attention', page: 0, open: null, key: '' }

const nameOf = (c) => c.source + '.' + c.collection
const same = (a, b) => a?.source === b?.source && a?.collection === b?.collection

// hashOf is the address of the page as it would be with those changes.
function hashOf(changes = {}) {
  const v = { ...view, ...changes }
  const q = new URLSearchParams()
  if (v.open && v.key) q.set('key', v.key)
  if (v.search) q.set('search', v.search)
  if (v.source) q.set('source', v.source)
  if (v.states.length) q.set('state', v.states.join(','))
  if (v.sort !== 'attention') q.set('sort', v.sort)
  if (v.page) q.set('page', v.page + 1)
  const part = (s) => encodeURIComponent(s).replaceAll('.', '%2E')
  const name = v.open ? part(v.open.source) + '.' + encodeURIComponent(v.open.collection) : ''
  const query = q.toString()
  return '#/' + name + (query && '?' + query)
}

function decode(s) {
  try {
    return decodeURIComponent(s)
  } catch {
    return s
  }
}

function readHash() {
  const hash = location.hash.replace(/^#\/?/, '')
  const mark = hash.indexOf('?')
  const path = mark < 0 ? hash : hash.slice(0, mark)
  const q = new URLSearchParams(mark < 0 ? '' : hash.slice(mark + 1))
  const dot = path.indexOf('.')
  view.open = dot > 0 ? { source: decode(path.slice(0, dot)), collection: decode(path.slice(dot + 1)) } : null
  view.key = q.get('key') ?? ''
  view.search = q.get('search') ?? ''
  view.source = q.get('source') ?? ''
  view.states = (q.get('state') ?? '').split(',').filter((s) => STATES.includes(s))
  const sort = q.get('sort') ?? 'attention'
  view.sort = /^-?[a-z_]+$/.test(sort) ? sort : 'attention'
  view.page = Math.max(0, (Number.parseInt(q.get('page'), 10) || 1) - 1)
}

// show goes to another address. What is only looked up more closely is no step back.
function show(changes, { step = true } = {}) {
  const hash = hashOf(changes)
  if (hash === location.hash) return
  history[step ? 'pushState' : 'replaceState'](null, '', hash)
  arrive()
}

// ---- Asking the connector

let met = null // when it answered last, by the reader's clock
let lostSince = null

// A Problem is what the API says where it does not do what it was asked for.
class Problem extends Error {
  constructor(p) {
    super(p.detail ?? p.title)
    Object.assign(this, { title: p.title ?? 'Error', detail: p.detail ?? '', remedy: p.remedy ?? '', status: p.status ?? 0 })
  }
}

// here is where the page is. The address in the window may hold a name and a token, with
// which nothing can be asked for; the browser sends them by itself.
const here = location.origin + location.pathname.replace(/[^/]*$/, '')

const unreachable = (detail) => new Problem({ title: 'Not reachable', detail, remedy: 'it is asked again by itself' })

// Exact is a number that a JavaScript number would show otherwise.
class Exact {
  constructor(source) {
    this.source = source
  }
}

// exactly keeps numbers as they were written, where the browser tells.
const exactly = (_, value, context) => (typeof value === 'number' && context?.source !== undefined && String(value) !== context.source ? new Exact(context.source) : value)

async function ask(path, { method = 'GET', body, key, timeout = 15000, exact = false } = {}) {
  const headers = { Accept: 'application/json' }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (key) headers['Idempotency-Key'] = key
  let response, text
  try {
    response = await fetch(here + path, { method, headers, body: body && JSON.stringify(body), cache: 'no-store', signal: AbortSignal.timeout(timeout) })
    text = await response.text()
  } catch (e) {
    lose()
    throw unreachable(e.name === 'TimeoutError' ? 'The connector did not answer in time.' : 'The connector does not answer.')
  }
  if (!/json/.test(response.headers.get('Content-Type') ?? '')) {
    lose() // something in front of it answered
    throw unreachable(`The answer is not the connector’s: status ${response.status}.`)
  }
  const date = Date.parse(response.headers.get('Date'))
  const ahead = date - Date.now()
  skew = Math.abs(ahead) > 3000 ? ahead : 0 // a Date has whole seconds
  reach()
  const answer = JSON.parse(text, exact ? exactly : undefined)
  if (!response.ok) throw new Problem(answer)
  return answer
}

const pathOf = (n) => `v1/sources/${encodeURIComponent(n.source)}/collections/${encodeURIComponent(n.collection)}`

function lose() {
  if (lostSince) return
  lostSince = met ?? Date.now()
  document.body.classList.add('gone')
  $('lost').hidden = false
  $('lost').title = absolute(lostSince)
  put($('lost'), `Not reachable since ${clock(new Date(lostSince))}. What is below is how it stood then; it is asked again every ${AGAIN / 1000} seconds.`)
  showLink()
  tick()
}

function reach() {
  const first = !met
  met = Date.now()
  if (first) showLink()
  if (!lostSince) return
  lostSince = null
  document.body.classList.remove('gone')
  $('lost').hidden = true
  say('The connector is reachable again')
  showLink()
  tick()
  looks = 0 // the process may be another one
}

function showLink() {
  const live = stream?.readyState === EventSource.OPEN
  const text = lostSince ? 'not reachable' : !met ? 'connecting…' : live ? 'live' : `every ${PACE / 1000} s`
  put($('link-text'), text)
  showTitle()
  attribute($('link'), 'data-link', lostSince ? 'gone' : live ? 'live' : 'asked')
}

// ---- Looking again and again

const known = { page: null, info: null, sources: [], collection: null }
let looks = 0
let timer = 0
let looking = false
let once = false // more was asked for while it looked
let last = 0

// soon looks as soon as the gap since the last look lets it.
function soon() {
  if (looking) once = true
  else plan(Math.max(0, last + GAP - Date.now()))
}

function plan(ms) {
  clearTimeout(timer)
  if (!document.hidden) timer = setTimeout(look, ms)
}

async function look() {
  clearTimeout(timer)
  if (document.hidden) return
  if (looking) {
    once = true
    return
  }
  looking = true
  once = false
  const jobs = [loadList()]
  if (view.open) jobs.push(loadCollection())
  if (looks++ % RARE === 0) jobs.push(loadProcess())
  try {
    await Promise.all(jobs)
  } finally {
    looking = false
    last = Date.now()
    plan(lostSince ? AGAIN : once ? GAP : PACE)
  }
}

let turn = 0 // of the list: an answer to an older question is of no use

async function loadList() {
  const mine = ++turn
  const q = new URLSearchParams({ limit: PAGE, offset: view.page * PAGE, sort: view.sort.replace('-', '') })
  if (view.sort.startsWith('-')) q.set('descending', 'true')
  if (view.search) q.set('search', view.search)
  if (view.source) q.set('source', view.source)
  if (view.states.length) q.set('state', view.states.join(','))
  try {
    const page = await ask('v1/collections?' + q)
    if (mine !== turn) return
    if (page.total > 0 && page.collections.length === 0) {
      show({ page: Math.ceil(page.total / PAGE) - 1 }, { step: false })
      return
    }
    known.page = page
    showList()
  } catch (e) {
    if (!(e instanceof Problem)) throw e
    if (mine === turn && e.status) showListProblem(e)
  }
}

async function loadProcess() {
  try {
    const [info, { sources }] = await Promise.all([ask('v1/info'), ask('v1/sources')])
    known.info = info
    known.sources = sources
    showProcess()
    showSources()
    if (known.collection) showCollection()
    if (view.open && !stream) listen()
  } catch (e) {
    if (!(e instanceof Problem)) throw e
  }
}

async function loadCollection() {
  const name = view.open
  try {
    const c = await ask(pathOf(name))
    if (!same(name, view.open)) return
    known.collection = c
    showCollection()
  } catch (e) {
    if (!(e instanceof Problem)) throw e
    if (same(name, view.open) && e.status) showNoCollection(e)
  }
}

// ---- What happens, as it happens

let stream = null
let lastID = ''
let queue = []

// listen opens the stream: of states and lanes, or of all that happens to the collection
// that is open, with what is still known of before. It goes on where the last one ended.
function listen() {
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
        looks = 0
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

// ---- What is said to who does not see

let saying = []

function say(text) {
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
function announce(e) {
  if (Date.parse(e.at) < now() - 15000) return
  if (!rows.has(nameOf(e)) && !WRONG.includes(e.data.to) && !same(e, view.open)) return
  say(`${nameOf(e)} is now ${word(e.data.to)}${e.data.why ? ': ' + e.data.why : ''}`)
}

// ---- The process and its sources

function showProcess() {
  const i = known.info
  const acquired = i.lanes.filter((l) => l.acquired).length
  put($('group'), i.group)
  const bits = [
    make('span', {}, 'instance ', make('b', {}, i.instance)),
    make('span', {}, 'version ', make('b', {}, i.version)),
    make('span', {}, 'up ', make('b', { title: absolute(i.started) }, duration((now() - Date.parse(i.started)) / 1000))),
    make('span', { class: acquired < i.lanes.length ? 'bad' : undefined, title: 'Partitions of the offsets topic, acquired and in use' }, 'lanes ', make('b', {}, `${acquired} of ${i.lanes.length}`)),
  ]
  if (i.cluster_id) bits.push(make('span', { class: 'wide' }, 'cluster ', make('b', {}, i.cluster_id)))
  $('process').replaceChildren(...bits)
}

// trouble is how soon a source should be looked at.
const trouble = (s) => (s.reauth_required ? 0 : s.budget?.waiting ? 1 : WRONG.some((w) => s.states[w]) ? 2 : 3)

function showSources() {
  const all = known.sources
  const wanted = $('source-search').value.toLowerCase()
  const found = all.filter((s) => s.name.toLowerCase().includes(wanted))
  found.sort((a, b) => trouble(a) - trouble(b)) // which is stable
  const chosen = found.findIndex((s) => s.name === view.source)
  if (chosen >= CARDS) found.unshift(...found.splice(chosen, 1))
  const shown = found.slice(0, CARDS)
  $('source-find').hidden = all.length <= CARDS
  put($('source-count'), number(all.length))
  const refused = all.filter((s) => s.reauth_required).length
  const more = found.length - shown.length
  put($('source-hint'), [refused && `${refused} to sign in again`, more > 0 && `${number(shown.length)} shown`].filter(Boolean).join(' · '))
  const focused = document.activeElement?.closest?.('.card')?.dataset.source
  $('cards').replaceChildren(...shown.map(card))
  if (focused !== undefined) [...$('cards').children].find((c) => c.dataset.source === focused)?.focus()
}

function card(s) {
  const wrong = WRONG.reduce((n, w) => n + (s.states[w] ?? 0), 0)
  const b = make('button', { type: 'button', class: 'card', 'data-source': s.name, 'aria-pressed': s.name === view.source, title: s.url },
    make('span', { class: 'card-name' }, s.name),
    make('span', { class: 'card-type' }, s.preset || s.type))
  b.append(make('span', { class: 'card-line' }, many(s.collections, 'collection'), wrong ? ', ' : '', wrong ? make('b', { class: 'bad' }, `${number(wrong)} wrong`) : ''))
  if (s.reauth_required) b.append(make('span', { class: 'card-line bad' }, icon('reauth_required'), 'sign in again'))
  else if (s.budget) b.append(make('span', { class: 'card-line' }, budget(s.budget)))
  b.addEventListener('click', () => show({ source: view.source === s.name ? '' : s.name, page: 0 }))
  return b
}

function budget(b) {
  const bits = []
  if (b.waiting) bits.push(`${number(b.waiting)} waiting`)
  if (b.remaining !== null) bits.push(`${number(b.remaining)} left`)
  bits.push(`share ${number(b.per_minute)}/min`)
  return bits.join(' · ')
}

function showTiles() {
  const tiles = $('tiles')
  if (!tiles.children.length) {
    for (const state of ['all', ...STATES]) {
      const b = make('button', { type: 'button', class: 'tile', 'data-state': state, title: MEANS[state] }, make('b'), make('span', {}, icon(state), word(state)))
      b.addEventListener('click', () => {
        const on = view.states.includes(state)
        show({ page: 0, states: state === 'all' ? [] : on ? view.states.filter((s) => s !== state) : [...view.states, state] })
      })
      tiles.append(b)
    }
  }
  const states = known.page?.states ?? {}
  for (const b of tiles.children) {
    const state = b.dataset.state
    const n = state === 'all' ? Object.values(states).reduce((a, x) => a + x, 0) : (states[state] ?? 0)
    put(b.firstChild, known.page ? number(n) : '–')
    attribute(b, 'aria-pressed', state === 'all' ? !view.states.length : view.states.includes(state))
    b.classList.toggle('none', !n)
    b.classList.toggle('bad', n > 0 && WRONG.includes(state))
  }
}

// ---- The list

const rows = new Map() // by name

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
function wrongOf(c) {
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
function showList() {
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
function showTitle() {
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
function showListProblem(e) {
  for (const { tr } of rows.values()) tr.remove()
  rows.clear()
  put($('range'), '')
  $('empty').hidden = false
  put($('empty'), [e.detail, e.remedy].filter(Boolean).join(' — '))
}

function showControls() {
  if (document.activeElement !== $('search')) $('search').value = view.search
  const sort = $('sort')
  sort.value = view.sort
  for (const th of document.querySelectorAll('th[data-sort]')) {
    const by = th.dataset.sort.replace('-', '') === view.sort.replace('-', '')
    attribute(th, 'aria-sort', by ? (view.sort.startsWith('-') ? 'descending' : 'ascending') : null)
  }
}

// tick lets times go by that are shown, without asking anybody.
function tick() {
  for (const row of rows.values()) freshen(row)
  for (const e of document.querySelectorAll('time[datetime]')) if (e.says) putTime(e, e.getAttribute('datetime'), e.says)
}

// ---- One collection

function showCollection() {
  const c = known.collection
  $('d-body').hidden = false
  $('d-empty').hidden = true
  $('d-state').replaceChildren(icon(c.state), make('b', {}, word(c.state)), c.hold ? ` – ${c.hold} by hand` : '', make('span', { class: 'means' }, MEANS[c.state] ?? ''))
  attribute($('d-state'), 'data-state', c.state)
  showTrouble(c)
  const held = Boolean(c.hold)
  $('a-pause').hidden = held
  $('a-resume').hidden = !held
  $('a-restart').hidden = held || !WRONG.includes(c.state)
  put($('a-sweep'), sweepWord(c))
  showFacts(c)
}

// sweepWord is what reading the whole collection is called: a handler dumps.
const sweepWord = (c) => (known.sources.find((s) => s.name === c.source)?.type === 'handler' ? 'Dump' : 'Sweep')

function showTrouble(c) {
  const [why, remedy, past] = wrongOf(c)
  const box = $('d-trouble')
  box.hidden = !why || Boolean(c.backfill && !c.why)
  box.classList.toggle('past', past)
  put($('d-why'), why)
  put($('d-remedy'), remedy)
  $('d-remedy').hidden = !remedy
}

function showNoCollection(e) {
  $('d-body').hidden = true
  $('d-empty').hidden = false
  put($('d-empty'), [e.detail, e.remedy].filter(Boolean).join(' — '))
}

// factsOf are the numbers of a collection: label, value, and what the value means.
function factsOf(c) {
  const source = known.sources.find((s) => s.name === c.source)
  const every = [c.interval_seconds ? 'every ' + duration(c.interval_seconds) : '', ...(c.cron ?? []).map((x) => 'cron ' + x)].filter(Boolean)
  const facts = [
    ['Caught up', timeOf(c.caught_up), 'When all that the API showed was committed'],
    ['Cursor', c.cursor ? make('time', { datetime: c.cursor, title: relative(c.cursor) }, absolute(c.cursor)) : '–', 'Read and committed up to here'],
    ['Pulls', every.join(', ') || 'when asked', 'What makes it pull'],
    ['Next run', timeOf(c.next_run, due)],
    ['Last attempt', timeOf(c.last_attempt)],
    ['Last success', timeOf(c.last_success)],
    ['Last change', timeOf(c.last_change)],
    ['Rate', rate(c.rate) + ' /s', 'Changes published, about the last minute'],
    ['Published', `${many(c.upserts, 'upsert')}, ${many(c.deletions, 'deletion')}`, 'Since the process started'],
    ['Records', number(c.records), 'In the ledger'],
    ['Topic', `${c.topic}, lane ${c.lane}`],
    ['Sweep', sweepOf(c)],
  ]
  if (c.backfill) facts.push(['Rebuilds', backfillOf(c.backfill)])
  if (c.doubts) facts.push(['Doubts', number(c.doubts), 'What a reading said and is not believed yet'])
  if (c.absent) facts.push(['Absent', number(c.absent), 'Missed by sweeps and not yet confirmed to be gone'])
  if (c.unpublished) facts.push(['Unpublished', number(c.unpublished), 'In the dead letter queue'])
  if (source) facts.push(['Source', [source.preset || source.type, source.url].filter(Boolean).join(' · ')])
  if (source?.budget) facts.push(['Budget', budget(source.budget), 'Points left of the account, and our share of them'])
  return facts
}

function sweepOf(c) {
  const e = make('span')
  const s = c.sweep
  if (!s) e.append('none yet')
  else if (s.running) e.append('runs', s.position ? ', at ' + absolute(s.position) : '')
  else if (s.ended) e.append('ended ', timeOf(s.ended))
  else e.append('begun ', timeOf(s.started))
  if (c.guarded) e.append(' ', make('b', { class: 'bad' }, 'not believed'))
  return e
}

function backfillOf(b) {
  return `${number(b.records)} records, ${rate(b.per_second)} /s, at ${b.at}${b.behind_seconds ? `, ${duration(b.behind_seconds)} behind` : ''}`
}

// showFacts touches only what has changed, so that what is selected stays so.
function showFacts(c) {
  const list = $('d-facts')
  const facts = factsOf(c)
  const labels = facts.map(([label]) => label).join()
  if (list.dataset.labels !== labels) {
    list.replaceChildren(...facts.map(([label, , title]) => make('div', { title }, make('dt', {}, label), make('dd'))))
    list.dataset.labels = labels
  }
  facts.forEach(([, value], i) => {
    const dd = list.children[i].lastChild
    if (value instanceof Node) {
      if (dd.firstElementChild?.outerHTML !== value.outerHTML || dd.textContent !== value.textContent) dd.replaceChildren(value)
    } else put(dd, value)
  })
}

// openDetails opens what the address says, or closes it.
let opened = null
let openedKey = ''

function openDetails() {
  const panel = $('details')
  if (!view.open) {
    if (!opened) return
    const link = rows.get(nameOf(opened))?.link
    opened = null
    openedKey = ''
    known.collection = null
    panel.hidden = true
    document.body.classList.remove('opened')
    listen()
    if (link) link.focus()
    else $('list').focus()
    return
  }
  if (!same(opened, view.open)) {
    opened = { ...view.open }
    openedKey = ''
    known.collection = null
    put($('d-name'), nameOf(view.open))
    panel.hidden = false
    document.body.classList.add('opened')
    $('d-body').hidden = true
    $('d-empty').hidden = false
    put($('d-empty'), 'Looking…')
    $('d-result').replaceChildren()
    clearChanges()
    clearEvents()
    lastID = ''
    queue = []
    listen()
    loadCollection()
    panel.scrollTop = 0
    $('d-name').focus()
  }
  $('d-key').value = view.key
  if (view.key !== openedKey) {
    openedKey = view.key
    if (view.key) loadChanges()
    else clearChanges()
  }
}

// ---- What is done to a collection

// confirmed asks in a dialog and returns null, or whether its box is ticked.
function confirmed({ title, text, verb, check }) {
  const dialog = $('confirm')
  put($('c-title'), title)
  put($('c-text'), text)
  put($('c-yes'), verb)
  $('c-check-row').hidden = !check
  put($('c-check-label'), check ?? '')
  $('c-check').checked = false
  const { promise, resolve } = Promise.withResolvers()
  $('c-yes').onclick = () => dialog.close('yes')
  $('c-no').onclick = () => dialog.close('')
  dialog.onclose = () => resolve(dialog.returnValue === 'yes' ? { checked: $('c-check').checked } : null)
  dialog.returnValue = ''
  dialog.showModal()
  $('c-no').focus()
  return promise
}

function result(kind, ...children) {
  $('d-result').replaceChildren(make('div', { class: kind }, ...children))
}

function showProblem(e) {
  result('trouble', make('p', {}, make('b', {}, e.title), e.detail ? ': ' + e.detail : ''), e.remedy ? make('p', { class: 'remedy' }, e.remedy) : '')
}

// operate does something to the collection that is open, and shows how it stands then.
async function operate(button, verb, body, done) {
  const name = view.open
  button.disabled = true
  try {
    const c = await ask(`${pathOf(name)}/${verb}`, { method: 'POST', body })
    if (!same(name, view.open)) return
    known.collection = c
    showCollection()
    result('done', make('p', {}, done))
  } catch (e) {
    if (same(name, view.open)) showProblem(e)
  } finally {
    button.disabled = false
    soon()
    if (button.hidden && same(name, view.open)) $('a-pull').focus()
  }
}

async function pause() {
  const name = nameOf(view.open)
  const yes = await confirmed({ title: `Pause ${name}?`, text: 'It rests until it is resumed; a restart of the connector does not end that. Nothing is lost: what changes meanwhile is read afterwards.', verb: 'Pause' })
  if (yes) operate($('a-pause'), 'pause', {}, 'Paused.')
}

async function sweep() {
  const word = sweepWord(view.open)
  const yes = await confirmed({
    title: `${word} ${nameOf(view.open)}?`,
    text: 'The whole collection is read, to find what is gone. That takes requests from the budget of its source, and time.',
    verb: word,
    check: known.collection?.guarded ? 'Believe it even if much is missing' : undefined,
  })
  if (yes) operate($('a-sweep'), 'sweep', yes.checked ? { approve: true } : {}, `A ${word.toLowerCase()} is due now.`)
}

async function pull() {
  const name = view.open
  const button = $('a-pull')
  const began = Date.now()
  const waits = make('span')
  const shown = setInterval(() => put(waits, duration((Date.now() - began) / 1000)), 1000)
  button.disabled = true
  result('waits', make('p', {}, 'Pulls, and waits until what it reads is committed and readable… ', make('span', { 'aria-hidden': 'true' }, waits)))
  try {
    const p = await ask(pathOf(name) + '/pull', { method: 'POST', body: { caller: 'status page' }, timeout: 40000, key: crypto.randomUUID?.() })
    if (!same(name, view.open)) return
    showPulled(p)
    if (view.key) loadChanges()
  } catch (e) {
    if (same(name, view.open)) showProblem(e)
  } finally {
    clearInterval(shown)
    button.disabled = false
    soon()
  }
}

function showPulled(p) {
  const took = (Date.parse(p.ended) - Date.parse(p.began)) / 1000
  const lines = p.positions.map((x) => make('tr', {}, make('td', {}, x.topic), make('td', { class: 'n' }, number(x.partition)), make('td', { class: 'n' }, x.offset)))
  const table = make('table', { class: 'positions', 'aria-label': 'Positions' },
    make('thead', {}, make('tr', {}, ...['Topic', 'Partition', 'Offset'].map((t, i) => make('th', { scope: 'col', class: i ? 'n' : undefined }, t)))),
    make('tbody', {}, ...lines))
  result('done', make('p', {}, `Pulled in ${took.toFixed(2)}\u00a0s (${p.reasons.join(', ')}). What it read is committed and readable.`), ...(p.positions.length ? [make('p', { class: 'note' }, 'A consumer has seen all of it when its position is at'), table] : []))
}

// ---- Events of a collection

let events = []

function clearEvents() {
  events = []
  showEvents()
}

// keepEvent keeps an event in front of the others; commits one after another are one line.
function keepEvent(e) {
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

function showEvents() {
  const lines = events.map((e) => {
    const [text, bad] = textOf(e)
    return make('li', { class: bad ? 'bad' : undefined }, make('time', { datetime: e.at, title: absolute(e.at) }, clock(new Date(e.at))), make('span', { class: 'kind' }, e.type), make('span', {}, text))
  })
  if (!lines.length) lines.push(make('li', { class: 'note' }, 'Nothing has happened since the process started, or it is too long ago.'))
  $('d-events').replaceChildren(...lines)
}

// ---- Changes of a record

let asked = 0

function clearChanges() {
  asked++
  put($('d-changes-note'), '')
  $('d-changes').replaceChildren()
}

async function loadChanges() {
  const [name, key, mine] = [view.open, view.key, ++asked]
  put($('d-changes-note'), 'Looking through the topic…')
  try {
    const found = await ask(`${pathOf(name)}/changes?limit=20&key=${encodeURIComponent(key)}`, { timeout: 30000, exact: true })
    if (mine === asked) showChanges(found)
  } catch (e) {
    if (mine !== asked) return
    $('d-changes').replaceChildren()
    put($('d-changes-note'), [e.title, e.detail, e.remedy].filter(Boolean).join(' — '))
  }
}

function showChanges({ key, changes, partition, since_offset, until_offset, whole }) {
  const where = whole ? 'all that the topic holds' : `between offsets ${since_offset} and ${until_offset}, with older ones perhaps before`
  put($('d-changes-note'), changes.length ? `${many(changes.length, 'version')} of ${key}, the newest first, in partition ${partition}: ${where}.` : `Nothing of ${key} in partition ${partition}: ${whole ? 'the topic has no such key' : where}.`)
  $('d-changes').replaceChildren(...changes.map((c, i) => versionOf(c, changes[i + 1], partition)))
}

function versionOf(c, before, partition) {
  const head = make('p', { class: 'version-head' },
    make('b', {}, c.value === null ? 'deleted' : before && before.value !== null ? 'changed' : whole1(before)),
    ' ', timeOf(c.timestamp), make('span', { class: 'meta' },
      make('span', { title: 'The record’s own instant' }, c.instant || 'no instant'),
      make('span', {}, `batch ${c.batch}`), make('span', {}, `partition ${partition}`), make('span', {}, `offset ${c.offset}`)))
  const li = make('li', { class: c.value === null ? 'deletion' : undefined }, head)
  if (c.value === null) return li
  const lines = []
  const fields = []
  if (before && before.value !== null) {
    compare(lines, 0, '', before.value, c.value, '', '', fields)
    li.append(make('p', { class: 'note' }, fields.length ? 'Differs in ' + fields.slice(0, 8).join(', ') + (fields.length > 8 ? ` and ${fields.length - 8} more` : '') : 'The same as before'))
  } else write(lines, ' ', 0, '', c.value, '')
  li.append(linesOf(lines, fields.length > 0))
  return li
}

const whole1 = (before) => (before ? 'made again' : 'oldest that was found')

// ---- Two versions of a value, side by side as lines of JSON

const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Exact)
const isScalar = (v) => !isObject(v) && !Array.isArray(v)
const literal = (v) => (v instanceof Exact ? v.source : JSON.stringify(v))
const own = (o, k) => Object.prototype.hasOwnProperty.call(o, k)

// canonical is the same text for values that mean the same.
function canonical(v) {
  if (isScalar(v)) return literal(v)
  if (Array.isArray(v)) return '[' + v.map(canonical).join(',') + ']'
  return '{' + Object.keys(v).sort().map((k) => JSON.stringify(k) + ':' + canonical(v[k])).join(',') + '}'
}

// write puts a value into lines that have the same mark.
function write(lines, mark, depth, label, v, comma) {
  if (isScalar(v)) {
    lines.push({ mark, depth, label, text: literal(v) + comma })
    return
  }
  const [open, close] = Array.isArray(v) ? '[]' : '{}'
  const keys = Object.keys(v)
  if (!keys.length) {
    lines.push({ mark, depth, label, text: open + close + comma })
    return
  }
  lines.push({ mark, depth, label, text: open })
  keys.forEach((k, i) => write(lines, mark, depth + 1, Array.isArray(v) ? '' : JSON.stringify(k) + ': ', v[k], i < keys.length - 1 ? ',' : ''))
  lines.push({ mark, depth, label: '', text: close + comma })
}

// compare puts what two values share and where they differ into lines, and the paths of
// what differs into fields.
function compare(lines, depth, label, a, b, comma, path, fields) {
  if (canonical(a) === canonical(b)) write(lines, ' ', depth, label, b, comma)
  else if (isObject(a) && isObject(b)) compareObjects(lines, depth, label, a, b, comma, path, fields)
  else if (Array.isArray(a) && Array.isArray(b)) compareArrays(lines, depth, label, a, b, comma, path, fields)
  else {
    const from = lines.length
    fields.push(path || 'everything')
    write(lines, '-', depth, label, a, comma)
    write(lines, '+', depth, label, b, comma)
    if (typeof a === 'string' && typeof b === 'string') pinpoint(lines[from], lines[from + 1])
  }
}

function compareObjects(lines, depth, label, a, b, comma, path, fields) {
  lines.push({ mark: ' ', depth, label, text: '{' })
  const gone = Object.keys(a).filter((k) => !own(b, k))
  const keys = [...Object.keys(b), ...gone]
  keys.forEach((k, i) => {
    const [name, end, at] = [JSON.stringify(k) + ': ', i < keys.length - 1 ? ',' : '', path ? path + '.' + k : k]
    if (!own(b, k)) write(lines, '-', depth + 1, name, a[k], end)
    else if (!own(a, k)) write(lines, '+', depth + 1, name, b[k], end)
    else return compare(lines, depth + 1, name, a[k], b[k], end, at, fields)
    fields.push(at)
  })
  lines.push({ mark: ' ', depth, label: '', text: '}' + comma })
}

function compareArrays(lines, depth, label, a, b, comma, path, fields) {
  lines.push({ mark: ' ', depth, label, text: '[' })
  const steps = align(a.map(canonical), b.map(canonical))
  steps.forEach(([i, j], n) => {
    const end = n < steps.length - 1 ? ',' : ''
    if (i !== null && j !== null) return compare(lines, depth + 1, '', a[i], b[j], end, `${path}[${j}]`, fields)
    fields.push(`${path}[${j ?? i}]`)
    write(lines, j === null ? '-' : '+', depth + 1, '', j === null ? a[i] : b[j], end)
  })
  lines.push({ mark: ' ', depth, label: '', text: ']' + comma })
}

// align pairs the items of two lists: the longest common subsequence, and of what lies
// between, one by one. Lists too long for that are paired by their index.
function align(a, b) {
  const steps = []
  const between = (i, i2, j, j2) => {
    for (; i < i2 || j < j2; i++, j++) steps.push([i < i2 ? i : null, j < j2 ? j : null])
  }
  if (a.length * b.length > 250000) {
    between(0, a.length, 0, b.length)
    return steps
  }
  const width = b.length + 1
  const best = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      best[i * width + j] = a[i] === b[j] ? best[(i + 1) * width + j + 1] + 1 : Math.max(best[(i + 1) * width + j], best[i * width + j + 1])
    }
  }
  let [i, j, i0, j0] = [0, 0, 0, 0]
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      between(i0, i, j0, j)
      steps.push([i++, j++])
      ;[i0, j0] = [i, j]
    } else if (best[(i + 1) * width + j] >= best[i * width + j + 1]) i++
    else j++
  }
  between(i0, a.length, j0, b.length)
  return steps
}

// pinpoint marks what differs within two texts.
function pinpoint(a, b) {
  const [x, y] = [a.text, b.text]
  let start = 1
  while (start < x.length && start < y.length && x[start] === y[start]) start++
  let end = 0
  while (end < Math.min(x.length, y.length) - start && x[x.length - 1 - end] === y[y.length - 1 - end]) end++
  a.hot = [start, x.length - end]
  b.hot = [start, y.length - end]
}

// linesOf shows lines. Of what is compared, what is unchanged is folded between that which
// differs; of anything else the beginning is shown.
function linesOf(lines, compared) {
  const box = make('div', { class: 'json', role: 'group', 'aria-label': 'The record as JSON' })
  if (!compared) {
    const shown = lines.length > FIRST + FOLD ? FIRST : lines.length
    box.append(...lines.slice(0, shown).map(lineOf))
    if (shown < lines.length) box.append(rest(lines.slice(shown), 'more'))
    return box
  }
  for (let i = 0; i < lines.length; ) {
    if (box.childElementCount >= LINES) {
      box.append(rest(lines.slice(i), 'more'))
      break
    }
    let until = i
    while (until < lines.length && lines[until].mark === ' ') until++
    const [from, to] = [i === 0 ? 0 : i + 2, until === lines.length ? until : until - 2]
    if (to - from < FOLD) {
      until = Math.max(until, i + 1)
      box.append(...lines.slice(i, until).map(lineOf))
      i = until
    } else {
      box.append(...lines.slice(i, from).map(lineOf), rest(lines.slice(from, to), 'unchanged'), ...lines.slice(to, until).map(lineOf))
      i = until
    }
  }
  return box
}

// rest is a button that is replaced by the lines which it hides, the first of very many.
function rest(lines, which) {
  const b = make('button', { type: 'button', class: 'fold' }, `… ${many(lines.length, which + ' line')}`)
  b.addEventListener('click', () => {
    const more = lines.length > 1000 ? [rest(lines.slice(1000), which)] : []
    b.replaceWith(...lines.slice(0, 1000).map(lineOf), ...more)
  })
  return b
}

function lineOf({ mark, depth, label, text, hot }) {
  const e = make(mark === '+' ? 'ins' : mark === '-' ? 'del' : 'span', { class: 'line' })
  e.style.setProperty('--depth', depth)
  e.append(make('span', { class: 'sign', 'aria-hidden': 'true' }, mark === '-' ? '−' : mark), make('span', { class: 'label' }, label))
  if (!hot) e.append(clip(text))
  else e.append(clip(text.slice(0, hot[0]), true), make('mark', {}, clip(text.slice(...hot))), clip(text.slice(hot[1])))
  return e
}

// clip shortens a very long text, at its beginning where it leads to a difference.
function clip(text, before) {
  if (text.length <= 2000) return text
  return before ? `… (${number(text.length - 200)} more) …` + text.slice(-200) : text.slice(0, 2000) + `… (${number(text.length - 2000)} more)`
}

// ---- Keys and clicks

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

function listenToReader() {
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

const showTheme = () => put($('theme'), 'Theme: ' + document.documentElement.dataset.theme)

// sortBy sorts by a column, the other way round at the second click, and by what is wrong
// at the third.
function sortBy(sort) {
  const other = sort.startsWith('-') ? sort.slice(1) : '-' + sort
  show({ sort: view.sort === sort ? other : view.sort === other ? 'attention' : sort, page: 0 }, { step: false })
}

// ---- The beginning

// arrive shows what the address says.
function arrive() {
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
