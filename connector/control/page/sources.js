// The process and its sources.

import { CARDS, MEANS, STATES, WRONG } from './fixed.js'
import { $, attribute, icon, make, put, word } from './document.js'
import { absolute, duration, many, now, number } from './format.js'
import { show, view } from './view.js'
import { known } from './look.js'

export function showProcess() {
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

export function showSources() {
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
  b.append(make('span', { class: 'card-line' }, wrong ? make('b', { class: 'bad' }, `${number(wrong)} wrong`) : '', wrong ? ' of ' : '', many(s.collections, 'collection')))
  if (s.reauth_required) b.append(make('span', { class: 'card-line bad' }, icon('reauth_required'), 'sign in again'))
  else if (s.budget) b.append(make('span', { class: 'card-line' }, budget(s.budget)))
  b.addEventListener('click', () => show({ source: view.source === s.name ? '' : s.name, page: 0 }))
  return b
}

export function budget(b) {
  const bits = []
  if (b.waiting) bits.push(`${number(b.waiting)} waiting`)
  if (b.remaining !== null) bits.push(`${number(b.remaining)} left`)
  bits.push(`share ${number(b.per_minute)}/min`)
  return bits.join(' · ')
}

export function showTiles() {
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
