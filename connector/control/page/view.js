// What is shown, and its address.

import { STATES } from './fixed.js'
import { arrive } from './page.js'

export const view = { search: '', states: [], source: '', sort: 'attention', page: 0, open: null, key: '' }

export const nameOf = (c) => c.source + '.' + c.collection
export const same = (a, b) => a?.source === b?.source && a?.collection === b?.collection

// hashOf is the address of the page as it would be with those changes.
export function hashOf(changes = {}) {
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

export function readHash() {
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
export function show(changes, { step = true } = {}) {
  const hash = hashOf(changes)
  if (hash === location.hash) return
  history[step ? 'pushState' : 'replaceState'](null, '', hash)
  arrive()
}
