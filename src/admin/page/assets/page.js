/**
 * What the page does with a script: plots, and parts that change while they are looked at. It never writes
 * text as markup of its own: parts come from the server as it rendered them.
 */
/* global uPlot, htmx */

const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

const SERIES = ['first', 'second', 'third']

const NUMBER = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 4 })

const FORMATS = {
  number: (value) => NUMBER.format(value),
  share: (value) => `${NUMBER.format(value * 100)} %`,
  usd: (value) => `$${NUMBER.format(value)}`,
  ms: (value) => `${NUMBER.format(value)} ms`,
  power: (value) => (value < 6 ? NUMBER.format(10 ** value) : `1e${NUMBER.format(value)}`),
}

const axis = (format) => ({
  stroke: colour('text'),
  grid: { stroke: colour('line'), width: 1 },
  ticks: { stroke: colour('line'), width: 1 },
  ...(format === undefined
    ? {}
    : {
        values: (_plot, values) => values.map((value) => (value === null ? '' : format(value))),
        size: 64,
      }),
})

/** In UTC: the day where one begins, else the time of the day. */
const timeAxis = {
  values: (_plot, values) =>
    values.map((value) => {
      const text = new Date(value * 1000).toISOString()
      return value % 86_400 === 0 ? text.slice(5, 10) : text.slice(11, 16)
    }),
}

/** The lines of `marks` are within the plot. */
const rangeWith = (marks) => {
  const heights = marks.flatMap(({ y }) => y ?? [])
  return (_plot, low, high) =>
    low === null
      ? [0, 1]
      : uPlot.rangeNum(Math.min(low, ...heights), Math.max(high, ...heights), 0.1, true)
}

/** Lines with a name: thresholds, the chosen point, the begin of a stage. */
const drawMarks = (plot, marks) => {
  const { ctx, bbox } = plot
  ctx.save()
  ctx.strokeStyle = colour('text')
  ctx.fillStyle = colour('text')
  ctx.font = `${12 * devicePixelRatio}px system-ui`
  ctx.setLineDash([4, 4])
  for (const [place, { name, x, y }] of marks.entries()) {
    const left = x === undefined ? bbox.left : plot.valToPos(x, 'x', true)
    const top = y === undefined ? bbox.top : plot.valToPos(y, 'y', true)
    if (
      left < bbox.left ||
      left > bbox.left + bbox.width ||
      top < bbox.top ||
      top > bbox.top + bbox.height
    )
      continue
    ctx.beginPath()
    ctx.moveTo(left, top)
    ctx.lineTo(
      x === undefined ? bbox.left + bbox.width : left,
      x === undefined ? top : bbox.top + bbox.height
    )
    ctx.stroke()
    // names of horizontal lines take turns at the two ends: the lines may be close to each other
    const isAtEnd = x === undefined && place % 2 === 1
    const isRight = isAtEnd || left > bbox.left + bbox.width * 0.7
    ctx.textAlign = isRight ? 'right' : 'left'
    const at = isAtEnd ? bbox.left + bbox.width : left
    const line = y === undefined ? bbox.top + bbox.height - 18 * devicePixelRatio : top
    ctx.fillText(name, at + (isRight ? -4 : 4), line + 14 * devicePixelRatio)
  }
  ctx.restore()
}

const draw = (element) => {
  const { x, y, series, marks } = JSON.parse(element.dataset.plot)
  const lines = series.filter(({ isBand }) => !isBand)
  const styled = series.map(({ name, isBand, isDashed }) => ({
    label: name,
    stroke: isBand
      ? undefined
      : colour(SERIES[lines.findIndex((line) => line.name === name) % SERIES.length]),
    width: isBand ? 0 : 2,
    dash: isDashed ? [6, 4] : undefined,
    points: { show: x.values.length < 40 && !isBand },
    value: (_plot, value) => (value === null ? '–' : FORMATS[y](value)),
  }))
  const at = series.findIndex(({ isBand }) => isBand)
  const options = {
    width: element.clientWidth,
    height: 240,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
    scales: { x: { time: x.kind === 'time' }, y: { range: rangeWith(marks) } },
    series: [
      {
        label: x.name,
        value:
          x.kind === 'time'
            ? '{YYYY}-{MM}-{DD} {HH}:{mm}'
            : (_plot, value) => (value === null ? '–' : FORMATS[x.kind](value)),
      },
      ...styled,
    ],
    axes: [
      x.kind === 'time' ? { ...axis(), ...timeAxis } : axis(FORMATS[x.kind]),
      axis(FORMATS[y]),
    ],
    bands: at === -1 ? [] : [{ series: [at + 1, at + 2], fill: colour('band') }],
    hooks: { draw: [(plot) => drawMarks(plot, marks)] },
  }
  element.replaceChildren()
  const plot = new uPlot(options, [x.values, ...series.map(({ values }) => values)], element)
  const watch = new ResizeObserver(() => {
    if (!element.isConnected) return watch.disconnect()
    if (element.clientWidth > 0 && element.clientWidth !== plot.width)
      plot.setSize({ width: element.clientWidth, height: 240 })
  })
  watch.observe(element)
}

const drawPlots = (root) => {
  for (const element of root.querySelectorAll('[data-plot]')) draw(element)
}

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

const begin = () => {
  remember()
  drawPlots(document)
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
