// Looking again and again at what is shown.

import { AGAIN, GAP, PACE, PAGE, RARE } from './fixed.js'
import { same, show, view } from './view.js'
import { ask, lostSince, pathOf, Problem } from './ask.js'
import { listen, stream } from './stream.js'
import { showProcess, showSources } from './sources.js'
import { showList, showListProblem } from './list.js'
import { showCollection, showNoCollection } from './detail.js'

export const known = { page: null, info: null, sources: [], collection: null }
let looks = 0
let timer = 0
let looking = false
let once = false // more was asked for while it looked
let last = 0

// lookAtAll has the next look ask for sources and process too.
export const lookAtAll = () => (looks = 0)

// soon looks as soon as the gap since the last look lets it.
export function soon() {
  if (looking) once = true
  else plan(Math.max(0, last + GAP - Date.now()))
}

function plan(ms) {
  clearTimeout(timer)
  if (!document.hidden) timer = setTimeout(look, ms)
}

export async function look() {
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

export async function loadList() {
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

export async function loadCollection() {
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
