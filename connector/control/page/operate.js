// What is done to a collection.

import { $, make, put } from './document.js'
import { duration, number } from './format.js'
import { nameOf, same, view } from './view.js'
import { ask, pathOf } from './ask.js'
import { known, soon } from './look.js'
import { showCollection, sweepWord } from './detail.js'
import { loadChanges } from './changes.js'

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
export async function operate(button, verb, body, done) {
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

export async function pause() {
  const name = nameOf(view.open)
  const yes = await confirmed({ title: `Pause ${name}?`, text: 'It rests until it is resumed; a restart of the connector does not end that. Nothing is lost: what changes meanwhile is read afterwards.', verb: 'Pause' })
  if (yes) operate($('a-pause'), 'pause', {}, 'Paused.')
}

export async function sweep() {
  const word = sweepWord(view.open)
  const yes = await confirmed({
    title: `${word} ${nameOf(view.open)}?`,
    text: 'The whole collection is read, to find what is gone. That takes requests from the budget of its source, and time.',
    verb: word,
    check: known.collection?.guarded ? 'Believe it even if much is missing' : undefined,
  })
  if (yes) operate($('a-sweep'), 'sweep', yes.checked ? { approve: true } : {}, `A ${word.toLowerCase()} is due now.`)
}

export async function pull() {
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
