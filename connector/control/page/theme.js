'use strict'
// Light and dark, before anything is drawn: a module would come too late for that.

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
