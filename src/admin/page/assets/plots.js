/**
 * Draws the plots of the page, each at the width that it has, with text of twelve pixels. The figures are in the
 * attribute `data-plot` of an element; `drawPlots` is for the script of the page.
 */
/* global uPlot */

const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

const SERIES = ['first', 'second', 'third']

// resolved: the style sheet names a colour for each theme, which a canvas does not know
for (const name of ['text', 'line', 'band', 'panel', ...SERIES])
  CSS.registerProperty({
    name: `--${name}`,
    syntax: '<color>',
    inherits: true,
    initialValue: 'black',
  })

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

const [MINUTE, HOUR, DAY] = [60, 3600, 86_400]

/** In UTC: the day where one begins, else the time of the day, with seconds where minutes would repeat. */
const timeAxis = {
  // a label has 8 characters
  space: 72,
  incrs: [
    1,
    5,
    10,
    30,
    ...[1, 5, 10, 30].map((count) => count * MINUTE),
    ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
    ...[1, 2, 5, 10, 30, 90, 365].map((count) => count * DAY),
  ],
  values: (_plot, values, _axis, _space, step) =>
    values.map((value) => {
      const text = new Date(value * 1000).toISOString()
      if (value % DAY === 0) return text.slice(5, 10)
      return text.slice(11, step < MINUTE ? 19 : 16)
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

const TEXT_PX = 12
const LINE_PX = 16

/** Places for the name of a line, the best first: beside the line, within the plot. */
const placesFor = ({ x }, { left, top }, { bbox, ratio }) => {
  const [gap, line] = [4 * ratio, LINE_PX * ratio]
  const end = bbox.left + bbox.width
  if (x === undefined)
    return [top + line, top - gap].flatMap((at) => [
      { align: 'left', x: bbox.left + gap, y: at },
      { align: 'right', x: end - gap, y: at },
    ])
  const lowest = bbox.top + bbox.height - gap
  return Array.from({ length: Math.floor(bbox.height / line) }, (_, row) => [
    { align: 'left', x: left + gap, y: lowest - row * line },
    { align: 'right', x: left - gap, y: lowest - row * line },
  ]).flat()
}

const boxAt = ({ align, x, y }, width, ratio) => ({
  left: align === 'left' ? x : x - width,
  right: align === 'left' ? x + width : x,
  top: y - TEXT_PX * ratio,
  bottom: y + 3 * ratio,
})

const isFree = (box, taken, bbox) =>
  box.left >= bbox.left &&
  box.right <= bbox.left + bbox.width &&
  box.top >= bbox.top &&
  box.bottom <= bbox.top + bbox.height &&
  taken.every(
    (other) =>
      box.right < other.left ||
      box.left > other.right ||
      box.bottom < other.top ||
      box.top > other.bottom
  )

const isWithin = ({ left, top }, bbox) =>
  left >= bbox.left &&
  left <= bbox.left + bbox.width &&
  top >= bbox.top &&
  top <= bbox.top + bbox.height

/** Writes the name where no other one stands; the line alone is drawn where there is no such place. */
const drawName = (plot, mark, at, taken) => {
  const { ctx, bbox } = plot
  const ratio = devicePixelRatio
  const { width } = ctx.measureText(mark.name)
  const place = placesFor(mark, at, { bbox, ratio }).find((one) =>
    isFree(boxAt(one, width, ratio), taken, bbox)
  )
  if (place === undefined) return
  const box = boxAt(place, width, ratio)
  taken.push(box)
  ctx.textAlign = place.align
  ctx.fillStyle = colour('panel')
  ctx.globalAlpha = 0.6
  ctx.fillRect(box.left, box.top, width, box.bottom - box.top)
  ctx.globalAlpha = 1
  ctx.fillStyle = colour('text')
  ctx.fillText(mark.name, place.x, place.y)
}

/** Lines with a name: thresholds, the chosen point, the begin of a stage. */
const drawMarks = (plot, marks) => {
  const { ctx, bbox } = plot
  const taken = []
  ctx.save()
  ctx.strokeStyle = colour('text')
  ctx.font = `${TEXT_PX * devicePixelRatio}px system-ui`
  ctx.textBaseline = 'alphabetic'
  ctx.setLineDash([4, 4])
  for (const mark of marks) {
    const { x, y } = mark
    const at = {
      left: x === undefined ? bbox.left : plot.valToPos(x, 'x', true),
      top: y === undefined ? bbox.top : plot.valToPos(y, 'y', true),
    }
    if (!isWithin(at, bbox)) continue
    ctx.beginPath()
    ctx.moveTo(at.left, at.top)
    ctx.lineTo(
      x === undefined ? bbox.left + bbox.width : at.left,
      x === undefined ? at.top : bbox.top + bbox.height
    )
    ctx.stroke()
    drawName(plot, mark, at, taken)
  }
  ctx.restore()
}

const stylesOf = ({ x, y, series }) => {
  const lines = series.filter(({ isBand }) => !isBand)
  return series.map(({ name, isBand, isDashed }) => ({
    label: name,
    stroke: isBand
      ? undefined
      : colour(SERIES[lines.findIndex((line) => line.name === name) % SERIES.length]),
    width: isBand ? 0 : 2,
    dash: isDashed ? [6, 4] : undefined,
    points: { show: x.values.length < 40 && !isBand },
    value: (_plot, value) => (value === null ? '–' : FORMATS[y](value)),
  }))
}

const optionsOf = ({ x, y, series, marks }, width) => {
  const at = series.findIndex(({ isBand }) => isBand)
  return {
    width,
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
      ...stylesOf({ x, y, series }),
    ],
    axes: [
      x.kind === 'time' ? { ...axis(), ...timeAxis } : axis(FORMATS[x.kind]),
      axis(FORMATS[y]),
    ],
    bands: at === -1 ? [] : [{ series: [at + 1, at + 2], fill: colour('band') }],
    hooks: { draw: [(plot) => drawMarks(plot, marks)] },
  }
}

/** What redraws an element when its width changes. */
const watches = new WeakMap()

/** At the width that the element has: one in a closed fold has none until it is opened. */
const draw = (element) => {
  const data = JSON.parse(element.dataset.plot)
  const { x, series } = data
  watches.get(element)?.disconnect()
  element.replaceChildren()
  let plot = null
  const watch = new ResizeObserver(() => {
    const { clientWidth: width } = element
    if (!element.isConnected) return watch.disconnect()
    if (width === 0) return
    if (plot === null)
      plot = new uPlot(
        optionsOf(data, width),
        [x.values, ...series.map(({ values }) => values)],
        element
      )
    else if (width !== plot.width) plot.setSize({ width, height: 240 })
  })
  watches.set(element, watch)
  watch.observe(element)
}

globalThis.drawPlots = (root) => {
  for (const element of root.querySelectorAll('[data-plot]')) draw(element)
}
