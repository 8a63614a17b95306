/** Pieces of SVG: elements, axes and lines. Colours come from the page's style, by class. Pure. */
import { visibleText } from '../../../visible-text.ts'

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text of others for HTML and SVG, also within attributes. */
export const escapeHtml = (text: string): string =>
  visibleText(text).replaceAll(/[&<>"']/g, (char) => ESCAPES[char]!)

/** A tenth of a pixel is enough, and keeps the page small. */
const rounded = (value: number | string): string =>
  typeof value === 'string' ? escapeHtml(value) : String(Math.round(value * 10) / 10)

/** @param content markup */
export const element = (
  name: string,
  attributes: Record<string, number | string>,
  content = ''
): string => {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${rounded(value)}"`)
  return `<${name}${written.join('')}>${content}</${name}>`
}

export const label = (text: string, attributes: Record<string, number | string>): string =>
  element('text', attributes, escapeHtml(text))

export type Point = readonly [x: number, y: number]

export const line = (points: readonly Point[], className: string): string =>
  element('polyline', {
    class: className,
    points: points.map(([x, y]) => `${rounded(x)},${rounded(y)}`).join(' '),
  })

/** @param title for readers that do not see the picture */
export const picture = (
  { width, height, title }: { width: number; height: number; title: string },
  parts: readonly string[]
): string =>
  element(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, role: 'img', class: 'plot', width: '100%' },
    element('title', {}, escapeHtml(title)) + parts.join('')
  )

export interface Scale {
  /** value → pixels */
  at: (value: number) => number
  ticks: readonly number[]
}

/** @param ticks within the domain */
export const scaleOf = (
  [from, to]: readonly [number, number],
  [start, end]: readonly [number, number],
  ticks: readonly number[]
): Scale => ({
  at: (value) => start + ((value - from) / (to - from || 1)) * (end - start),
  ticks,
})
