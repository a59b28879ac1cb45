// One collection.

import { MEANS, WRONG } from './fixed.js'
import { $, attribute, icon, make, put, word } from './document.js'
import { absolute, due, duration, many, number, rate, relative, span, timeOf } from './format.js'
import { nameOf, same, view } from './view.js'
import { known, loadCollection } from './look.js'
import { forget, listen } from './stream.js'
import { budget } from './sources.js'
import { rows, wrongOf } from './list.js'
import { clearEvents } from './events.js'
import { clearChanges, loadChanges } from './changes.js'

export function showCollection() {
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
export const sweepWord = (c) => (known.sources.find((s) => s.name === c.source)?.type === 'handler' ? 'Dump' : 'Sweep')

function showTrouble(c) {
  const [why, remedy, past] = wrongOf(c)
  const box = $('d-trouble')
  box.hidden = !why || Boolean(c.backfill && !c.why)
  box.classList.toggle('past', past)
  put($('d-why'), why)
  put($('d-remedy'), remedy)
  $('d-remedy').hidden = !remedy
}

export function showNoCollection(e) {
  $('d-body').hidden = true
  $('d-empty').hidden = false
  put($('d-empty'), [e.detail, e.remedy].filter(Boolean).join(' — '))
}

// factsOf are the numbers of a collection: label, value, and what the value means.
function factsOf(c) {
  const source = known.sources.find((s) => s.name === c.source)
  const every = [c.interval_seconds ? 'every ' + span(c.interval_seconds) : '', ...(c.cron ?? []).map((x) => 'cron ' + x)].filter(Boolean)
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

export function openDetails() {
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
    forget()
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
