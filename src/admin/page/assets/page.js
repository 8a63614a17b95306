/**
 * What the page does with a script beside its plots: parts that change while they are looked at. It never writes
 * text as markup of its own: parts come from the server as it rendered them.
 */
/* global drawPlots, htmx */

/** The parts of the view as they were loaded: a part is replaced only when the server renders it otherwise. */
const rendered = new Map()

const remember = () => {
  rendered.clear()
  for (const part of document.querySelectorAll('[data-live]')) rendered.set(part.id, part.outerHTML)
}

const isChanged = ({ options, value, defaultValue, checked, defaultChecked }) =>
  options === undefined
    ? value !== defaultValue || checked !== defaultChecked
    : [...options].some(({ selected, defaultSelected }) => selected !== defaultSelected)

/** It has a form that a person is at, or has written in. */
const isInUse = (part) => {
  const fields = [...part.querySelectorAll('input, textarea, select')]
  return (
    (fields.length > 0 && part.contains(document.activeElement)) ||
    fields.some((field) => isChanged(field))
  )
}

const replacePart = (fresh) => {
  const part = document.getElementById(fresh.id)
  if (part === null || rendered.get(fresh.id) === fresh.outerHTML || isInUse(part)) return
  const open = [...part.querySelectorAll('details')].map(({ open: isOpen }) => isOpen)
  rendered.set(fresh.id, fresh.outerHTML)
  part.replaceWith(fresh)
  fresh
    .querySelectorAll('details')
    .forEach((details, place) => (details.open = open[place] ?? details.open))
  htmx.process(fresh)
  drawPlots(fresh)
  addCopyButtons()
}

const SLOW_PARTS_MS = 60_000
let slowPartsAt = -Infinity
let isSlowAwaited = false

/** Once a minute at most, also for the last one of many changes. */
const refreshSlowParts = () => {
  if (isSlowAwaited) return
  isSlowAwaited = true
  setTimeout(
    () => {
      isSlowAwaited = false
      slowPartsAt = performance.now()
      htmx.trigger(document.body, 'store-changed')
    },
    Math.max(0, slowPartsAt + SLOW_PARTS_MS - performance.now())
  )
}

let isLoading = false
/** Something changed while the view was loading. */
let isStale = false

const refresh = async () => {
  if (document.querySelector('[data-live]') === null) return
  isStale = isLoading
  if (isLoading) return
  isLoading = true
  try {
    const response = await fetch(location.href, { headers: { 'x-live': '1' } })
    if (!response.ok || response.redirected) return
    const view = new DOMParser().parseFromString(await response.text(), 'text/html')
    for (const fresh of view.querySelectorAll('[data-live]'))
      replacePart(document.importNode(fresh, true))
    // a connection that is opened later asks for what changes from here on
    document.getElementById('main').dataset.liveSource =
      view.getElementById('main').dataset.liveSource
    refreshSlowParts()
  } catch {
    // the next event tries again
  } finally {
    isLoading = false
    if (isStale) void refresh()
  }
}

let events = null

/** From the revision of this view. A hidden one listens to nothing; one that is seen again is loaded again. */
const listen = () => {
  events?.close()
  events = null
  const source = document.getElementById('main').dataset.liveSource
  if (source === undefined || document.hidden || document.querySelector('[data-live]') === null)
    return
  events = new EventSource(source)
  events.addEventListener('message', () => void refresh())
}

/** A text to copy gets a button, where the browser lets it. */
const addCopyButtons = () => {
  if (navigator.clipboard === undefined) return
  for (const text of document.querySelectorAll('pre[data-copy]:not(:has(+ .copy))')) {
    const button = document.createElement('button')
    button.className = 'copy'
    button.textContent = 'Copy'
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(text.textContent)
      button.textContent = 'Copied'
    })
    text.after(button)
  }
}

const begin = () => {
  remember()
  drawPlots(document)
  addCopyButtons()
  listen()
}

document.addEventListener('visibilitychange', () => {
  const wasClosed = events === null
  listen()
  if (!document.hidden && wasClosed) void refresh()
})
/** A text that a browser shows or saves itself is never put into the page as markup. */
document.addEventListener('htmx:beforeSwap', (event) => {
  const { xhr, pathInfo } = event.detail
  if ((xhr.getResponseHeader('content-type') ?? '').startsWith('text/html')) return
  event.preventDefault()
  location.assign(pathInfo.requestPath)
})
document.addEventListener('htmx:afterSettle', begin)
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => drawPlots(document))
begin()
