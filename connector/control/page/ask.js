// Asking the connector, and saying so when it does not answer.

import { AGAIN, PACE } from './fixed.js'
import { $, attribute, put, say } from './document.js'
import { absolute, clock, setSkew } from './format.js'
import { lookAtAll } from './look.js'
import { stream } from './stream.js'
import { showTitle, tick } from './list.js'

let met = null // when it answered last, by the reader's clock
export let lostSince = null

// A Problem is what the API says where it does not do what it was asked for.
export class Problem extends Error {
  constructor(p) {
    super(p.detail ?? p.title)
    Object.assign(this, { title: p.title ?? 'Error', detail: p.detail ?? '', remedy: p.remedy ?? '', status: p.status ?? 0 })
  }
}

// here is where the page is. The address in the window may hold a name and a token, with
// which nothing can be asked for; the browser sends them by itself.
export const here = location.origin + location.pathname.replace(/[^/]*$/, '')

const unreachable = (detail) => new Problem({ title: 'Not reachable', detail, remedy: 'it is asked again by itself' })

// Exact is a number that a JavaScript number would show otherwise.
export class Exact {
  constructor(source) {
    this.source = source
  }
}

// exactly keeps numbers as they were written, where the browser tells.
const exactly = (_, value, context) => (typeof value === 'number' && context?.source !== undefined && String(value) !== context.source ? new Exact(context.source) : value)

export async function ask(path, { method = 'GET', body, key, timeout = 15000, exact = false } = {}) {
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
  setSkew(Math.abs(ahead) > 3000 ? ahead : 0) // a Date has whole seconds
  reach()
  const answer = JSON.parse(text, exact ? exactly : undefined)
  if (!response.ok) throw new Problem(answer)
  return answer
}

export const pathOf = (n) => `v1/sources/${encodeURIComponent(n.source)}/collections/${encodeURIComponent(n.collection)}`

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
  lookAtAll() // the process may be another one
}

export function showLink() {
  const live = stream?.readyState === EventSource.OPEN
  const text = lostSince ? 'not reachable' : !met ? 'connecting…' : live ? 'live' : `every ${PACE / 1000} s`
  put($('link-text'), text)
  showTitle()
  attribute($('link'), 'data-link', lostSince ? 'gone' : live ? 'live' : 'asked')
}
