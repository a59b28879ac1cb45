// Two versions of a value, side by side as lines of JSON.

import { FIRST, FOLD, LINES } from './fixed.js'
import { make } from './document.js'
import { many, number } from './format.js'
import { Exact } from './ask.js'

const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Exact)
const isScalar = (v) => !isObject(v) && !Array.isArray(v)
const literal = (v) => (v instanceof Exact ? v.source : JSON.stringify(v))
export const own = (o, k) => Object.prototype.hasOwnProperty.call(o, k)

// canonical is the same text for values that mean the same.
function canonical(v) {
  if (isScalar(v)) return literal(v)
  if (Array.isArray(v)) return '[' + v.map(canonical).join(',') + ']'
  return '{' + Object.keys(v).sort().map((k) => JSON.stringify(k) + ':' + canonical(v[k])).join(',') + '}'
}

// write puts a value into lines that have the same mark.
export function write(lines, mark, depth, label, v, comma) {
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
export function compare(lines, depth, label, a, b, comma, path, fields) {
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
export function linesOf(lines, compared) {
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
