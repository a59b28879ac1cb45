// Changes of a record.

import { $, make, put } from './document.js'
import { many, timeOf } from './format.js'
import { view } from './view.js'
import { ask, pathOf } from './ask.js'
import { compare, linesOf, write } from './compare.js'

let asked = 0

export function clearChanges() {
  asked++
  put($('d-changes-note'), '')
  $('d-changes').replaceChildren()
}

export async function loadChanges() {
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
