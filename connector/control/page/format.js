// Numbers and times, as they are shown.

import { attribute, make, put } from './document.js'
import { lostSince } from './ask.js'

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
export const number = (n) => whole.format(n)

export function rate(n) {
  if (!(n >= 0.001)) return '0' // a single change is less after three minutes
  if (n < 0.05) return '<0.1'
  return n < 100 ? n.toFixed(1) : number(n)
}

export const many = (n, one, more = one + 's') => number(n) + ' ' + (n === 1 ? one : more)

// duration is how long something takes, in the largest two units that say enough.
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds))
  const two = (a, unitA, b, unitB) => a + '\u00a0' + unitA + (b ? ' ' + b + '\u00a0' + unitB : '')
  if (s < 60) return s + '\u00a0s'
  if (s < 3600) return Math.floor(s / 60) + '\u00a0min'
  if (s < 86400) return two(Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'min')
  if (s < 90 * 86400) return two(Math.floor(s / 86400), 'd', Math.floor((s % 86400) / 3600), 'h')
  return two(Math.floor(s / 31557600), 'y', Math.floor((s % 31557600) / 2629800), 'mo').replace(/^0\u00a0y /, '')
}

// span is how far apart things are that come again and again: of minutes the seconds count.
export function span(seconds) {
  if (seconds < 60) return +seconds.toFixed(3) + '\u00a0s'
  const rest = Math.floor(seconds % 60)
  return duration(seconds) + (seconds < 3600 && rest ? ' ' + rest + '\u00a0s' : '')
}

// skew is by how many ms the connector's clock is ahead of the reader's.
let skew = 0
export const setSkew = (ms) => (skew = ms)
export const now = () => Date.now() + skew

const pad = (n, width = 2) => String(n).padStart(width, '0')
export const clock = (d) => pad(d.getHours()) + ':' + pad(d.getMinutes()) + ':' + pad(d.getSeconds())

// absolute is a time in the reader's zone, the same everywhere.
export function absolute(iso) {
  const d = new Date(iso)
  if (isNaN(d)) return String(iso)
  const zone = -d.getTimezoneOffset()
  const sign = zone < 0 ? '−' : '+'
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${clock(d)} ${sign}${pad(Math.floor(Math.abs(zone) / 60))}:${pad(Math.abs(zone) % 60)}`
}

// relative is how far a time is from now.
export function relative(iso) {
  const s = (now() - Date.parse(iso)) / 1000
  if (isNaN(s)) return String(iso)
  if (Math.abs(s) < 1) return 'now'
  return s > 0 ? duration(s) + ' ago' : 'in ' + duration(-s)
}

// due is when something is to happen: one that should have happened is due.
export const due = (iso) => (Date.parse(iso) <= now() ? 'due' : relative(iso))

// fixed is a time that stays true while the connector cannot be asked.
const fixed = (iso) => (Math.abs(now() - Date.parse(iso)) < 43200000 ? clock(new Date(iso)) : absolute(iso).slice(0, 10))

// putTime shows a time of the connector relative to now, or a dash for one that never was.
export function putTime(e, iso, says = relative) {
  attribute(e, 'datetime', iso)
  attribute(e, 'title', iso && absolute(iso))
  put(e, !iso ? '–' : lostSince ? fixed(iso) : says(iso))
  e.says = says
}

export function timeOf(iso, says) {
  const e = make('time')
  putTime(e, iso, says)
  return e
}
